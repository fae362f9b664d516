"""The access token: fetched once for many sends, fetched again when the platform calls it void.

Asked in normal mode, the platform gives every asker the same token while it is valid, so any number
of workers may ask without making each other's void.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from bot.channels.base import TryLater, UnknownResult
from bot.channels.tencent.api import Reply
from store import clock

VOID = frozenset({40001, 40014, 42001})
"""Codes that say: this token is not, or no longer, valid."""
_EARLY = timedelta(minutes=5)
"""So long before its end a token is not used any more. The platform keeps the old one alive
for as long when it gives a new one."""
Answer = TypeVar("Answer", Reply, Reply | bytes)


class Token:
    """One account's token; ``ask`` asks the platform for it. Every failure is TryLater: without a
    token nothing was sent."""

    def __init__(self, ask: Callable[[], Awaitable[Reply]]) -> None:
        self._ask = ask
        self._value = ""
        self._ends = datetime.min.replace(tzinfo=UTC)
        self._lock = asyncio.Lock()

    async def get(self, void: str = "") -> str:
        """A token that is not ``void``'s: one fetch, however many ask at the same moment."""
        async with self._lock:
            if self._value == void or clock.now() >= self._ends:
                await self._fetch()
            return self._value

    async def use(self, call: Callable[[str], Awaitable[Answer]]) -> Answer:
        """What ``call`` answers; asked once more with a fresh token if the first was void."""
        value = await self.get()
        reply = await call(value)
        if isinstance(reply, Reply) and reply.code in VOID:
            reply = await call(await self.get(void=value))
        return reply

    async def _fetch(self) -> None:
        try:
            reply = await self._ask()
        except UnknownResult as error:
            raise TryLater(f"no token: {error}") from error
        self._value = reply.text("access_token")
        lasts = timedelta(seconds=reply.number("expires_in"))
        self._ends = clock.now() + lasts - min(_EARLY, lasts / 2)
