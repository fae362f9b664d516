"""How much one visitor, and one network address, may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from store import clock
from store.errors import TooManyRequests

FORGET_ABOVE = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, then ``per_second`` on average."""

    burst: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Defaults: faster than anybody types; an office of some hundred people shares one address."""

    messages_per_visitor: Rate = Rate(20, 0.5)
    messages_per_address: Rate = Rate(200, 20)
    requests_per_address: Rate = Rate(600, 60)
    parcel_pages_per_address: Rate = Rate(300, 10)
    progress_tries_per_address: Rate = Rate(12, 1 / 60)
    """Numbers of tickets go up by one: whoever looks for one that his digits fit is slow."""
    megabytes_per_address: Rate = Rate(1000, 0.5)
    uploads_at_once: int = 4
    """Of one network address: each is held in memory while it comes."""
    streams_per_visitor: int = 12
    streams_per_address: int = 400


class Buckets:
    """A token bucket for each key, in this process. A full one is as good as none: forgotten."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._levels: dict[str, tuple[float, datetime]] = {}

    def take(self, key: str, many: int = 1) -> None:
        """Take tokens; TooManyRequests says in ``facts["retry_after"]`` how long to wait (s)."""
        at = clock.now()
        level = self._level(key, at)
        if level < many:
            wait = math.ceil((many - level) / self._rate.per_second)
            raise TooManyRequests("token bucket is empty", retry_after=wait)
        if len(self._levels) > FORGET_ABOVE:
            self._forget(at)
        self._levels[key] = (level - many, at)

    def _level(self, key: str, at: datetime) -> float:
        level, since = self._levels.get(key, (float(self._rate.burst), at))
        gained = max((at - since).total_seconds(), 0) * self._rate.per_second
        return min(level + gained, self._rate.burst)

    def _forget(self, at: datetime) -> None:
        for key in [k for k in self._levels if self._level(k, at) >= self._rate.burst]:
            del self._levels[key]


class Slots:
    """How many streams (or uploads) a key holds open at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, int] = {}

    def enter(self, key: str) -> None:
        """One more; TooManyRequests above the limit. Each is given back by ``leave``."""
        if self._open.get(key, 0) >= self._most:
            raise TooManyRequests("too many at once", retry_after=10)
        self._open[key] = self._open.get(key, 0) + 1

    def leave(self, key: str) -> None:
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]
