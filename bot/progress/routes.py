"""``/tickets/progress``: a ticket's page, opened by its number and four digits, by a link from a
notice, or by the customer's own session; live. He sees how far it is, adds to it, and answers.

Whoever may not see it meets the same form, whether there is such a ticket or not. Digits are never
part of an address, and what is wrong is not told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session
from sse_starlette import ServerSentEvent

from bot.channels.http.links import Links
from bot.channels.web import page as pages
from bot.channels.web import sse, visitors
from bot.channels.web.limits import Buckets, Slots
from bot.channels.web.parts import NO_STORE
from bot.channels.web.sse import Stream
from bot.channels.web.stream import SWEEP_SECONDS
from bot.progress.acts import Progress, do
from bot.progress.view import PATH, ROOM, Parts, View, path_of
from conversations import repository as record
from conversations import service as conversations
from conversations.schemas import Inbound
from parcels import identity
from parcels.identity import Answer
from store import clock, ids
from store.errors import Conflict, CourierError, NotFound, TooManyRequests
from tickets import proof, repository
from tickets.models import FINISHED, Ticket
from tickets.service import canonical_number

CHANNEL = "web"
REDRAWN = timedelta(minutes=1)
LONGEST = 20
EVENTS = "/events"
Number = Annotated[str, Path(max_length=60)]


def router(with_: Progress) -> APIRouter:
    view = View(with_.page, with_.texts, with_.tickets.routing, with_.upload)
    looks = Buckets(with_.limits.parcel_pages_per_address)
    tries = Buckets(with_.limits.progress_tries_per_address)
    streams = Slots(with_.limits.streams_per_address)

    def ticket_for(session: Session, request: Request, number: str) -> Ticket | None:
        """The ticket, if whoever asks may see it."""
        known = canonical_number(number) == number
        ticket = repository.by_number(session, number) if known else None
        if ticket is None:
            return None
        if _linked(with_.links, request, number):
            return ticket
        visitor = visitors.of_cookie(request)
        if visitor is None:
            return None
        customer = record.customer(session, CHANNEL, visitor.account, visitor.address)
        return ticket if proof.may_see(session, with_.rules, customer, ticket) else None

    def door(
        request: Request, typed: str, status: int, fault: str = "", wait: str = ""
    ) -> Response:
        """The form for number and digits."""
        html = with_.page.shown(
            "progress.html",
            ROOM,
            pages.language_of(request),
            parts=None,
            typed=typed[:LONGEST],
            fault=fault,
            minutes=with_.rules.lock_minutes,
            wait=wait,
            path=PATH,
        )
        return _page(html, status)

    def busy(request: Request, seconds: int) -> Response:
        """Too much was asked for: when to try again, in words and for programs."""
        wait = with_.texts.span(timedelta(seconds=seconds), pages.language_of(request))
        response = door(request, "", 429, "busy", wait)
        response.headers["Retry-After"] = str(seconds)
        return response

    routes = APIRouter(prefix=PATH, include_in_schema=False, route_class=_route_class(busy))

    def whole(
        request: Request, number: str, *, fault: str = "", words: str = "", status: int = 200
    ) -> Response:
        language = pages.language_of(request)
        with with_.database.read() as session:
            ticket = ticket_for(session, request, number)
            if ticket is None:
                old = "signature" in request.query_params
                return door(request, number, 403, "old_link" if old else "")
            parts = view.parts(session, ticket, language, _here(request, number, "/say"))
        html = with_.page.shown(
            "progress.html",
            ROOM,
            language,
            title=with_.texts.say(language, f"{ROOM}.title", number=number),
            parts=parts,
            events=_here(request, number, EVENTS, lang=language),
            action=_here(request, number, "/say"),
            open=ticket.state not in FINISHED,
            fault=fault,
            words=words,
            key=ids.new_key(),
            other_language=_here(request, number, lang="en" if language == "zh" else "zh"),
        )
        return _chosen(_page(html, status), request, secure=with_.secure_cookies)

    @routes.get("")
    def ask(request: Request, number: Annotated[str, Query(max_length=60)] = "") -> Response:
        looks.take(visitors.network_address(request))
        typed = canonical_number(number) or ""
        return _chosen(door(request, typed, 200), request, secure=with_.secure_cookies)

    @routes.post("")
    def prove(
        request: Request,
        number: Annotated[str, Form(max_length=60)] = "",
        digits: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        """One try. What is wrong is told in the same words whatever it is."""
        visitors.same_origin(request)
        tries.take(visitors.network_address(request))
        asked, given = canonical_number(number), identity.digits_in(digits, asked=True)
        if asked is None or given is None:
            return door(request, asked or number, 403, "wrong")
        visitor, secret = visitors.known_or_new(request)
        with with_.database.write() as session:
            who = Inbound(
                CHANNEL, visitor.account, visitor.address, "", "",
                language=pages.language_of(request),
            )  # fmt: skip
            customer = conversations.find_or_add_customer(session, who)
            answer = proof.prove(session, with_.rules, customer, asked, given)
        if answer is Answer.RIGHT:
            response: Response = RedirectResponse(path_of(asked), 303, headers=NO_STORE)
        else:
            response = door(request, asked, 403, "locked" if answer is Answer.LOCKED else "wrong")
        if secret is not None:
            visitors.remember(response, visitors.COOKIE, secret, secure=with_.secure_cookies)
        return response

    @routes.get("/{number}", response_class=HTMLResponse)
    def show(number: Number, request: Request) -> Response:
        looks.take(visitors.network_address(request))
        return whole(request, number)

    @routes.post("/{number}/say")
    def say(
        number: Number,
        request: Request,
        what: Annotated[str, Form(max_length=10)] = "",
        words: Annotated[str, Form(max_length=8000)] = "",
        version: Annotated[int, Form(ge=1)] = 1,
        key: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        """He adds something, agrees, or says that it is not solved. What does not fit the ticket as
        it is by now changes nothing: he is shown how it is."""
        visitors.same_origin(request)
        looks.take(visitors.network_address(request))
        try:
            with with_.database.write() as session:
                ticket = ticket_for(session, request, number)
                if ticket is None:
                    return door(request, number, 403)
                do(session, with_, ticket, what, words, version, key)
        except Conflict:
            pass
        except CourierError as error:
            language = pages.language_of(request)
            fault = with_.texts.say(language, f"errors.{error.code}", 0, **error.facts)
            return whole(request, number, fault=fault, words=words, status=error.status)
        return RedirectResponse(_here(request, number), 303, headers=NO_STORE)

    @routes.get("/{number}" + EVENTS)
    async def events(number: Number, request: Request) -> Response:
        network = visitors.network_address(request)
        looks.take(network)
        language = pages.language_of(request)

        def now() -> Parts | None:
            with with_.database.read() as session:
                ticket = ticket_for(session, request, number)
                action = _here(request, number, "/say")
                return view.parts(session, ticket, language, action) if ticket else None

        def stamp() -> tuple[Any, ...] | None:
            with with_.database.read() as session:
                return repository.page_stamp(session, number)

        if await asyncio.to_thread(now) is None:
            raise NotFound("no ticket of his")
        streams.enter(network)
        seen = request.headers.get("last-event-id") or request.query_params.get("seen")
        return Stream(_events(now, stamp, seen), lambda: streams.leave(network))

    return routes


def _route_class(busy: Callable[[Request, int], Response]) -> type[APIRoute]:
    """Routes that answer whoever asks too often by a page; a stream is read by a program."""

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await handle(request)
                except TooManyRequests as error:
                    if request.url.path.endswith(EVENTS):
                        raise
                    return busy(request, int(str(error.facts["retry_after"])))

            return answer

    return Route


async def _events(
    now: Callable[[], Parts | None], stamp: Callable[[], tuple[Any, ...] | None], seen: str | None
) -> AsyncIterator[ServerSentEvent]:
    """``page`` whenever it would look different from ``seen``; ends when he may see it no more."""
    yield sse.hello()
    last: tuple[Any, ...] | None = None
    drawn = clock.now()
    while True:
        before, last = last, await asyncio.to_thread(stamp)
        if last != before or clock.now() - drawn > REDRAWN:
            drawn = clock.now()
            parts = await asyncio.to_thread(now)
            if parts is None:
                return
            if parts.version != seen:
                seen = parts.version
                yield sse.event("page", asdict(parts), seen)
        await asyncio.sleep(SWEEP_SECONDS)


def _linked(links: Links, request: Request, number: str) -> bool:
    """Whether the address is one we gave away for this ticket, and still good."""
    until = request.query_params.get("until", "")
    if not until.isascii() or not until.isdecimal() or len(until) > 12:
        return False
    try:
        links.check(path_of(number), until, request.query_params.get("signature", ""))
    except NotFound:
        return False
    return True


def _here(request: Request, number: str, more: str = "", **query: str) -> str:
    """The page's own address, or one below it; a link's key goes along."""
    kept = {k: v for k, v in request.query_params.items() if k in {"until", "signature"}}
    query = kept | query
    return f"{quote(path_of(number))}{more}" + (f"?{urlencode(query)}" if query else "")


def _page(html: str, status: int = 200) -> Response:
    headers = {**pages.headers(), **NO_STORE, "X-Robots-Tag": "noindex"}
    return HTMLResponse(html, status, headers=headers)


def _chosen(response: Response, request: Request, *, secure: bool) -> Response:
    """A language that was chosen here is remembered."""
    language = pages.language_of(request)
    if request.query_params.get("lang") == language:
        visitors.remember(response, visitors.LANGUAGE_COOKIE, language, secure=secure)
    return response
