"""Posts tickets' events to other systems: signed, retried with backoff, given up visibly."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
from pydantic import Field

from bot.channels.base import SendFailed, TryLater
from bot.channels.http.account import Account, Callback, Name, key_of, nobodys
from bot.channels.http.client import Client
from bot.loops import Crew, Loop
from bot.settings import WEBHOOK_SECRET
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.live import Live
from store.policies import Policy, load
from store.signing import signed
from tickets.models import WebhookDelivery, What
from tickets.webhooks import TOPIC

log = logging.getLogger(__name__)

SIDE_BY_SIDE = 16
LEASE = timedelta(seconds=30)
FIRST_RETRY, LAST_RETRY = timedelta(seconds=5), timedelta(hours=6)
MAX_ATTEMPTS = 17
"""Some 29 hours: a system may be down for a night and a day."""


class System(Policy):
    """A system as the company writes it; every event unless it names some."""

    callback: Callback
    events: frozenset[What] = frozenset(What)


class Systems(Policy):
    """``policies/webhooks.yml``."""

    systems: dict[Name, System] = Field(default_factory=dict)


def from_file(path: Path, secrets: Mapping[str, str]) -> tuple[dict[str, System], list[Account]]:
    """The systems of the policy, and where and with what key each is told."""
    systems = load(path, Systems).systems
    nobodys(WEBHOOK_SECRET, secrets, systems, path)
    return systems, [
        Account(
            name,
            httpx.URL(system.callback),
            key_of(f"{WEBHOOK_SECRET}{name.upper()}", secrets.get(name.upper(), "")),
        )
        for name, system in systems.items()
    ]


class WebhookLoop:
    """Claims due deliveries. Each is tried until the system answers 2xx; nothing is followed."""

    def __init__(self, database: Database, live: Live, accounts: Sequence[Account]) -> None:
        self._database = database
        self._keys = {account.id: account.key for account in accounts}
        self._clients = {account.id: Client(account) for account in accounts}
        self._crew = Crew(live, TOPIC, SIDE_BY_SIDE)
        self._loop = Loop(live, TOPIC, self._work)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way; the system knows its id."""
        await self._loop.stop()
        await self._crew.stop()
        for client in self._clients.values():
            await client.close()

    async def _work(self) -> bool:
        return await self._crew.fill(self._claim, self._send)

    def _claim(self, room: int) -> list[WebhookDelivery]:
        with self._database.write() as session:
            return claim(session, WebhookDelivery, room, LEASE)

    async def _send(self, row: WebhookDelivery) -> None:
        client = self._clients.get(row.system)
        if client is None:
            await asyncio.to_thread(self._done, row.id, "no such system any more", None)
            return
        body = row.body.encode()
        headers = signed(self._keys[row.system], row.public_id, body)
        try:
            await client.post(body, headers | {"content-type": "application/json"})
        except SendFailed as error:
            wait = error.after if isinstance(error, TryLater) else None
            await asyncio.to_thread(self._done, row.id, str(error) or type(error).__name__, wait)
        else:
            await asyncio.to_thread(self._done, row.id, None, None)

    def _done(self, row_id: int, error: str | None, wait: timedelta | None) -> None:
        with self._database.write() as session:
            row = session.get_one(WebhookDelivery, row_id)
            if row.delivered_at is not None:
                return  # another worker, after our lease, was answered
            if error is None:
                row.delivered_at = clock.now()
                release(row, retry_at=None)
            elif row.attempts >= MAX_ATTEMPTS or row.system not in self._clients:
                log.warning("webhook %s to %s given up: %s", row.public_id, row.system, error)
                release(row, retry_at=None, error=error)
            else:
                wait = wait or backoff(row.attempts, first=FIRST_RETRY, most=LAST_RETRY)
                release(row, retry_at=clock.now() + wait, error=error)
