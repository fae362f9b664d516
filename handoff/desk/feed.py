"""The queue as every open desk sees it: rendered once per language and change, told to all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from store.live import Live

log = logging.getLogger(__name__)

RENDERED = "desk:rendered"
QUIET = 0.15
"""Seconds after a rendering, at least, in which further changes are gathered into one."""
SWEEP = 5.0
"""Seconds after which the queue is looked at although nothing woke us."""


class QueueFeed:
    """Keeps the newest fragments while anybody watches; costs nothing when nobody does."""

    def __init__(self, live: Live, render: Callable[[], dict[str, str]]) -> None:
        self._live = live
        self._render = render
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self.fragments: dict[str, str] = {}
        """By language; empty before the first rendering."""

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[asyncio.Event]:
        """The event is set whenever ``fragments`` has changed."""
        self._watchers += 1
        try:
            with self._live.listen(RENDERED) as changed:
                if self._task is None:
                    self.fragments = {}
                    self._task = asyncio.create_task(self._run(), name="desk-queue")
                yield changed
        finally:
            self._watchers -= 1
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        with self._live.listen("queue") as woken:
            while True:
                woken.clear()
                began = time.monotonic()
                try:
                    fragments = await run_in_threadpool(self._render)
                except SQLAlchemyError:
                    log.exception("the queue could not be read; the next sweep tries again")
                else:
                    if fragments != self.fragments:
                        self.fragments = fragments
                        self._live.wake(RENDERED)
                # A long queue under fire may take a quarter of a core, not all of it.
                await asyncio.sleep(max(QUIET, 3 * (time.monotonic() - began)))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), SWEEP)


async def first_of(*flags: asyncio.Event, within: float) -> None:
    """Wait until one of the events is set, or ``within`` seconds have passed."""
    waits = [asyncio.ensure_future(flag.wait()) for flag in flags]
    try:
        await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
