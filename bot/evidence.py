"""``/evidence/{number}``: where a customer puts photos whose channel carries none. The link is his
key: signed, for one ticket, and good for some days."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from bot.channels.http.links import Links
from bot.channels.web.page import language_of
from conversations import attachments, files
from conversations import service as conversations
from conversations.files import Files
from conversations.models import Author, Conversation
from conversations.schemas import Reference
from handoff.desk.edge import form_of, page
from handoff.desk.words import Pages
from store.engine import Database
from store.errors import CourierError, Invalid, NotFound, TooManyFiles
from store.live import Live
from tickets import evidence, repository
from tickets.lifecycle import Lifecycle
from tickets.models import FINISHED

PREFIX = "/evidence/"
MOST = 30
"""Files of one ticket that may come by the link."""
Number = Annotated[str, Path(max_length=20)]


def router(
    database: Database, live: Live, store: Files, lifecycle: Lifecycle, links: Links, pages: Pages
) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    def checked(number: str, request: Request) -> None:
        """NotFound for a forged or old link, and for a ticket that is finished."""
        asked = request.query_params
        until = asked.get("until", "")
        if not until.isdecimal():
            raise NotFound("no link of ours")
        links.check(PREFIX + number, until, asked.get("signature", ""))
        with database.read() as session:
            ticket = repository.by_number(session, number)
        if ticket is None or ticket.state in FINISHED:
            raise NotFound("a ticket that takes nothing more")

    def shown(request: Request, number: str, error: CourierError | None = None) -> Response:
        language = language_of(request)
        texts = pages.words(language).texts
        fault = texts.say(language, f"errors.{error.code}", 0, **error.facts) if error else ""
        html = pages.render(
            "evidence.html",
            language,
            t=texts.room(language, "ticket.upload"),
            number=number,
            most=store.most >> 20,
            came=request.query_params.get("came") == "1" and not fault,
            fault=fault,
            action=f"{PREFIX}{number}?{request.query_params}",
        )
        return page(html, error.status if error else 200)

    def keep(number: str, data: bytes, name: str) -> None:
        stored = store.keep(data)
        with database.write() as session:
            ticket = repository.by_number(session, number)
            assert ticket is not None, "it was there when the link was checked"
            before = attachments.by_id(session, repository.file_ids(session, ticket.id))
            if len(before) >= MOST:
                raise TooManyFiles(most=MOST)
            talk = session.get_one(Conversation, ticket.conversation_id)
            found = Reference(files.kind_of(stored.media_type), name=name, stored=stored)
            message = conversations.append(
                session, talk, Author.CUSTOMER, "", kind=attachments.kind_of([found])
            )
            attachments.attach(session, message, [found])
            session.flush()
            evidence.gather(session, lifecycle, talk.id, ticket)
            live.after_commit(session, "queue", f"conversation:{talk.id}")

    @routes.get(PREFIX + "{number}")
    def show(request: Request, number: Number) -> Response:
        checked(number, request)
        return shown(request, number)

    @routes.post(PREFIX + "{number}")
    async def take(request: Request, number: Number) -> Response:
        await asyncio.to_thread(checked, number, request)
        try:
            async with form_of(request, store.most) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile) or not file.filename:
                    raise Invalid("no file")
                data = await file.read()
                await asyncio.to_thread(keep, number, data, file.filename)
        except CourierError as error:
            return shown(request, number, error)
        return RedirectResponse(f"{PREFIX}{number}?{request.query_params}&came=1", 303)

    return routes
