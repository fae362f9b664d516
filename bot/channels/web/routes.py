"""HTTP of the customers' page. Each answer to a POST follows a durable write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from bot.channels import reading
from bot.channels.base import Accept
from bot.channels.web import page as pages
from bot.channels.web import schemas, visitors
from bot.channels.web.limits import Buckets, Limits, Slots
from bot.channels.web.page import Page
from bot.channels.web.stream import BEAT_SECONDS, Streams, beat, topic
from conversations import download
from conversations import repository as record
from conversations.files import Files
from conversations.models import Attachment, Audience
from conversations.schemas import Inbound
from store.engine import Database
from store.errors import NotFound
from store.live import Live

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Web:
    """What the routes work with."""

    name: str
    account: str
    database: Database
    accept: Accept
    live: Live
    files: Files
    page: Page
    streams: Streams
    limits: Limits
    secure_cookies: bool


def router(web: Web) -> APIRouter:
    """The page, its files, and the five calls it makes."""
    routes = APIRouter()
    per_visitor = Buckets(web.limits.messages_per_visitor)
    per_address = Buckets(web.limits.messages_per_address)
    requests = Buckets(web.limits.requests_per_address)
    streams_of_visitor = Slots(web.limits.streams_per_visitor)
    streams_of_address = Slots(web.limits.streams_per_address)

    @routes.get("/", response_class=HTMLResponse)
    async def show(request: Request) -> Response:
        language = pages.language_of(request)
        response = HTMLResponse(
            web.page.render(language),
            headers={**pages.HEADERS, "Cache-Control": "no-cache", "Vary": "Accept-Language"},
        )
        if request.query_params.get("lang") == language:
            visitors.remember(
                response, visitors.LANGUAGE_COOKIE, language, secure=web.secure_cookies
            )
        return response

    @routes.get("/static/web/{version}/{name}")
    async def static(version: str, name: str, request: Request) -> Response:
        # Any version is answered with the present one: a page may outlive an update.
        return web.page.file(name, request)

    @routes.post("/chat/session")
    async def session(request: Request) -> Response:
        visitors.same_origin(request)
        requests.take(visitors.network_address(request))
        address = visitors.address_of(request)
        secret = None
        if address is None:
            secret, address = visitors.new()
        # The page keeps unsent words under this name, so that they never leave under another's.
        response = JSONResponse({"visitor": address[:12]}, headers=NO_STORE)
        if secret is not None:
            visitors.remember(response, visitors.COOKIE, secret, secure=web.secure_cookies)
        return response

    @routes.post("/chat/messages", status_code=202)
    async def say(request: Request) -> Response:
        visitors.same_origin(request)
        per_address.take(visitors.network_address(request))
        address = visitors.require(request)
        per_visitor.take(address)
        said = await schemas.read(request, schemas.Said)
        accepted = await web.accept(
            Inbound(
                channel=web.name,
                account=web.account,
                address=address,
                outside_id=_prefix(address) + said.id,
                text=said.text,
                language=pages.language_of(request),
            )
        )
        web.live.wake(topic(address))
        return JSONResponse({"id": accepted.message_id}, 202, headers=NO_STORE)

    @routes.post("/chat/receipts", status_code=204)
    async def receipt(request: Request) -> Response:
        visitors.same_origin(request)
        requests.take(visitors.network_address(request))
        address = visitors.require(request)
        got = await schemas.read(request, schemas.Receipt)
        await asyncio.to_thread(_delivered, web, address, got.up_to)
        return Response(status_code=204)

    @routes.get("/chat/history")
    async def history(request: Request) -> Response:
        requests.take(visitors.network_address(request))
        address = visitors.require(request)
        before = schemas.message_id(request.query_params.get("before"))
        view = await asyncio.to_thread(web.streams.latest, address, before=before)
        answer: dict[str, Any] = {
            "messages": [schemas.message(words, _prefix(address)) for words in view.messages],
            "more": view.more,
            "state": schemas.state(view.state),
        }
        return JSONResponse(answer, headers=NO_STORE)

    @routes.get("/chat/files/{number}")
    async def file(number: str, request: Request) -> Response:
        """A file of the visitor's own conversation; for anybody else there is none."""
        requests.take(visitors.network_address(request))
        address = visitors.require(request)
        row = await asyncio.to_thread(_own_file, web, address, schemas.message_id(number) or 0)
        return download.answer(web.files, row)

    @routes.get("/chat/events")
    async def events(request: Request) -> Response:
        network = visitors.network_address(request)
        requests.take(network)
        address = visitors.require(request)
        # A browser that reconnects by itself repeats the old address, but sends what it saw last.
        cursors = (request.query_params.get("after"), request.headers.get("last-event-id"))
        after = max((n for n in map(schemas.message_id, cursors) if n is not None), default=None)
        streams_of_address.enter(network)
        try:
            streams_of_visitor.enter(address)
        except BaseException:
            streams_of_address.leave(network)
            raise

        async def stream() -> AsyncIterator[ServerSentEvent]:
            async for event in web.streams.events(address, after, _prefix(address)):
                yield event

        async def leave() -> None:
            streams_of_visitor.leave(address)
            streams_of_address.leave(network)

        return _Stream(
            stream(),
            leave,
            ping=BEAT_SECONDS,
            ping_message_factory=beat,
            sep="\n",
            send_timeout=30,
        )

    return routes


class _Stream(EventSourceResponse):
    """A stream that gives its places back however it ends, even before its first event."""

    def __init__(self, content: Any, leave: Any, **options: Any) -> None:
        super().__init__(content, **options)
        self._leave = leave

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._leave()


def _prefix(address: str) -> str:
    """Ids made by a page are its visitor's own: nobody can use up or ask for another's."""
    return f"{address}:"


def _own_file(web: Web, address: str, number: int) -> Attachment:
    with web.database.read() as session:
        found = record.attachment(session, number) if number <= schemas.MAX_ROW else None
        if found is not None:
            row, message, customer = found
            who = (customer.channel, customer.account, customer.address)
            if who == (web.name, web.account, address) and message.audience == Audience.EVERYONE:
                return row
    raise NotFound("no such file")


def _delivered(web: Web, address: str, up_to: int) -> None:
    with web.database.read() as session:
        known = reading.visitor(session, web.name, web.account, address)
        if known is None or not reading.unconfirmed(session, known[0], up_to, 0):
            return
    with web.database.write() as session:
        changed = reading.confirm(session, known[0], up_to, 0)
        web.live.after_commit(session, "queue", *(f"conversation:{n}" for n in changed))
