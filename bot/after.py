"""Asks customers what falls due: whether it is really solved, and for their score. Each once,
however many processes do."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from bot.loops import Loop
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.live import Live
from tickets.after.models import Ask
from tickets.after.service import After

log = logging.getLogger(__name__)

AT_ONCE = 50
LEASE = timedelta(seconds=60)
FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(hours=1)


class AfterLoop:
    """Claims questions that fell due and asks each in a transaction of its own."""

    def __init__(self, database: Database, live: Live, after: After) -> None:
        self._database = database
        self._after = after
        self._loop = Loop(live, "asks", self._work)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way."""
        await self._loop.stop()

    async def _work(self) -> bool:
        return await asyncio.to_thread(self.sweep) >= AT_ONCE

    def sweep(self) -> int:
        """Ask what is due, ``AT_ONCE`` at most; how much there was."""
        with self._database.write() as session:
            due = claim(session, Ask, AT_ONCE, LEASE)
        for ask in due:
            try:
                with self._database.write() as session:
                    self._after.due(session, ask.id)
            except Exception as error:
                log.exception("question %s could not be asked", ask.id)
                self._put_off(ask.id, type(error).__name__)
        return len(due)

    def _put_off(self, ask_id: int, error: str) -> None:
        with self._database.write() as session:
            row = session.get_one(Ask, ask_id)
            if row.due_at is not None:
                wait = backoff(row.attempts, first=FIRST_RETRY, most=LAST_RETRY)
                release(row, retry_at=clock.now() + wait, error=error)
