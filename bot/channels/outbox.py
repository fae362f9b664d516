"""The outbox: every message to a customer leaves by here, in order per conversation.

Retried only where it is safe; given up visibly (state ``failed``, with the reason) where it is not.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from bot.channels.base import Part, SendFailed, TryLater, UnknownResult
from bot.channels.degrade import degrade
from bot.channels.registry import Channels
from bot.loops import Loop
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Customer, Delivery, Message, Outbox
from store import clock
from store.claims import backoff, claim, release, waits_behind
from store.engine import Database
from store.errors import NotFound
from store.live import Live

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
SIDE_BY_SIDE = 32
MAX_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Envelope:
    """A claimed row with all that sending needs."""

    row: Outbox
    message: Message
    customer: Customer


class OutboxLoop:
    """Claims due rows and gives them to their channel."""

    def __init__(self, database: Database, live: Live, channels: Channels) -> None:
        self._database = database
        self._live = live
        self._channels = channels
        self._under_way: set[asyncio.Task[None]] = set()
        self._crowded = False
        self._loop = Loop(live, "outbox", self._claim)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _claim(self) -> bool:
        room = SIDE_BY_SIDE - len(self._under_way)
        self._crowded = room <= 0
        if self._crowded:
            return False
        envelopes = await asyncio.to_thread(self._claim_rows, room)
        for envelope in envelopes:
            task = asyncio.create_task(self._send(envelope))
            self._under_way.add(task)
            task.add_done_callback(self._done)
        return len(envelopes) == room

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._crowded:
            self._live.wake("outbox")

    def _claim_rows(self, limit: int) -> list[Envelope]:
        with self._database.write() as session:
            rows: list[Outbox] = claim(session, Outbox, limit, LEASE, in_order_of="conversation_id")
            return [Envelope(row, *record.to_whom(session, row)) for row in rows]

    async def _send(self, envelope: Envelope) -> None:
        row = envelope.row
        outside_ids = list(row.outside_ids)
        try:
            channel = self._channels.get(envelope.customer.channel)
            parts = degrade(
                envelope.message.text,
                conversations.buttons_of(envelope.message),
                channel.capabilities,
            )
            if row.attempts > 1 and not channel.capabilities.retry_unknown and not row.last_error:
                # A worker died between sending and noting it: it may have arrived.
                raise UnknownResult("a worker died while sending")
            for index in range(row.parts_sent, len(parts)):
                text, buttons = parts[index]
                outside_ids.append(
                    await channel.send(
                        Part(
                            key=f"{row.key}/{index}",
                            account=envelope.customer.account,
                            address=envelope.customer.address,
                            conversation_id=row.conversation_id,
                            message_id=row.message_id,
                            text=text,
                            buttons=buttons,
                            index=index,
                            count=len(parts),
                        )
                    )
                )
                if len(parts) > 1:
                    await asyncio.to_thread(self._note_part, row.id, outside_ids)
        except (SendFailed, NotFound) as error:
            await asyncio.to_thread(self._failed, envelope, error)
        except Exception as error:
            log.exception("outbox %s failed", row.id)
            await asyncio.to_thread(self._failed, envelope, UnknownResult(type(error).__name__))
        else:
            await asyncio.to_thread(self._sent, row.id, outside_ids)

    def _note_part(self, row_id: int, outside_ids: list[str | None]) -> None:
        with self._database.write() as session:
            row = session.get_one(Outbox, row_id)
            row.parts_sent, row.outside_ids = len(outside_ids), list(outside_ids)

    def _sent(self, row_id: int, outside_ids: list[str | None]) -> None:
        with self._database.write() as session:
            row = session.get_one(Outbox, row_id)
            row.parts_sent, row.outside_ids = len(outside_ids), list(outside_ids)
            row.sent_at = clock.now()
            if row.state == Delivery.QUEUED:
                row.state = Delivery.SENT
            release(row, retry_at=None)
            self._live.after_commit(session, *self._topics(session, row))

    def _topics(self, session: Session, row: Outbox) -> list[str]:
        """Who is told that ``row`` is done: readers, and this loop if more waits behind it."""
        topics = [f"conversation:{row.conversation_id}"]
        if waits_behind(session, row):
            topics.append("outbox")
        return topics

    def _failed(self, envelope: Envelope, error: SendFailed | NotFound) -> None:
        can = self._channels.capabilities(envelope.customer.channel)
        safe = isinstance(error, TryLater) or (
            isinstance(error, UnknownResult) and can.retry_unknown
        )
        with self._database.write() as session:
            row = session.get_one(Outbox, envelope.row.id)
            if safe and row.attempts < MAX_ATTEMPTS:
                wait = backoff(row.attempts, first=timedelta(seconds=1), most=timedelta(minutes=10))
                if isinstance(error, TryLater) and error.after:
                    wait = max(wait, error.after)
                release(row, retry_at=clock.now() + wait, error=str(error))
            else:
                row.state = Delivery.FAILED
                release(row, retry_at=None, error=str(error))
            self._live.after_commit(session, "queue", *self._topics(session, row))
