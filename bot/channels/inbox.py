"""The inbox: stored before it is acknowledged, answered once, in order per conversation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.channels.base import Accepted
from bot.loops import Crew, Loop
from conversations import service as conversations
from conversations.models import Inbox
from conversations.schemas import Inbound
from store import clock
from store.claims import backoff, claim, release, waits_behind
from store.engine import Database
from store.live import Live

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
SIDE_BY_SIDE = 32
MAX_ATTEMPTS = 6
MEETINGS = 3
"""How often storing may meet its like: as customer, as message, and once more."""

Route = Callable[[Inbox], Awaitable[None]]
"""Answers one row and marks it handled in the same transaction as the answer."""


class InboxLoop:
    """Accepts messages from channels and takes them to the router."""

    def __init__(self, database: Database, live: Live, route: Route) -> None:
        self._database = database
        self._live = live
        self._route = route
        self._crew = Crew(live, "inbox", SIDE_BY_SIDE)
        self._running = False
        self._loop = Loop(live, "inbox", self._claim)

    async def accept(self, inbound: Inbound) -> Accepted:
        """Store a message; a repeat of its outside id changes nothing.

        Raises Invalid or TooLong for words that cannot be kept.
        """
        for _ in range(MEETINGS):
            try:
                row, new = await asyncio.to_thread(self._store, inbound)
                break
            except IntegrityError:
                # PostgreSQL: the same message, or the customer's other first words, came by another
                # worker at this moment. What it stored is there now.
                log.info("a message on %s met its like", inbound.channel)
        else:
            row, new = await asyncio.to_thread(self._store, inbound)
        if new and row.leased_until is not None:
            self._crew.begin(self._answer(row))
        return Accepted(row.id, row.message_id, row.conversation_id, new)

    def _store(self, inbound: Inbound) -> tuple[Inbox, bool]:
        """The row, claimed already if this loop can answer it at once: that saves a claim."""
        free = self._running and self._crew.room > 0
        with self._database.write() as session:
            return self.keep(session, inbound, LEASE if free else None)

    def keep(
        self, session: Session, inbound: Inbound, lease: timedelta | None = None
    ) -> tuple[Inbox, bool]:
        """Store a message in the caller's transaction; ``False`` for a repeat. Raises as
        ``accept`` does, before anything is written."""
        row, new = conversations.receive(session, inbound, lease)
        if new:
            topics = ["queue", f"conversation:{row.conversation_id}"]
            topics += ["files"] if inbound.attachments else []
            self._live.after_commit(session, *topics, *([] if row.leased_until else ["inbox"]))
        return row, new

    def start(self) -> None:
        self._running = True
        self._loop.start()

    async def stop(self) -> None:
        self._running = False
        await self._loop.stop()
        await self._crew.stop()

    async def _claim(self) -> bool:
        return await self._crew.fill(self._claim_rows, self._answer)

    def _claim_rows(self, limit: int) -> list[Inbox]:
        with self._database.write() as session:
            return claim(session, Inbox, limit, LEASE, in_order_of="conversation_id")

    async def _answer(self, row: Inbox) -> None:
        try:
            await self._route(row)
        except Exception as error:
            log.exception("inbox %s failed, attempt %s", row.id, row.attempts)
            await asyncio.to_thread(self._failed, row, type(error).__name__)

    def _failed(self, row: Inbox, error: str) -> None:
        wait = backoff(row.attempts, first=timedelta(seconds=1), most=timedelta(minutes=5))
        with self._database.write() as session:
            current = session.get_one(Inbox, row.id)
            if current.handled_at is None:
                given_up = row.attempts >= MAX_ATTEMPTS
                release(current, retry_at=None if given_up else clock.now() + wait, error=error)
                if given_up and waits_behind(session, [current]):
                    self._live.after_commit(session, "inbox")
