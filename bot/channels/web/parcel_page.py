"""``/p/<code>``: a parcel's own page, for whoever has its link; live, without a map.

What is personal on it needs the proof of identity, which belongs to this browser's visitor: the
same that he gives in the chat, and the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from sse_starlette import ServerSentEvent

from bot.channels.web import page as pages
from bot.channels.web import sse, visitors
from bot.channels.web.limits import Buckets, Slots
from bot.channels.web.parcel_parts import ROOM, SIGNS, Look, path_of, shipment_of
from bot.channels.web.parts import NO_STORE, Web
from bot.channels.web.sse import Stream
from bot.channels.web.stream import SWEEP_SECONDS, topic
from bot.channels.web.visitors import Visitor
from conversations import service as conversations
from conversations.schemas import Inbound
from parcels import identity, timeline
from parcels.identity import Answer
from store import clock
from store.errors import Invalid, NotFound, TooManyRequests

WRONG_CODE = 10
"""A code that opens nothing costs as much as so many pages: nobody looks for one by trying."""
REDRAWN = timedelta(minutes=1)
EVENTS = "/events"


def add_routes(routes: APIRouter, web: Web, streams: Slots) -> None:
    """The page, its stream, the proof, and the way into the chat."""
    own = APIRouter(prefix=timeline.PATH, route_class=_route_class(web))
    asked = Buckets(web.limits.messages_per_visitor)

    @own.get("/{code}", response_class=HTMLResponse)
    def show(code: str, request: Request, proof: str = "") -> Response:
        look = Look(web, request, code, wrong=proof == "wrong")
        number, parts = look.now()
        html = web.page.shown(
            "parcel.html",
            ROOM,
            look.language,
            title=web.texts.say(look.language, "timeline.title", number=number),
            here=path_of(code),
            parts=parts,
            wrong=look.wrong,
        )
        response = _page(html)
        if request.query_params.get("lang") == look.language:
            visitors.remember(
                response, visitors.LANGUAGE_COOKIE, look.language, secure=web.secure_cookies
            )
        return response

    @own.post("/{code}/proof")
    def prove(
        code: str, request: Request, digits: Annotated[str, Form(max_length=64)] = ""
    ) -> Response:
        """One try; the page then tells how it ended, in the same words whatever was wrong."""
        visitors.same_origin(request)
        visitor, secret = visitors.known_or_new(request)
        given = identity.digits_in(digits, asked=True)
        right = False
        with web.database.write() as session:
            number = shipment_of(session, code).waybill_no
            if given is not None:
                who = _inbound(web, visitor, request)
                customer = conversations.find_or_add_customer(session, who)
                answer = identity.prove(session, web.identity, customer, None, number, given)
                right = answer is Answer.RIGHT
        return _see(path_of(code) + ("" if right else "?proof=wrong"), web, secret)

    @own.post("/{code}/chat")
    async def chat(code: str, request: Request, ask: Annotated[str, Form()]) -> Response:
        """Say what the button says, with the parcel's number, and go to the chat."""
        visitors.same_origin(request)
        visitor, secret = visitors.known_or_new(request)
        asked.take(visitor.address)
        if ask not in SIGNS:
            raise Invalid("no such question")
        number = await asyncio.to_thread(_number, web, code)
        language, key = pages.language_of(request), f"timeline.asks.{ask}.say"
        said = _inbound(
            web,
            visitor,
            request,
            # Pressed twice at once, it is said once.
            outside_id=f"{visitor.prefix}{code}:{ask}:{clock.now():%Y%m%d%H%M}",
            text=web.texts.say(language, key, number=number),
        )
        await web.accept(said)
        web.live.wake(topic(visitor.address))
        return _see("/", web, secret)

    @own.get("/{code}" + EVENTS)
    async def events(code: str, request: Request, proof: str = "") -> Response:
        look = Look(web, request, code, wrong=proof == "wrong")
        await asyncio.to_thread(_number, web, code)
        network = visitors.network_address(request)
        streams.enter(network)
        seen = request.headers.get("last-event-id") or request.query_params.get("seen")
        return Stream(_events(look, seen), lambda: streams.leave(network))

    routes.include_router(own)


async def _events(look: Look, seen: str | None) -> AsyncIterator[ServerSentEvent]:
    """Endless: ``page`` whenever the page would look different from ``seen``."""
    yield sse.hello()
    stamp: tuple[Any, ...] | None = None
    drawn = clock.now()
    while True:
        before, stamp = stamp, await asyncio.to_thread(look.stamp)
        # What time alone changes (late by now, "yesterday", a proof that ended) is seen within
        # REDRAWN.
        if stamp != before or clock.now() - drawn > REDRAWN:
            drawn = clock.now()
            try:
                _, parts = await asyncio.to_thread(look.now)
            except NotFound:
                return
            if parts.version != seen:
                seen = parts.version
                yield sse.event("page", asdict(parts), seen)
        await asyncio.sleep(SWEEP_SECONDS)


def _route_class(web: Web) -> type[APIRoute]:
    """Routes whose requests are counted by network address; a code that opens nothing is answered
    by one and the same page, and costs more."""
    of_address = Buckets(web.limits.parcel_pages_per_address)

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                network = visitors.network_address(request)
                try:
                    of_address.take(network)
                    try:
                        return await handle(request)
                    except NotFound:
                        of_address.take(network, WRONG_CODE - 1)
                        return _closed(web, request, "gone", 404)
                except TooManyRequests as error:
                    if request.url.path.endswith(EVENTS):
                        raise  # read by a program
                    return _busy(web, request, int(str(error.facts["retry_after"])))

            return answer

    return Route


def _busy(web: Web, request: Request, seconds: int) -> Response:
    """Too much was asked for: when to try again, in words and for programs."""
    wait = web.texts.span(timedelta(seconds=seconds), pages.language_of(request))
    response = _closed(web, request, "busy", 429, wait=wait)
    response.headers["Retry-After"] = str(seconds)
    return response


def _closed(web: Web, request: Request, why: str, status: int, **facts: str) -> Response:
    """A page without a parcel; ``why`` is the name of its texts."""
    language = pages.language_of(request)
    html = web.page.shown(
        "parcel.html",
        ROOM,
        language,
        title=web.texts.say(language, f"timeline.{why}.title"),
        parts=None,
        closed=why,
        why_closed=web.texts.say(language, f"timeline.{why}.text", **facts),  # type: ignore[arg-type]
    )
    return _page(html, status)


def _page(html: str, status: int = 200) -> Response:
    headers = {**pages.headers(), **NO_STORE, "X-Robots-Tag": "noindex"}
    return HTMLResponse(html, status, headers=headers)


def _see(where: str, web: Web, secret: str | None) -> Response:
    """On to another page; a new visitor's browser keeps his secret."""
    response = RedirectResponse(where, 303, headers=NO_STORE)
    if secret is not None:
        visitors.remember(response, visitors.COOKIE, secret, secure=web.secure_cookies)
    return response


def _inbound(
    web: Web, visitor: Visitor, request: Request, *, outside_id: str = "", text: str = ""
) -> Inbound:
    return Inbound(
        channel=web.name,
        account=visitor.account,
        address=visitor.address,
        outside_id=outside_id,
        text=text,
        language=pages.language_of(request),
    )


def _number(web: Web, code: str) -> str:
    with web.database.read() as session:
        return shipment_of(session, code).waybill_no
