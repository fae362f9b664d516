"""Showing a customer that an answer is being made, on channels that can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.channels import reading
from store.engine import Database

AFTER = 0.6
"""Seconds after which an answer is slow enough to show that one is being written."""
LONGEST = 60.0
"""Seconds of showing it at most."""


class Thinking:
    """``show`` tells an address that somebody writes; the platform shows it for ``every`` seconds
    or a little more. A courtesy: it must not raise."""

    def __init__(
        self,
        database: Database,
        channel: str,
        account: str,
        show: Callable[[str], Awaitable[None]],
        every: float,
    ) -> None:
        self._database = database
        self._channel = channel
        self._account = account
        self._show = show
        self._every = every
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def about(self, address: str) -> None:
        """The customer just wrote. Returns at once."""
        if address not in self._tasks:
            task = asyncio.create_task(self._keep_showing(address))
            self._tasks[address] = task
            task.add_done_callback(lambda _: self._tasks.pop(address, None))

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_showing(self, address: str) -> None:
        await asyncio.sleep(AFTER)
        for _ in range(round(LONGEST / self._every)):
            if not await asyncio.to_thread(self._is_thinking, address):
                break
            await self._show(address)
            await asyncio.sleep(self._every)

    def _is_thinking(self, address: str) -> bool:
        with self._database.read() as session:
            known = reading.visitor(session, self._channel, self._account, address)
            return known is not None and reading.state(session, known[1]).typing
