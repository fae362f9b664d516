"""Server-sent events as our pages read them: a greeting, a sign of life, JSON in one line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent

BEAT_SECONDS = 15
_RECONNECT_MS = 1500


def hello() -> ServerSentEvent:
    """The first event of every stream: the page knows that the line stands."""
    return ServerSentEvent(event="hello", data="", retry=_RECONNECT_MS, sep="\n")


def event(name: str, data: dict[str, Any], number: int | str | None = None) -> ServerSentEvent:
    """``number`` is what a browser that reconnects says it saw last."""
    return ServerSentEvent(
        json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        event=name,
        id=None if number is None else str(number),
        sep="\n",
    )


def beat() -> ServerSentEvent:
    """A sign of life the page can see: without one it takes the connection for dead."""
    return ServerSentEvent("", event="beat", sep="\n")


class Stream(EventSourceResponse):
    """A stream that gives its places back (``leave``) however it ends, even before its first
    event."""

    def __init__(self, content: AsyncIterator[ServerSentEvent], leave: Callable[[], None]) -> None:
        super().__init__(
            content, ping=BEAT_SECONDS, ping_message_factory=beat, sep="\n", send_timeout=30
        )
        self._leave = leave

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
