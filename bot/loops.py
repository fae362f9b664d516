"""The shape of a background loop: woken at once, swept as a net, never dead by one bad row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from store.live import Live

log = logging.getLogger(__name__)


class Loop:
    """Calls ``work`` until it finds nothing, then waits for ``topic`` or ``sweep`` seconds."""

    def __init__(
        self, live: Live, topic: str, work: Callable[[], Awaitable[bool]], sweep: float = 2.0
    ) -> None:
        self._live = live
        self._topic = topic
        self._work = work
        self._sweep = sweep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"loop:{self._topic}")

    async def stop(self) -> None:
        """Cancel and wait; leases bring back what was under way."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        with self._live.listen(self._topic) as woken:
            while True:
                woken.clear()
                try:
                    busy = await self._work()
                except Exception:
                    log.exception("loop %s failed once", self._topic)
                    busy = False
                if not busy:
                    # Not wait_for: on Python 3.11 it swallows a cancellation that meets a wake-up,
                    # and stop() would wait for ever.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._sweep):
                            await woken.wait()
