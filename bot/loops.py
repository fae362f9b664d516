"""The shape of a background loop: woken at once, swept as a net, never dead by one bad row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from store.live import Live

log = logging.getLogger(__name__)
Job = TypeVar("Job")


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


class Crew:
    """Jobs side by side, each in a task of its own: a slow one holds up no other."""

    def __init__(self, live: Live, topic: str, most: int) -> None:
        self._live = live
        self._topic = topic
        self._most = most
        self._under_way: set[asyncio.Task[None]] = set()
        self._asked_in_vain = False

    @property
    def room(self) -> int:
        """How many more may begin."""
        return self._most - len(self._under_way)

    async def fill(
        self, claim: Callable[[int], Sequence[Job]], do: Callable[[Job], Coroutine[Any, Any, None]]
    ) -> bool:
        """Begin with what ``claim`` gives for the room there is; whether there may be more. Once a
        full crew has room again, ``topic`` wakes its loop."""
        room = self.room
        self._asked_in_vain = room <= 0
        if self._asked_in_vain:
            return False
        jobs = await asyncio.to_thread(claim, room)
        for job in jobs:
            self.begin(do(job))
        return len(jobs) == room

    def begin(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._under_way.add(task)
        task.add_done_callback(self._done)

    async def stop(self) -> None:
        """Cancel and wait; leases bring back what was under way."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._asked_in_vain:
            self._live.wake(self._topic)
