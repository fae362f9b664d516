"""The shape of a background loop: woken at once, swept as a net, never dead by one bad row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

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


class Together(Generic[Job]):
    """Changes that many tasks want to make at the same moment, made in one transaction: those that
    come while it is under way wait for the next. So one commit, and one place in the queue of
    SQLite's writers, serves them all."""

    def __init__(self, make: Callable[[Sequence[Job]], None]) -> None:
        """``make`` makes all of them in a transaction, or none; called in a thread."""
        self._make = make
        self._waiting: list[tuple[Job, asyncio.Future[None]]] = []
        self._making: asyncio.Task[None] | None = None

    async def made(self, change: Job) -> None:
        """Come back when it is committed, with the exception if it could not be made."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, done))
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make_all())
        await done

    async def _make_all(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._make, [change for change, _ in some])
            except Exception:
                # What is wrong with one must not undo the others.
                for change, done in some:
                    await self._make_one(change, done)
            else:
                for _, done in some:
                    _settle(done)

    async def _make_one(self, change: Job, done: asyncio.Future[None]) -> None:
        try:
            await asyncio.to_thread(self._make, [change])
        except Exception as error:
            _settle(done, error)
        else:
            _settle(done)

    async def stop(self) -> None:
        """Wait for what is being written."""
        if self._making is not None:
            await asyncio.gather(self._making, return_exceptions=True)


def _settle(done: asyncio.Future[None], error: Exception | None = None) -> None:
    if done.done():
        return  # whoever asked for it was cancelled meanwhile
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


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
