"""HTTP of the customers' page. Each answer to a POST follows a durable write."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from bot.channels import reading
from bot.channels.web import page as pages
from bot.channels.web import parcel_page, schemas, uploads, visitors, widget
from bot.channels.web.limits import Buckets, Rate, Slots
from bot.channels.web.parts import NO_STORE, Web
from bot.channels.web.sse import Stream
from bot.channels.web.stream import topic
from bot.channels.web.visitors import Visitor
from conversations import attachments, download
from conversations import repository as record
from conversations.files import kind_of
from conversations.models import Attachment, Audience, Kind
from conversations.schemas import Inbound, Upload, point
from store.errors import Invalid, NotFound, TooManyFiles, TooManyRequests

MEGABYTE = 1 << 20


def router(web: Web) -> APIRouter:
    """The page, its files, the calls it makes, and the widget's own."""
    routes = APIRouter()
    per_visitor = Buckets(web.limits.messages_per_visitor)
    per_address = Buckets(web.limits.messages_per_address)
    requests = Buckets(web.limits.requests_per_address)
    per_hour = Buckets(Rate(web.files.per_hour, web.files.per_hour / 3600))
    megabytes = Buckets(web.limits.megabytes_per_address)
    uploads_of_address = Slots(web.limits.uploads_at_once)
    streams_of_visitor = Slots(web.limits.streams_per_visitor)
    streams_of_address = Slots(web.limits.streams_per_address)

    @routes.get("/", response_class=HTMLResponse)
    async def show(request: Request) -> Response:
        language = pages.language_of(request)
        response = HTMLResponse(
            web.page.render(language),
            headers={
                **pages.headers(locates=True),
                "Cache-Control": "no-cache",
                "Vary": "Accept-Language",
            },
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
        known = visitors.of_cookie(request)
        secret, address = (None, known.address) if known else visitors.new()
        response = JSONResponse({"visitor": visitors.label(address)}, headers=NO_STORE)
        if secret is not None:
            visitors.remember(response, visitors.COOKIE, secret, secure=web.secure_cookies)
        return response

    @routes.post("/chat/messages", status_code=202)
    async def say(request: Request) -> Response:
        visitors.same_origin(request)
        per_address.take(visitors.network_address(request))
        visitor = web.sites.require(request)
        per_visitor.take(visitor.address)
        said = await schemas.read(request, schemas.Said)
        accepted = await web.accept(_inbound(web, visitor, said, pages.language_of(request)))
        web.live.wake(topic(visitor.address))
        return JSONResponse({"id": accepted.message_id}, 202, headers=NO_STORE)

    @routes.post("/chat/receipts", status_code=204)
    async def receipt(request: Request) -> Response:
        visitors.same_origin(request)
        requests.take(visitors.network_address(request))
        visitor = web.sites.require(request)
        got = await schemas.read(request, schemas.Receipt)
        await asyncio.to_thread(_confirm, web, visitor, got)
        return Response(status_code=204)

    @routes.get("/chat/history")
    async def history(request: Request) -> Response:
        requests.take(visitors.network_address(request))
        visitor = web.sites.require(request)
        before = schemas.message_id(request.query_params.get("before"))
        view = await asyncio.to_thread(web.streams.latest, visitor, before=before)
        answer: dict[str, Any] = {
            "messages": [schemas.message(words, visitor.prefix) for words in view.messages],
            "more": view.more,
            "state": schemas.state(view.state, view.progress),
        }
        return JSONResponse(answer, headers=NO_STORE)

    @routes.post(uploads.PATH, status_code=201)
    async def upload(request: Request) -> Response:
        """The bytes of a file, which a message is to name by the id that is given here."""
        visitors.same_origin(request)
        network = visitors.network_address(request)
        requests.take(network)
        visitor = web.sites.require(request)
        try:
            per_hour.take(visitor.address)
        except TooManyRequests as error:
            raise TooManyFiles("this hour", most=web.files.per_hour) from error
        megabytes.take(network, math.ceil(web.uploads.announced(request) / MEGABYTE))
        uploads_of_address.enter(network)
        try:
            stored = await web.uploads.read(request)
        finally:
            uploads_of_address.leave(network)
        answer = {"id": web.uploads.seal(visitor, stored), "kind": kind_of(stored.media_type)}
        return JSONResponse(answer, 201, headers=NO_STORE)

    @routes.get("/chat/files/{number}")
    async def file(number: str, request: Request) -> Response:
        """A file of the visitor's own conversation; for anybody else there is none."""
        requests.take(visitors.network_address(request))
        visitor = web.sites.require(request)
        row = await asyncio.to_thread(_own_file, web, visitor, schemas.message_id(number) or 0)
        return download.answer(web.files, row)

    @routes.get("/chat/events")
    async def events(request: Request) -> Response:
        network = visitors.network_address(request)
        requests.take(network)
        visitor = web.sites.require(request)
        # A browser that reconnects by itself repeats the old address, but sends what it saw last.
        cursors = (request.query_params.get("after"), request.headers.get("last-event-id"))
        after = max((n for n in map(schemas.message_id, cursors) if n is not None), default=None)
        streams_of_address.enter(network)
        try:
            streams_of_visitor.enter(visitor.address)
        except BaseException:
            streams_of_address.leave(network)
            raise

        def leave() -> None:
            streams_of_visitor.leave(visitor.address)
            streams_of_address.leave(network)

        return Stream(web.streams.events(visitor, after), leave)

    parcel_page.add_routes(routes, web, streams_of_address)
    widget.add_routes(routes, web, requests)
    return routes


def _inbound(web: Web, visitor: Visitor, said: schemas.Said, language: str) -> Inbound:
    """The message; UploadGone for a file that is not (or no longer) the visitor's to send."""
    sent = [Upload(file.name, web.uploads.open(visitor, file.id)) for file in said.files]
    files = attachments.references(sent)
    labels = [web.texts.say(language, f"web.kinds.{file.kind}", name=file.name) for file in files]
    place = _place(said)
    if place is not None:
        latitude, longitude = (f"{degrees:.5f}" for degrees in place)
        labels.append(
            web.texts.say(language, "web.kinds.location", latitude=latitude, longitude=longitude)
        )
    label = " ".join(each.strip() for each in labels)
    return Inbound(
        channel=web.name,
        account=visitor.account,
        address=visitor.address,
        outside_id=visitor.prefix + said.id,
        text="\n".join(filter(None, (label, said.text.strip()))),
        name=visitor.name,
        language=language,
        attachments=files,
        label=label,
        kind=Kind.LOCATION if place else Kind.TEXT,
        point=place,
    )


def _place(said: schemas.Said) -> tuple[float, float] | None:
    """Where the customer is, if he tells; Invalid if that is no place on earth."""
    if said.point is None:
        return None
    place = point(*said.point)
    if place is None:
        raise Invalid("no place")
    return place


def _own_file(web: Web, visitor: Visitor, number: int) -> Attachment:
    with web.database.read() as session:
        found = record.attachment(session, number) if number <= schemas.MAX_ROW else None
        if found is not None:
            row, message, customer = found
            who = (customer.channel, customer.account, customer.address)
            own = (web.name, visitor.account, visitor.address)
            if who == own and message.audience == Audience.EVERYONE:
                return row
    raise NotFound("no such file")


def _confirm(web: Web, visitor: Visitor, got: schemas.Receipt) -> None:
    with web.database.read() as session:
        known = reading.visitor(session, web.name, visitor.account, visitor.address)
        if known is None or not reading.unconfirmed(session, known[0], got.up_to, got.read):
            return
    with web.database.write() as session:
        changed = reading.confirm(session, known[0], got.up_to, got.read)
        web.live.after_commit(session, "queue", *(f"conversation:{n}" for n in changed))
