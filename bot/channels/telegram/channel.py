"""Telegram as a channel: updates in by webhook or polling, messages out by the Bot API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy.exc import IntegrityError
from telegram import Update

from bot.channels.base import Accept, Part, TryLater, Unreachable
from bot.channels.buttons import button_id, pressed
from bot.channels.telegram import polling, records, webhook
from bot.channels.telegram.client import MOST, Client, Moved
from bot.channels.telegram.convert import (
    NAME,
    UNREADABLE,
    Pressed,
    Received,
    Renamed,
    read,
)
from bot.channels.telegram.desk.hearing import Hearing
from bot.channels.telegram.desk.small import SmallDesk
from bot.channels.telegram.pace import Pace, new_pace
from bot.channels.thinking import Thinking
from conversations.schemas import Button, Capabilities, Inbound
from conversations.texts import Texts
from store.engine import Database
from store.errors import Invalid, TooLong
from store.live import Live

log = logging.getLogger(__name__)

MEETINGS = 3
"""How often storing may meet its like on PostgreSQL, as in the inbox."""
TYPING_SECONDS = 4.5
"""Telegram shows it for five."""


class TelegramChannel:
    """One bot. With ``webhook_url`` (https, without path) deliveries are asked for, else it polls.

    ``texts`` must hold the room ``telegram``.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        live: Live,
        accept: Accept,
        texts: Texts,
        *,
        secret: str,
        webhook_url: str = "",
        pace: Pace | None = None,
        desk: SmallDesk | None = None,
    ) -> None:
        self._client = client
        self._database = database
        self._live = live
        self._accept = accept
        self._texts = texts
        self._secret = secret
        self._webhook_url = webhook_url
        self._pace = pace or new_pace()
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()
        self._thinking = Thinking(
            database, NAME, client.account, lambda to: client.typing(int(to)), TYPING_SECONDS
        )

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        # Telegram shows a repeated send twice: an unknown result is never repeated.
        return Capabilities(
            buttons=True, max_length=4096, unit="utf16", typing=True, files={"*": MOST}
        )

    def router(self) -> APIRouter:
        """The webhook's route, if deliveries are asked for; the router's life is the channel's."""
        routes = APIRouter(lifespan=self._life)
        if self._webhook_url:
            webhook.add(routes, self._secret, self.take)
        return routes

    async def send(self, part: Part) -> str | None:
        """Send one part at Telegram's pace; the message's number in its chat."""
        self._check(part.account)
        chat = int(part.address)
        await asyncio.sleep(self._pace.book(chat))
        try:
            return await self._deliver(chat, part)
        except Moved as moved:
            await asyncio.to_thread(self._rename, Renamed(part.address, str(moved.chat)))
            return await self._deliver(moved.chat, part)
        except TryLater as error:
            if error.after is not None:
                self._pace.hold(chat, error.after)
            raise

    async def _deliver(self, chat: int, part: Part) -> str:
        if part.file is not None:
            return await self._client.send_file(chat, part.file)
        buttons = [(b.title, button_id(part.message_id, n)) for n, b in enumerate(part.buttons)]
        return await self._client.say(chat, part.text, buttons)

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        """A customer's file by Telegram's file id, which stays valid."""
        self._check(account)
        return await self._client.fetch(reference, most)

    def _check(self, account: str) -> None:
        if account != self._client.account:
            raise Unreachable("this chat belongs to another bot than the one switched on")

    async def take(self, update: Update) -> None:
        """Store what an update says; when it returns, the update may be confirmed."""
        if self._desk is not None and self._desk.hearing.concerns(update):
            await self._hear(self._desk.hearing, update)
            return
        try:
            found = read(update, self._client.account, self._texts)
        except UNREADABLE as error:
            log.warning("update %s cannot be read: %s", update.update_id, type(error).__name__)
            return
        match found:
            case Renamed():
                await asyncio.to_thread(self._rename, found)
            case Pressed():
                await self._press(found)
            case Received():
                await self._receive(found)

    async def _hear(self, hearing: Hearing, update: Update) -> None:
        """A colleague's words, in a group or with his code."""
        words = await asyncio.to_thread(hearing.take, update)
        if words is not None and update.effective_chat is not None:
            self._background(self._aside(update.effective_chat.id, words))

    async def _receive(self, found: Received) -> None:
        inbound = found.inbound
        if found.edit_of is not None and await asyncio.to_thread(self._unchanged, found):
            return
        try:
            if found.polite:
                words = self._texts.say(inbound.language or "zh", found.polite)
                await asyncio.to_thread(self._keep, inbound, words, found.once)
            else:
                await self._accept(inbound)
                self._thinking.about(inbound.address)
        except TooLong:
            # Not in the record, so not in the outbox either: a courtesy, said once.
            words = self._texts.say(inbound.language or "zh", "errors.too_long")
            self._background(self._aside(int(inbound.address), words))
        except Invalid:
            log.info("update without words")

    async def _press(self, press: Pressed) -> None:
        """What a button says is the customer's message; pressed again it says nothing new."""
        button = await asyncio.to_thread(self._button, press)
        key = "telegram.button_gone"
        if button is not None:
            accepted = await self._accept(
                Inbound(
                    channel=NAME,
                    account=self._client.account,
                    address=press.address,
                    outside_id=f"press:{press.message_id}:{press.number}",
                    text=button.say,
                    name=press.name,
                    language=press.language,
                )
            )
            key = "telegram.chosen" if accepted.new else "telegram.chosen_before"
            self._thinking.about(press.address)
        words = self._texts.say(press.language, key, title=button.title if button else "")
        self._background(self._client.answer(press.callback_id, words))

    def _button(self, press: Pressed) -> Button | None:
        with self._database.read() as session:
            return pressed(
                session, NAME, self._client.account, press.address, press.message_id, press.number
            )

    def _unchanged(self, found: Received) -> bool:
        with self._database.read() as session:
            return records.unchanged(session, self._client.account, found.edit_of or "", found.said)

    def _rename(self, renamed: Renamed) -> None:
        with self._database.write() as session:
            records.rename(session, self._client.account, renamed.old, renamed.new)

    def _keep(self, inbound: Inbound, polite: str, once: str | None) -> None:
        for meeting in range(1, MEETINGS + 1):
            try:
                with self._database.write() as session:
                    row, new, answered = records.keep(session, inbound, polite, once)
                    if new:
                        topics = ["queue", f"conversation:{row.conversation_id}"]
                        topics += ["files"] if inbound.attachments else []
                        self._live.after_commit(session, *topics, *["outbox"] * answered)
                return
            except IntegrityError:
                if meeting == MEETINGS:
                    raise

    async def _aside(self, chat: int, words: str) -> None:
        try:
            await asyncio.sleep(self._pace.book(chat))
            await self._client.say(chat, words)
        except Exception as error:
            log.info("a courtesy was not sent: %s", type(error).__name__)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def _life(self, _: FastAPI) -> AsyncIterator[None]:
        """Messages come while the service runs; its start does not wait for Telegram."""
        self._background(self._connect())
        if self._desk is not None:
            self._desk.mirror.start()
        try:
            yield
        finally:
            if self._desk is not None:
                await self._desk.mirror.stop()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._thinking.stop()
            await self._client.close()

    async def _connect(self) -> None:
        if self._webhook_url:
            url = f"{self._webhook_url}{webhook.PATH}"
            await polling.until_done(
                "setWebhook", lambda: self._client.set_webhook(url, self._secret), asyncio.sleep
            )
        else:
            await polling.until_done("deleteWebhook", self._client.delete_webhook, asyncio.sleep)
            await polling.poll(self._client, self.take)
