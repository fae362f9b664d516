"""Asking an app: what went wrong, as the outbox understands it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from bot.channels.base import TryLater, UnknownResult, Unreachable
from bot.channels.http.account import Account
from store import clock
from store.errors import FileTooBig

SECONDS = 20.0
"""One send: it ends before the outbox's lease of 30 s."""
MAX_ANSWER = 64_000
LONGEST_WAIT = timedelta(days=1)


class Client:
    """The one app at ``account.callback``. Redirects are not followed: they lead elsewhere."""

    def __init__(self, account: Account, client: httpx.AsyncClient | None = None) -> None:
        self._account = account
        self._client = client
        # httpx writes whole addresses at INFO, and an app's may open its files.
        place = f"//{account.callback.netloc.decode()}"
        logging.getLogger("httpx").addFilter(lambda record: place not in record.getMessage())

    async def post(self, body: bytes, headers: dict[str, str]) -> bytes:
        """The app's answer to what it took."""
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._ask("POST", self._account.callback, content=body, headers=headers) as got,
            ):
                return await _body(got, MAX_ANSWER)
        except FileTooBig:
            return b""  # taken all the same
        except TimeoutError as error:
            raise UnknownResult("no answer in time") from error

    async def get(self, address: str, most: int) -> bytes:
        """A file of the app's. Unreachable if it lies elsewhere, FileTooBig above ``most``."""
        url = httpx.URL(address)
        if not self._account.owns(url):
            raise Unreachable("a file that lies elsewhere")
        async with self._ask("GET", url) as response:
            return await _body(response, most)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    @asynccontextmanager
    async def _ask(self, method: str, url: httpx.URL, **sent: Any) -> AsyncIterator[httpx.Response]:
        try:
            async with self._http().stream(method, url, **sent) as response:
                _sort(response)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TryLater(type(error).__name__) from error
        except httpx.HTTPError as error:
            raise UnknownResult(type(error).__name__) from error

    def _http(self) -> httpx.AsyncClient:
        """The connections, opened inside the loop that uses them."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=10.0)
        return self._client


def _sort(response: httpx.Response) -> None:
    """Nothing for success; else a SendFailed."""
    status = f"HTTP {response.status_code}"
    if response.status_code in (429, 503):
        raise TryLater(status, after=wait_of(response.headers.get("retry-after", "")))
    if response.is_server_error:
        raise UnknownResult(status)
    if not response.is_success:
        raise Unreachable(status)


def wait_of(asked: str) -> timedelta | None:
    """``Retry-After``: seconds, or a date."""
    if asked.isdecimal():
        return min(timedelta(seconds=int(asked[:9])), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - clock.now(), timedelta()), LONGEST_WAIT)


async def _body(response: httpx.Response, most: int) -> bytes:
    """FileTooBig above ``most`` bytes, before more of it is read."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise FileTooBig(most)
    return bytes(body)
