"""How fast Telegram lets a bot speak, kept per chat so that one chat never holds back another.

The limits are Telegram's: one message a second in a private chat, 20 a minute in a group, about 30
a second in all. A short wait is slept through by the sender; a longer one is TryLater, and the
outbox uses its place for others meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.channels.base import TryLater
from store import clock

PATIENCE = 1.5
"""Seconds that a send may sleep."""
KEPT = 10_000
"""Chats remembered before those that are free again are forgotten."""
MINUTE = timedelta(minutes=1)


class Full(TryLater):
    """A group has had its messages of this minute."""


class Pace:
    """``seconds`` is a monotonic clock (the event loop's) for the spacing of sends; limits of a
    minute and more are counted on ``clock.now()``, as the outbox counts them."""

    def __init__(
        self,
        seconds: Callable[[], float],
        *,
        private: float = 1.0,
        group: int = 20,
        everywhere: float = 1 / 30,
    ) -> None:
        self._seconds = seconds
        self._private = private
        self._group = group
        self._everywhere = everywhere
        self._free: dict[int, float] = {}
        self._held: dict[int, datetime] = {}
        self._minute: dict[int, deque[datetime]] = {}
        self._all_free = 0.0

    def book(self, chat: int) -> float:
        """Seconds to sleep before the next send to ``chat``, whose place is taken with this.

        Raises TryLater, and takes nothing, if that were longer than PATIENCE.
        """
        at, now = clock.now(), self._seconds()
        held = self._held.get(chat)
        if held is not None and held > at:
            raise TryLater("this chat is asked to wait", after=held - at)
        self._held.pop(chat, None)
        sent = self._minute.setdefault(chat, deque()) if chat < 0 else deque()
        while sent and at - sent[0] >= MINUTE:
            sent.popleft()
        if len(sent) >= self._group:
            raise Full("the group's minute is full", after=sent[0] + MINUTE - at)
        begin = max(now, self._free.get(chat, now), self._all_free)
        if begin - now > PATIENCE:
            raise TryLater("this chat's seconds are taken", after=timedelta(seconds=begin - now))
        self._free[chat] = begin + self._private
        self._all_free = max(self._all_free, now) + self._everywhere
        sent.append(at)
        self._forget(now)
        return begin - now

    def left(self, chat: int) -> int:
        """How many messages a group still carries in this minute."""
        at = clock.now()
        return self._group - sum(at - sent < MINUTE for sent in self._minute.get(chat, ()))

    def hold(self, chat: int, wait: timedelta) -> None:
        """Telegram asked for this wait (RetryAfter): it counts for this chat alone."""
        self._held[chat] = clock.now() + wait

    def _forget(self, now: float) -> None:
        if len(self._free) > KEPT:
            self._free = {chat: free for chat, free in self._free.items() if free > now}
            self._minute = {
                chat: sent for chat, sent in self._minute.items() if clock.now() - sent[-1] < MINUTE
            }


def new_pace() -> Pace:
    """Telegram's limits on the running event loop's clock."""
    return Pace(lambda: asyncio.get_running_loop().time())
