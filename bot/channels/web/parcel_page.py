"""``/p/<code>``: a parcel's own page, for whoever has its link; live, without a map.

What is personal on it needs the proof of identity, which belongs to this browser's visitor: the
same that he gives in the chat, and the other way round.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from markupsafe import Markup
from sqlalchemy.orm import Session
from sse_starlette import ServerSentEvent

from actions import telling
from bot.channels.web import page as pages
from bot.channels.web import sse, visitors
from bot.channels.web.limits import Buckets, Slots
from bot.channels.web.parts import NO_STORE, Web
from bot.channels.web.sse import Stream
from bot.channels.web.stream import SWEEP_SECONDS, topic
from bot.channels.web.visitors import Visitor
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Customer
from conversations.schemas import Inbound
from conversations.texts import Texts
from parcels import identity, repository, timeline
from parcels.identity import Answer
from parcels.models import Shipment, Status
from parcels.timeline import View
from store import clock
from store.errors import Invalid, NotFound

ROOM = "timeline"
WRONG_CODE = 10
"""A code that opens nothing costs as much as so many pages: nobody looks for one by trying."""
REDRAWN = timedelta(minutes=1)
_SIGNS = {
    "time": "clock",
    "place": "pin",
    "hurry": "bolt",
    "code": "box",
    "missing": "search",
    "broken": "box",
    "person": "chat",
}
_ON_ITS_WAY = ("time", "place", "hurry", "person")
_OFFERED = {
    Status.AVAILABLE_FOR_PICKUP: ("code", "person"),
    Status.DELIVERED: ("missing", "broken", "person"),
    Status.EXCEPTION: ("hurry", "person"),
    Status.NOT_FOUND: ("person",),
    Status.RETURNED: ("person",),
}
_STEPS = {
    Status.OUT_FOR_DELIVERY: 2,
    Status.DELIVERY_FAILURE: 2,
    Status.AVAILABLE_FOR_PICKUP: 2,
    Status.DELIVERED: 3,
    Status.RETURNED: 3,
    Status.INFO_RECEIVED: 0,
    Status.NOT_FOUND: 0,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the page is renewed while it is open, as HTML; ``news`` is its headline in words."""

    news: str
    now: Markup
    road: Markup
    private: Markup
    asks: Markup

    @property
    def version(self) -> str:
        """Changes whenever one of them would look different."""
        seen = "\0".join((self.now, self.road, self.private, self.asks))
        return hashlib.blake2s(seen.encode(), digest_size=8).hexdigest()


def add_routes(routes: APIRouter, web: Web, streams: Slots) -> None:
    """The page, its stream, the proof, and the way into the chat."""
    own = APIRouter(prefix=timeline.PATH, route_class=_route_class(web))
    asked = Buckets(web.limits.messages_per_visitor)

    @own.get("/{code}", response_class=HTMLResponse)
    def show(code: str, request: Request, proof: str = "") -> Response:
        look = _Look(web, request, code, wrong=proof == "wrong")
        number, parts = look.now()
        html = web.page.shown(
            "parcel.html",
            ROOM,
            look.language,
            title=web.texts.say(look.language, "timeline.title", number=number),
            here=_here(code),
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
        visitor, secret = _visitor(request)
        given = identity.digits_in(digits, asked=True)
        right = False
        with web.database.write() as session:
            number = _shipment(session, code).waybill_no
            if given is not None:
                who = _inbound(web, visitor, request)
                customer = conversations.find_or_add_customer(session, who)
                answer = identity.prove(session, web.identity, customer, None, number, given)
                right = answer is Answer.RIGHT
        return _see(_here(code) + ("" if right else "?proof=wrong"), web, secret)

    @own.post("/{code}/chat")
    async def chat(code: str, request: Request, ask: Annotated[str, Form()]) -> Response:
        """Say what the button says, with the parcel's number, and go to the chat."""
        visitors.same_origin(request)
        visitor, secret = _visitor(request)
        asked.take(visitor.address)
        if ask not in _SIGNS:
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

    @own.get("/{code}/events")
    async def events(code: str, request: Request, proof: str = "") -> Response:
        look = _Look(web, request, code, wrong=proof == "wrong")
        await asyncio.to_thread(_number, web, code)
        network = visitors.network_address(request)
        streams.enter(network)
        seen = request.headers.get("last-event-id") or request.query_params.get("seen")
        return Stream(_events(look, seen), lambda: streams.leave(network))

    routes.include_router(own)


@dataclass(frozen=True, slots=True)
class _Look:
    """One visitor's look at one parcel's page, as often as it is renewed."""

    web: Web
    request: Request
    code: str
    wrong: bool = False

    @property
    def language(self) -> str:
        return pages.language_of(self.request)

    def now(self) -> tuple[str, Parts]:
        """The parcel's number, and what stands on its page. NotFound if there is none any more."""
        web = self.web
        with web.database.read() as session:
            shipment = _shipment(session, self.code)
            number, proven, locked = shipment.waybill_no, False, False
            customer = self._customer(session)
            if customer is not None:
                proven = identity.proven(session, web.identity, customer, number)
                locked = not proven and identity.locked(session, web.identity, customer, number)
            seen = timeline.view(session, shipment, proven=proven)
        return number, self._parts(seen, locked=locked)

    def stamp(self) -> tuple[Any, ...] | None:
        """Whether it is worth while to look again."""
        with self.web.database.read() as session:
            return repository.page_stamp(session, self.code)

    def _customer(self, session: Session) -> Customer | None:
        visitor = visitors.of_cookie(self.request)
        if visitor is None:
            return None
        return record.customer(session, self.web.name, visitor.account, visitor.address)

    def _parts(self, seen: View, *, locked: bool) -> Parts:
        texts, language, status = self.web.texts, self.language, seen.now.status
        say = partial(texts.say, language)
        part = self.web.page.part(
            "_parcel.html",
            ROOM,
            language,
            view=seen,
            say=lambda key, **facts: say(f"{ROOM}.{key}", 0, **facts),
            when=lambda at: texts.when(at, language),
            then=_then(texts, language, seen),
            because=_because(texts, language, seen),
            eta=_eta(texts, language, seen),
            steps=("ordered", "moving", *_last_steps(status)),
            step=_STEPS.get(status, 1),
            offered=_offered(seen),
            signs=_SIGNS,
            here=_here(self.code),
            locked=locked,
            wrong=self.wrong,
            lock_minutes=self.web.identity.lock_minutes,
        )
        news = say(f"{ROOM}.status.{status}")
        return Parts(news, part.now(), part.road(), part.private(), part.asks())


async def _events(look: _Look, seen: str | None) -> AsyncIterator[ServerSentEvent]:
    """Endless: ``parcel`` whenever the page would look different from ``seen``."""
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
                yield sse.event("parcel", asdict(parts), seen)
        await asyncio.sleep(SWEEP_SECONDS)


def _then(texts: Texts, language: str, seen: View) -> str:
    """What happens next."""
    now = seen.now
    if now.next_place and now.next_at:
        return texts.say(language, "timeline.next_at", place=now.next_place, at=now.next_at)
    if now.next_place:
        return texts.say(language, "timeline.next", place=now.next_place)
    if seen.private and seen.private.pickup_code:
        return texts.say(language, "timeline.then.code")
    key = f"timeline.then.{now.status}"
    return texts.say(language, key) if texts.has(key) else ""


def _eta(texts: Texts, language: str, seen: View) -> str:
    now = seen.now
    if now.late and now.due:
        return texts.say(language, "timeline.eta.late", at=now.due)
    return telling.expected(texts, language, now) or ""


def _because(texts: Texts, language: str, seen: View) -> str:
    """Why it stands still."""
    if seen.now.incident:
        return telling.cause(texts, language, seen.now.incident)
    reason = seen.now.reason
    return texts.say(language, "timeline.because", reason=reason) if reason else ""


def _offered(seen: View) -> tuple[str, ...]:
    """What a button says in the chat; a code that stands here need not be asked for."""
    offered = _OFFERED.get(seen.now.status, _ON_ITS_WAY)
    return tuple(name for name in offered if name != "code" or seen.private is None)


def _last_steps(status: Status) -> tuple[str, str]:
    third = "waiting" if status == Status.AVAILABLE_FOR_PICKUP else "out"
    return third, "returned" if status == Status.RETURNED else "delivered"


def _route_class(web: Web) -> type[APIRoute]:
    """Routes whose requests are counted by network address; a code that opens nothing is answered
    by one and the same page, and costs more."""
    of_address = Buckets(web.limits.parcel_pages_per_address)

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                network = visitors.network_address(request)
                of_address.take(network)
                try:
                    return await handle(request)
                except NotFound:
                    of_address.take(network, WRONG_CODE - 1)
                    language = pages.language_of(request)
                    title = web.texts.say(language, "timeline.gone.title")
                    html = web.page.shown("parcel.html", ROOM, language, title=title, parts=None)
                    return _page(html, 404)

            return answer

    return Route


def _page(html: str, status: int = 200) -> Response:
    headers = {**pages.headers(), **NO_STORE, "X-Robots-Tag": "noindex"}
    return HTMLResponse(html, status, headers=headers)


def _see(where: str, web: Web, secret: str | None) -> Response:
    """On to another page; a new visitor's browser keeps his secret."""
    response = RedirectResponse(where, 303, headers=NO_STORE)
    if secret is not None:
        visitors.remember(response, visitors.COOKIE, secret, secure=web.secure_cookies)
    return response


def _visitor(request: Request) -> tuple[Visitor, str | None]:
    """Who this browser is; a new one gets the secret that it is to keep."""
    known = visitors.of_cookie(request)
    if known is not None:
        return known, None
    secret, address = visitors.new()
    return Visitor(visitors.PAGE, address), secret


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


def _here(code: str) -> str:
    return f"{timeline.PATH}/{code}"


def _number(web: Web, code: str) -> str:
    with web.database.read() as session:
        return _shipment(session, code).waybill_no


def _shipment(session: Session, code: str) -> Shipment:
    found = timeline.of_code(session, code)
    if found is None:
        raise NotFound("no page of this code")
    return found
