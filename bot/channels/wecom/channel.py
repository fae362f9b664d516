"""WeCom customer service as a channel: callbacks say that something came, send_msg answers.

A callback is answered once it is noted; ``pull.py`` fetches what it was about. Sessions are left
with the API (WeCom's states 0 and 1), so our desk answers; ``Account.servicer`` changes that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import IntegrityError

from bot.channels.base import Keep, Part, SendFailed, Unreachable
from bot.channels.buttons import button_id
from bot.channels.tencent import callback, xml
from bot.channels.tencent.crypto import SafeMode
from bot.channels.wecom import records
from bot.channels.wecom.account import Account
from bot.channels.wecom.api import CARRIED, Wecom
from bot.channels.wecom.convert import NAME, Person
from bot.channels.wecom.pull import Puller
from bot.loops import Loop
from conversations.schemas import Capabilities, Menu
from store.engine import Database
from store.errors import Invalid
from store.live import Live

log = logging.getLogger(__name__)

PATH = "/wecom"
MAX_BYTES = 2048
"""Bytes of one text by send_msg."""
MENU = Menu(buttons=10, title=128, words=1024)
QUOTA = 5
"""Messages after each one of the customer's, within 48 hours."""
_HAPPENED = "kf_msg_or_event"
_LONGEST_ID = 64
"""Characters of an account's id that the record keeps."""


class WecomChannel:
    """``keep`` stores a message, ``labels`` are the texts of the room ``wecom``.

    SettingsError for an unusable key.
    """

    def __init__(
        self,
        account: Account,
        database: Database,
        live: Live,
        keep: Keep,
        labels: Mapping[str, str],
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._account = account
        self._database = database
        self._live = live
        self._safe = SafeMode(account.aes_key, account.corpid, "COURIER_WECOM_AES_KEY")
        self._wecom = Wecom(account, client)
        self.puller = Puller(database, live, keep, self._wecom, labels)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            buttons=True,
            menu=MENU,
            max_length=MAX_BYTES,
            unit="bytes",
            reply_quota=QUOTA,
            files=CARRIED,
            retry_unknown=True,
        )

    async def close(self) -> None:
        await self._wecom.close()

    def router(self) -> APIRouter:
        routes = APIRouter(lifespan=self._life)

        @routes.get(PATH)
        async def verify(request: Request) -> Response:
            """The platform's question whether this address knows token and key."""
            echo = self._opened(request, request.query_params.get("echostr", ""))
            return PlainTextResponse(echo, headers={"x-content-type-options": "nosniff"})

        @routes.post(PATH)
        async def push(request: Request) -> Response:
            body = await callback.body(request)
            query = request.query_params
            body = callback.pushed(query, body, self._account.token, self._safe)
            await self._note(body)
            return PlainTextResponse(callback.DONE)

        return routes

    async def send(self, part: Part) -> str | None:
        """Send one part; a second send of it is dropped by WeCom."""
        self._check(part.account)
        to = Person(part.account, part.address)
        msgid = await asyncio.to_thread(self._sent_id, part)
        sent = await self._wecom.send(to, msgid, await self._shown(part))
        if self._account.servicer and part.index == part.count - 1:
            await self._hand_over(to, part.conversation_id)
        return sent

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        """A customer's file by its media id, which WeCom keeps for three days."""
        self._check(account)
        return await self._wecom.fetch(reference, most)

    async def _shown(self, part: Part) -> dict[str, Any]:
        if part.file is not None:
            return await self._wecom.show(part.file)
        if not part.buttons:
            return {"msgtype": "text", "text": {"content": part.text}}
        choices = [
            {"id": button_id(part.message_id, number), "content": button.title}
            for number, button in enumerate(part.buttons)
        ]
        listed = [{"type": "click", "click": choice} for choice in choices]
        return {"msgtype": "msgmenu", "msgmenu": {"head_content": part.text, "list": listed}}

    async def _hand_over(self, person: Person, conversation_id: int) -> None:
        """The bot said that people take over: they do, in WeCom's client. If WeCom refuses, the
        case is on our desk all the same."""

        def waits() -> bool:
            with self._database.read() as session:
                return records.waits_for_people(session, conversation_id)

        if await asyncio.to_thread(waits):
            try:
                await self._wecom.hand_over(person, self._account.servicer)
            except SendFailed as error:
                log.warning("a session could not be handed over in WeCom: %s", error)

    def _check(self, kfid: str) -> None:
        if not self._account.serves(kfid):
            raise Unreachable("this customer belongs to an account that is not switched on")

    def _sent_id(self, part: Part) -> str:
        with self._database.read() as session:
            found = records.sent_id(session, part.account, part.message_id, part.index)
        if found is None:
            raise Unreachable("an account that WeCom never spoke of")
        return found

    def _opened(self, request: Request, cipher: str) -> bytes:
        return callback.opened(request.query_params, cipher, self._account.token, self._safe)

    async def _note(self, body: bytes) -> None:
        """Keep durably that there is something to fetch. What says nothing is acknowledged too."""
        try:
            push = xml.read(body)
        except Invalid as error:
            log.info("a callback of WeCom was not understood: %s", error)
            return
        kfid, ticket = xml.word(push, "OpenKfId"), xml.word(push, "Token")
        usable = 0 < len(kfid) <= _LONGEST_ID and kfid.isascii() and self._account.serves(kfid)
        if xml.word(push, "Event") == _HAPPENED and usable:
            await asyncio.to_thread(self._note_all, [kfid], ticket)

    def _note_all(self, kfids: list[str], ticket: str = "") -> None:
        try:
            self._write_notes(kfids, ticket)
        except IntegrityError:  # PostgreSQL: another process heard of the account at this moment
            self._write_notes(kfids, ticket)

    def _write_notes(self, kfids: list[str], ticket: str) -> None:
        with self._database.write() as session:
            for kfid in kfids:
                records.note(session, kfid, ticket)
            self._live.after_commit(session, NAME)

    def _begin(self) -> None:
        """What came while nobody listened is asked for without a callback."""
        with self._database.read() as session:
            known = {kfid for kfid in records.accounts(session) if self._account.serves(kfid)}
        self._note_all(sorted(known | set(self._account.kfids)))

    @asynccontextmanager
    async def _life(self, _: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(self._begin)
        loop = Loop(self._live, NAME, self.puller.work)
        loop.start()
        try:
            yield
        finally:
            await loop.stop()
