"""Watches for tickets that rise together, and tells the customers of those that have a cause."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from bot.loops import Loop
from handoff.incidents import IncidentNews
from store import clock
from store.claims import claim, next_due
from store.engine import Database
from store.live import Live
from tickets.incidents.models import IncidentTicket
from tickets.incidents.service import TOPIC, Incidents

log = logging.getLogger(__name__)

AT_ONCE = 50
LEASE = timedelta(seconds=60)


class IncidentLoop:
    """Each customer is told in a transaction of his own: one that fails stops no other, and comes
    back when its lease runs out. Mostly there is nothing to do, and nobody waits for a lock."""

    def __init__(
        self, database: Database, live: Live, incidents: Incidents, news: IncidentNews
    ) -> None:
        self._database = database
        self._incidents = incidents
        self._news = news
        self._loop = Loop(live, TOPIC, self._work, sweep=5.0)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way."""
        await self._loop.stop()

    async def _work(self) -> bool:
        return await asyncio.to_thread(self.sweep) >= AT_ONCE

    def sweep(self) -> int:
        """Propose what rises, and look at tickets of incidents; how many of those there were."""
        with self._database.read() as session:
            rising = self._incidents.rising(session)
            due = next_due(session, IncidentTicket)
        if rising:
            with self._database.write() as session:
                self._incidents.propose(session)
        if due is None or due > clock.now():
            return 0
        with self._database.write() as session:
            claimed = [member.id for member in claim(session, IncidentTicket, AT_ONCE, LEASE)]
        for member_id in claimed:
            try:
                with self._database.write() as session:
                    self._news.look(session, member_id)
            except Exception:
                log.exception("a ticket of an incident could not be looked at: %s", member_id)
        return len(claimed)
