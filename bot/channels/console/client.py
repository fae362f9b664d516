"""The terminal's side of the console: posts a customer's words and waits for what is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx

from bot.channels.console.tokens import token
from bot.settings import Settings
from store import ids
from store.errors import CourierError

TURN_SECONDS = 150
"""The longest wait for a turn: the inbox's lease, should a worker die, and its next attempts."""


class Refused(CourierError):
    """The service would not take a message; ``str()`` is its sentence for people."""


class Line:
    """The connection of one customer to the service."""

    def __init__(self, settings: Settings, name: str, language: str) -> None:
        self._name = name
        self._http = httpx.Client(
            base_url=settings.service_url,
            headers={
                "Authorization": f"Bearer {token(settings.secret)}",
                "Accept-Language": language,
            },
            timeout=httpx.Timeout(35.0, connect=3.0),
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def say(self, text: str) -> tuple[int, int]:
        """Store a message; its inbox row and its id in the record. Refused if it cannot be kept.

        Repeated under the same id while the service is out of reach for a moment.
        """
        body = {"as": self._name, "id": ids.new_key(), "text": text}
        for wait in (0.5, 1.0, 2.0, 4.0, None):
            try:
                reply = self._http.post("/console/messages", json=body)
            except httpx.TransportError:
                if wait is None:
                    raise
                time.sleep(wait)
            else:
                stored = _checked(reply)
                return stored["inbox_id"], stored["message_id"]
        raise AssertionError("the last attempt returns or raises")

    def answers(
        self, inbox_id: int | None = None, after: int | None = None, *, wait: bool = True
    ) -> dict[str, Any]:
        """One long poll, see bot.channels.console.service."""
        asked: dict[str, str | int] = {"as": self._name}
        if inbox_id is not None:
            asked["inbox_id"] = inbox_id
        if after is not None:
            asked["after"] = after
        if not wait:
            asked["wait"] = 0
        return _checked(self._http.get("/console/answers", params=asked))

    def turn(self, text: str, after: int | None) -> Iterator[dict[str, Any] | int]:
        """Each answer to ``text`` as it comes; the last item is the cursor for the next turn."""
        inbox_id, message_id = self.say(text)
        cursor = after if after is not None else message_id
        ends = time.monotonic() + TURN_SECONDS
        while True:
            found = self.answers(inbox_id, cursor)
            yield from found["answers"]
            cursor = max(cursor, found["cursor"])
            if found["done"]:
                break
            if time.monotonic() > ends:
                raise TimeoutError
        yield max(cursor, message_id)


def _checked(reply: httpx.Response) -> dict[str, Any]:
    """The answer's object; Refused with the service's own sentence otherwise."""
    if reply.is_success:
        found: dict[str, Any] = reply.json()
        return found
    try:
        sentence = str(reply.json().get("message", ""))
    except (ValueError, AttributeError):
        sentence = ""
    raise Refused(sentence or f"HTTP {reply.status_code}", status=reply.status_code)
