"""The only clock. Everything is UTC; a local time exists only in what a person reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_source: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731 - the one place


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return _source()


@contextmanager
def frozen(at: datetime) -> Iterator[Callable[[datetime], None]]:
    """Stop the clock at ``at`` for a test; the yielded function moves it."""
    global _source
    before = _source
    current = at.astimezone(UTC)

    def move(to: datetime) -> None:
        nonlocal current
        current = to.astimezone(UTC)

    _source = lambda: current  # noqa: E731
    try:
        yield move
    finally:
        _source = before
