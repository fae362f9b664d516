"""What a process does by the clock. Each loop sweeps for itself; this is for all the rest.

Jobs are kept in memory and are harmless when several processes do them at once: two schedulers on
one store would fire twice and crash.
"""

from __future__ import annotations

from datetime import timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from conversations import jobs
from conversations.files import Files
from store import clock
from store.engine import Database

FILES = timedelta(hours=1)


class Ticks:
    """Starts and stops with the service; needs a running event loop."""

    def __init__(self, database: Database, files: Files) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        self._scheduler.add_job(
            jobs.sweep_files,
            "interval",
            (database, files),
            seconds=FILES.total_seconds(),
            next_run_time=clock.now(),
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """A job under way comes to its end in its thread."""
        self._scheduler.shutdown(wait=False)
