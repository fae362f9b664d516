"""The client of the Rasa server: asks for an answer, catches up what people said meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from conversations.schemas import Button
from store.errors import BotUnavailable

ASK_SECONDS = 8.0
_READY = aiohttp.ClientTimeout(total=1.5)


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing the bot says."""

    text: str
    buttons: tuple[Button, ...] = ()


class Rasa:
    """Speaks HTTP with one Rasa server on this machine."""

    def __init__(self, base_url: str, timeout: float = ASK_SECONDS) -> None:
        self._base_url = base_url
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=1.0)
        self._session: aiohttp.ClientSession | None = None
        self._hung = False

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _http(self) -> aiohttp.ClientSession:
        """The connections, opened inside the loop that uses them."""
        if self._session is None:
            # Rasa's server closes a connection that was idle for 5 s: we let it go before, so that
            # no question is sent into a closing one.
            connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=3.0)
            self._session = aiohttp.ClientSession(
                self._base_url, connector=connector, timeout=self._timeout
            )
        return self._session

    async def ask(
        self, key: str, text: str, metadata: dict[str, Any], intent: str | None = None
    ) -> list[Answer]:
        """What the bot answers to ``text`` in conversation ``key``; never nothing. With ``intent``
        there is nothing to understand.

        BotUnavailable if it is stopped, hung, broken, or says nothing: Rasa's REST channel
        swallows its own exceptions, so an empty answer is a failure. After one that hung, the next
        customers do not wait as long: it must say that it is ready before it is asked again.
        """
        if self._hung and not await self.ready():
            raise BotUnavailable("Rasa still hangs")
        message = f"/{intent}" if intent else harmless(text)
        reply = await self._call(
            "POST",
            "/webhooks/rest/webhook",
            json={"sender": key, "message": message, "metadata": metadata},
        )
        answers = [_answer(part) for part in reply if part.get("text")]
        if not answers:
            raise BotUnavailable("Rasa answered nothing")
        return answers

    async def answered_already(self, key: str, inbox_id: int) -> list[Answer]:
        """The answers Rasa gave to this inbox row before a crash; empty if it never saw it."""
        tracker = await self._call("GET", f"/conversations/{key}/tracker")
        events: list[dict[str, Any]] = tracker.get("events", [])
        for position in range(len(events) - 1, -1, -1):
            event = events[position]
            if event.get("event") == "user":
                if event.get("metadata", {}).get("inbox_id") != inbox_id:
                    return []
                said = (e for e in events[position:] if e.get("event") == "bot")
                return [
                    _answer({"text": e["text"], **(e.get("data") or {})})
                    for e in said
                    if e.get("text")
                ]
        return []

    async def append(self, key: str, events: Sequence[dict[str, Any]]) -> None:
        """Tell Rasa what happened without it (people's messages, a case's end)."""
        await self._call("POST", f"/conversations/{key}/tracker/events", json=list(events))

    async def ready(self) -> bool:
        """Whether a model is loaded and answers; told soon, also of a Rasa that hangs."""
        try:
            status = await self._call("GET", "/status", timeout=_READY)
        except BotUnavailable:
            return False
        return bool(status.get("model_file"))

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            async with self._http().request(method, path, **options) as response:
                response.raise_for_status()
                answer = await response.json()
                self._hung = False
                return answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._hung = isinstance(error, TimeoutError)
            raise BotUnavailable(type(error).__name__) from error


def harmless(text: str) -> str:
    """Rasa takes a leading slash for a command (``/restart``): customers give none."""
    return "／" + text.lstrip()[1:] if text.lstrip().startswith("/") else text


def _answer(part: dict[str, Any]) -> Answer:
    buttons = part.get("buttons") or ()
    return Answer(part["text"], tuple(Button(title=b["title"], say=b["payload"]) for b in buttons))
