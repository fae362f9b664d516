"""Fetching what customers send: their files are stored soon after the message, or gone visibly.

A fetch changes nothing at the platform, so it is repeated whatever its failure was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.channels.base import Fetching, SendFailed, TryLater, Unreachable
from bot.channels.registry import Channels
from bot.loops import Crew, Loop
from conversations import attachments
from conversations import repository as record
from conversations.files import Files
from conversations.models import Attachment, FileState, Gone
from conversations.schemas import Stored
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.errors import FileTooBig, Invalid, NotFound
from store.live import Live

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
SECONDS = 150.0
"""One fetch; it ends before its lease."""
SIDE_BY_SIDE = 4
"""Each holds one file in memory."""
KEEP = timedelta(days=2)
"""So long a fetch is repeated: WeChat keeps a file for three days."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claimed row and where its file is."""

    row: Attachment
    channel: str
    account: str


class FetchLoop:
    """Claims files that are not here yet and asks their channel for them."""

    def __init__(self, database: Database, live: Live, channels: Channels, files: Files) -> None:
        self._database = database
        self._live = live
        self._channels = channels
        self._files = files
        self._crew = Crew(live, "files", SIDE_BY_SIDE)
        self._loop = Loop(live, "files", self._claim)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()
        await self._crew.stop()

    async def _claim(self) -> bool:
        return await self._crew.fill(self._claim_rows, self._fetch)

    def _claim_rows(self, limit: int) -> list[Wanted]:
        with self._database.write() as session:
            rows: list[Attachment] = claim(session, Attachment, limit, LEASE)
            found = [record.attachment(session, row.id) for row in rows]
            return [
                Wanted(row, customer.channel, customer.account)
                for row, _, customer in filter(None, found)
            ]

    async def _fetch(self, wanted: Wanted) -> None:
        row = wanted.row
        try:
            stored = await self._stored(wanted)
        except FileTooBig as error:
            await asyncio.to_thread(self._gone, row, Gone.TOO_BIG, str(error))
        except Invalid as error:
            await asyncio.to_thread(self._gone, row, Gone.NOT_ALLOWED, str(error))
        except Unreachable as error:
            await asyncio.to_thread(self._gone, row, Gone.EXPIRED, str(error))
        except (SendFailed, NotFound) as error:  # NotFound: the channel is off at present
            await asyncio.to_thread(self._again, row, error)
        except Exception as error:
            log.exception("file %s failed, attempt %s", row.id, row.attempts)
            await asyncio.to_thread(self._again, row, TryLater(type(error).__name__))
        else:
            await asyncio.to_thread(self._keep, row, stored)

    async def _stored(self, wanted: Wanted) -> Stored:
        channel = self._channels.get(wanted.channel)
        if not isinstance(channel, Fetching):
            raise Unreachable(f"{channel.name} gives no files")
        if wanted.row.size:
            self._files.check_size(wanted.row.size)  # as announced: spares the download
        async with asyncio.timeout(SECONDS):
            data = await channel.fetch(wanted.account, wanted.row.reference or "", self._files.most)
        return await asyncio.to_thread(self._files.keep, data)

    def _keep(self, row: Attachment, stored: Stored) -> None:
        self._change(row, lambda current: attachments.stored(current, stored))

    def _gone(self, row: Attachment, reason: Gone, error: str) -> None:
        log.info("file %s is gone: %s", row.id, error)
        self._change(row, lambda current: attachments.gone(current, reason, error))

    def _again(self, row: Attachment, error: SendFailed | NotFound) -> None:
        if clock.now() - row.created_at >= KEEP:
            return self._gone(row, Gone.UNREACHABLE, str(error))
        wait = backoff(row.attempts, first=timedelta(seconds=2), most=timedelta(hours=1))
        if isinstance(error, TryLater) and error.after:
            wait = max(wait, error.after)
        at = clock.now() + wait
        self._change(row, lambda current: release(current, retry_at=at, error=str(error)))
        return None

    def _change(self, row: Attachment, change: Callable[[Attachment], None]) -> None:
        with self._database.write() as session:
            found = record.attachment(session, row.id)
            if found is not None and found[0].state == FileState.FETCHING:
                change(found[0])
                self._live.after_commit(session, f"conversation:{found[1].conversation_id}")
