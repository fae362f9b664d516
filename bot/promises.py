"""Watches the clocks of all promises: each is warned of and breaks once, however many watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy.orm import Session

from bot.loops import Loop
from handoff.overdue import Overdue
from store import clock
from store.claims import claim
from store.engine import Database
from store.live import Live
from tickets import repository as tickets
from tickets.promises.models import Promise

log = logging.getLogger(__name__)

AT_ONCE = 100
LEASE = timedelta(seconds=60)


class PromiseLoop:
    """Claims promises that fell due, and ends the waiting of tickets whose time is over, each in a
    transaction of its own: one that fails stops no other, and a promise comes back when its lease
    runs out."""

    def __init__(self, database: Database, live: Live, overdue: Overdue) -> None:
        self._database = database
        self._overdue = overdue
        self._loop = Loop(live, "promises", self._work, sweep=1.0)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way."""
        await self._loop.stop()

    async def _work(self) -> bool:
        return await asyncio.to_thread(self.sweep) >= AT_ONCE

    def sweep(self) -> int:
        """Look at what is due, ``AT_ONCE`` of a kind at most; how much there was."""
        with self._database.read() as session:
            waited = tickets.waited_out(session, clock.now(), AT_ONCE)
        with self._database.write() as session:
            due = [promise.id for promise in claim(session, Promise, AT_ONCE, LEASE)]
        self._each(waited, self._overdue.resume)
        self._each(due, self._overdue.look)
        return max(len(due), len(waited))

    def _each(self, ids: Iterable[int], do: Callable[[Session, int], object]) -> None:
        for row_id in ids:
            try:
                with self._database.write() as session:
                    do(session, row_id)
            except Exception:
                log.exception("what was due could not be done for %s", row_id)
