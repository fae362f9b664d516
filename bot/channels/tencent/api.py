"""A server API of Tencent's over httpx: what went wrong, as the outbox understands it.

A request that certainly did nothing is TryLater; one whose answer was lost is UnknownResult.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from bot.channels.base import TryLater, UnknownResult
from store.errors import FileTooBig

SECONDS = 10.0
MAX_ANSWER = 1_000_000
_WORDS = ("application/json", "text/plain")
_TOO_MANY = 429
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API. ``code`` 0 is success, -1 means busy."""

    code: int
    body: dict[str, Any]

    def text(self, name: str) -> str:
        """A field that must be there; TryLater with the platform's reason if it is not."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise TryLater(self.reason)
        return value

    def number(self, name: str) -> int:
        value = self.body.get(name)
        return value if isinstance(value, int) else 0

    @property
    def reason(self) -> str:
        """What the platform said, for the log and the desk: ``45015 response out of time``."""
        return f"{self.code} {self.body.get('errmsg', '')}".strip()[:200]


class Api:
    """Posts JSON to one address. ``client`` is the caller's own in tests."""

    def __init__(self, base: str, client: httpx.AsyncClient | None = None) -> None:
        self._base = base.rstrip("/")
        self._client = client
        logging.getLogger("httpx").addFilter(_without_token)

    async def get(self, path: str, **query: str) -> Reply:
        """Raises as ``post`` does."""
        async with self._ask("GET", path, query) as response:
            return _reply(await _body(response))

    async def post(
        self, path: str, body: dict[str, Any], most: int = MAX_ANSWER, **query: str
    ) -> Reply:
        """Raises TryLater or UnknownResult if there is no answer to read (of ``most`` bytes)."""
        # Written by hand: WeChat shows an escaped letter to the customer as its escape.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"content-type": "application/json; charset=utf-8"}
        async with self._ask("POST", path, query, content=content, headers=headers) as response:
            return _reply(await _body(response, most))

    async def upload(self, path: str, name: str, data: bytes, **query: str) -> Reply:
        """Post a file as the form's field ``media``. Raises as ``post`` does."""
        async with self._ask("POST", path, query, files={"media": (name, data)}) as response:
            return _reply(await _body(response))

    async def download(self, path: str, most: int, **query: str) -> Reply | bytes:
        """The bytes that ``path`` gives, or its answer in words. FileTooBig above ``most``.

        ``path`` may be a whole address: a video's lies elsewhere.
        """
        async with self._ask("GET", path, query) as response:
            body = await _body(response, most)
        return _reply(body) if _is_words(response) else body

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, query: dict[str, str], **sent: Any
    ) -> AsyncIterator[httpx.Response]:
        """An answer whose body is still to be read; failures sorted as the outbox knows them."""
        url = path if path.startswith(("http://", "https://")) else self._base + path
        try:
            async with self._http().stream(method, url, params=query, **sent) as response:
                if response.status_code in (_TOO_MANY, _UNAVAILABLE):
                    raise TryLater(f"HTTP {response.status_code}", after=_wait(response))
                if response.status_code != httpx.codes.OK:
                    raise UnknownResult(f"HTTP {response.status_code}")
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TryLater(type(error).__name__) from error
        except httpx.HTTPError as error:
            raise UnknownResult(type(error).__name__) from error

    def _http(self) -> httpx.AsyncClient:
        """The connections, opened inside the loop that uses them."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=SECONDS)
        return self._client


async def _body(response: httpx.Response, most: int = MAX_ANSWER) -> bytes:
    """FileTooBig above ``most`` bytes, before more of it is read."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise FileTooBig(most)
    return bytes(body)


def _is_words(response: httpx.Response) -> bool:
    """Whether it is an answer: a file of text or JSON comes as an attachment."""
    kind = response.headers.get("content-type", "")
    return kind.startswith(_WORDS) and "content-disposition" not in response.headers


def _reply(content: bytes) -> Reply:
    try:
        body = json.loads(content)
    except ValueError as error:
        raise UnknownResult("an answer that is not JSON") from error
    if not isinstance(body, dict):
        raise UnknownResult("an answer that is no object")
    code = body.get("errcode", 0)
    return Reply(code if isinstance(code, int) else -1, body)


def _wait(response: httpx.Response) -> timedelta | None:
    seconds = response.headers.get("retry-after", "")
    return timedelta(seconds=int(seconds[:6])) if seconds.isdecimal() else None


def _without_token(record: logging.LogRecord) -> bool:
    """httpx writes whole addresses at INFO. WeChat wants its token in the address, and where a
    customer's video lies (the only GET without it) is nobody else's business."""
    message = record.getMessage()
    return "access_token=" not in message and "Request: GET " not in message
