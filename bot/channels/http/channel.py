"""An app as a channel: it posts what its customers say, we post what they are to read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from bot.channels import reading
from bot.channels.base import Accept, Part, Unreachable
from bot.channels.http import messages
from bot.channels.http.account import Account
from bot.channels.http.client import Client
from bot.channels.http.links import Links
from bot.channels.web import schemas
from conversations import download
from conversations import repository as record
from conversations.files import Files
from conversations.models import Attachment, Audience
from conversations.schemas import Capabilities
from conversations.texts import Texts
from store import clock
from store.engine import Database
from store.errors import NotFound
from store.live import Live
from store.signing import checked, signed

Resume = Callable[[int], Awaitable[None]]
"""Tells the outbox that the customer of a conversation wrote: a quota is whole again."""


class HttpChannel:
    """One account. ``texts`` must hold the room ``http``."""

    def __init__(
        self,
        account: Account,
        database: Database,
        live: Live,
        accept: Accept,
        resume: Resume,
        texts: Texts,
        files: Files,
        links: Links,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._account = account
        self._database = database
        self._live = live
        self._accept = accept
        self._resume = resume
        self._texts = texts
        self._files = files
        self._links = links
        self._client = Client(account, client)

    @property
    def name(self) -> str:
        return self._account.channel

    @property
    def capabilities(self) -> Capabilities:
        return self._account.capabilities

    async def close(self) -> None:
        await self._client.close()

    def router(self) -> APIRouter:
        routes = APIRouter(prefix=f"/http/{self._account.id}")

        @routes.post("/messages", status_code=202)
        async def message(request: Request) -> JSONResponse:
            body = await schemas.body(request)
            name = checked(self._account.key, request.headers, body)
            said = schemas.parse(body, messages.Said)
            accepted = await self._accept(
                messages.to_inbound(said, name, self._account, self._texts)
            )
            if self.capabilities.reply_quota is not None:
                await self._resume(accepted.conversation_id)
            return JSONResponse({"message": accepted.message_id, "new": accepted.new}, 202)

        @routes.post("/receipts", status_code=204)
        async def receipt(request: Request) -> Response:
            body = await schemas.body(request)
            checked(self._account.key, request.headers, body)
            await asyncio.to_thread(self._confirm, schemas.parse(body, messages.Receipt))
            return Response(status_code=204)

        @routes.get("/files/{number}")
        async def file(number: int, until: str = "", signature: str = "") -> Response:
            self._links.check(self._path(number), until, signature)
            return download.answer(self._files, await asyncio.to_thread(self._file, number))

        return routes

    async def send(self, part: Part) -> str | None:
        """Post one part; the app's own id for it, if its answer gives one."""
        if part.account != self._account.id:
            raise Unreachable("this customer belongs to another account")
        link = self._links.to(self._path(part.file.id)) if part.file else ""
        body = messages.body_of(part, clock.now(), link)
        headers = signed(self._account.key, messages.name_of(part), body)
        answer = await self._client.post(body, headers | {"content-type": "application/json"})
        return messages.outside_id(answer)

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        """A customer's file by its address at the app's host."""
        return await self._client.get(reference, most)

    def _path(self, file_id: int) -> str:
        return f"/http/{self._account.id}/files/{file_id}"

    def _file(self, number: int) -> Attachment:
        """A file that was sent to a customer of this account, or that he sent."""
        with self._database.read() as session:
            found = record.attachment(session, number)
            if found is not None:
                row, message, customer = found
                if customer.channel == self.name and message.audience == Audience.EVERYONE:
                    return row
        raise NotFound("no such file")

    def _confirm(self, receipt: messages.Receipt) -> None:
        """NotFound for a customer who never wrote."""
        arrived, seen = receipt.message, receipt.message if receipt.state == "read" else 0
        with self._database.read() as session:
            customer = record.customer(session, self.name, self._account.id, receipt.customer.id)
            if customer is None:
                raise NotFound("no such customer")
            if not reading.unconfirmed(session, customer, arrived, seen):
                return
        with self._database.write() as session:
            changed = reading.confirm(session, customer, arrived, seen)
            self._live.after_commit(session, "queue", *(f"conversation:{n}" for n in changed))
