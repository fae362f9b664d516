"""The access token: fetched once for many sends, fetched again when WeChat calls it void.

``stable_token`` in normal mode gives every asker the same token while it is valid, so any number of
workers may ask without making each other's void.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from bot.channels.base import TryLater, UnknownResult
from bot.channels.wechat.api import Api
from store import clock

VOID = frozenset({40001, 40014, 42001})
"""Codes that say: this token is not, or no longer, valid."""
_EARLY = timedelta(minutes=5)
"""So long before its end a token is not used any more. The platform keeps the old one alive
for as long when it gives a new one."""


class Token:
    """One account's token. Every failure is TryLater: without a token nothing was sent."""

    def __init__(self, api: Api, appid: str, secret: str) -> None:
        self._api = api
        self._appid = appid
        self._secret = secret
        self._value = ""
        self._ends = datetime.min.replace(tzinfo=UTC)
        self._lock = asyncio.Lock()

    async def get(self, void: str = "") -> str:
        """A token that is not ``void``'s: one fetch, however many ask at the same moment."""
        async with self._lock:
            if self._value == void or clock.now() >= self._ends:
                await self._fetch()
            return self._value

    async def _fetch(self) -> None:
        asked = {"grant_type": "client_credential", "appid": self._appid, "secret": self._secret}
        try:
            reply = await self._api.post("/cgi-bin/stable_token", asked)
        except UnknownResult as error:
            raise TryLater(f"no token: {error}") from error
        self._value = reply.text("access_token")
        lasts = timedelta(seconds=reply.number("expires_in"))
        self._ends = clock.now() + lasts - min(_EARLY, lasts / 2)
