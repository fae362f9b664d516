"""The outbox: every message to a customer leaves by here, in order per conversation.

Retried only where it is safe; given up visibly (state ``failed``, with the reason) where it is not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from bot.channels import quota
from bot.channels.base import (
    Channel,
    File,
    NeedsCustomer,
    Nudging,
    Part,
    SendFailed,
    TryLater,
    UnknownResult,
    Unreachable,
)
from bot.channels.degrade import degrade
from bot.channels.registry import Channels
from bot.loops import Crew, Loop, Together
from conversations import repository as record
from conversations import service as conversations
from conversations.files import UNKNOWN, Files
from conversations.models import (
    Customer,
    Delivery,
    FileKind,
    Kind,
    Message,
    Outbox,
    Undelivered,
)
from conversations.schemas import Button, Capabilities
from store import clock
from store.claims import backoff, claim, release, waits_behind
from store.engine import Database
from store.errors import NotFound
from store.live import Live

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
LEASE_OF_FILES = timedelta(minutes=5)
"""A file of 20 MB on a slow line takes its time; its send is given up a little before."""
SIDE_BY_SIDE = 32
MAX_ATTEMPTS = 8

Parts = list[tuple[str, tuple[Button, ...], File | None]]
"""Each is words, perhaps with buttons, or a file."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A claimed row with all that sending needs. ``load`` is there where a quota counts sends."""

    row: Outbox
    message: Message
    customer: Customer
    load: quota.Load | None
    files: tuple[File, ...] = ()

    @property
    def text(self) -> str:
        return self.load.text if self.load else self.message.text

    @property
    def buttons(self) -> tuple[Button, ...]:
        # In what leaves together the choices are words already.
        return () if self.along else conversations.buttons_of(self.message)

    @property
    def along(self) -> tuple[Outbox, ...]:
        """Rows whose words leave with this one's."""
        return self.load.along if self.load else ()

    def parts(self, can: Capabilities) -> Parts:
        """What to send, in order: the words, then each file."""
        words = degrade(self.text, self.buttons, can) if self.text or not self.files else []
        return [(*part, None) for part in words] + [("", (), file) for file in self.files]


@dataclass(frozen=True, slots=True)
class Sent:
    """What the platform took, and the ids it gave to the parts."""

    envelope: Envelope
    outside_ids: list[str | None]


class OutboxLoop:
    """Claims due rows and gives them to their channel."""

    def __init__(self, database: Database, live: Live, channels: Channels, files: Files) -> None:
        self._database = database
        self._live = live
        self._channels = channels
        self._files = files
        self._crew = Crew(live, "outbox", SIDE_BY_SIDE)
        self._noted = Together(self._sent)
        self._loop = Loop(live, "outbox", self._claim)

    def start(self) -> None:
        self._loop.start()

    async def resume(self, conversation_id: int) -> None:
        """The customer wrote: what waited for that is sent. Cheap if nothing did."""
        await asyncio.to_thread(self._resume, conversation_id)

    def _resume(self, conversation_id: int) -> None:
        with self._database.read() as session:
            if not quota.parked(session, conversation_id):
                return
        with self._database.write() as session:
            quota.resume(session, conversation_id)
            self._live.after_commit(session, "outbox")

    async def stop(self) -> None:
        await self._loop.stop()
        await self._crew.stop()
        await self._noted.stop()

    async def _claim(self) -> bool:
        return await self._crew.fill(self._claim_rows, self._send)

    def _claim_rows(self, limit: int) -> list[Envelope]:
        with self._database.write() as session:
            if self._channels.any_quota():
                quota.let_agents_through(session)
            rows: list[Outbox] = claim(session, Outbox, limit, LEASE, in_order_of="conversation_id")
            to_whom = record.to_whom(session, rows) if rows else {}
            return [self._envelope(session, row, *to_whom[row.message_id]) for row in rows]

    def _envelope(
        self, session: Session, row: Outbox, message: Message, customer: Customer
    ) -> Envelope:
        can = self._channels.capabilities(customer.channel)
        load = quota.load(session, row, message, can, clock.now() + LEASE)
        files = self._files_of(session, message)
        if files:
            row.leased_until = clock.now() + LEASE_OF_FILES
        return Envelope(row, message, customer, load, files)

    def _files_of(self, session: Session, message: Message) -> tuple[File, ...]:
        if message.kind == Kind.TEXT:
            return ()
        return tuple(
            File(
                file.id,
                FileKind(file.kind),
                file.name,
                file.media_type or UNKNOWN,
                file.size or 0,
                self._files.path(file.sha256),
            )
            for file in record.attachments(session, [message.id])
            if file.sha256
        )

    async def _send(self, envelope: Envelope) -> None:
        row = envelope.row
        outside_ids = list(row.outside_ids)
        try:
            channel = self._channels.get(envelope.customer.channel)
            parts = envelope.parts(channel.capabilities)
            last = row.parts_sent + envelope.load.room if envelope.load else len(parts)
            if row.attempts > 1 and not channel.capabilities.retry_unknown and not row.last_error:
                # A worker died between sending and noting it: it may have arrived.
                raise UnknownResult("a worker died while sending")
            for index in range(row.parts_sent, len(parts)):
                if index >= last:
                    raise NeedsCustomer(quota.WAITS)
                outside_ids.append(await self._send_part(channel, envelope, index, parts))
                if len(parts) > 1:
                    await asyncio.to_thread(self._note_part, row.id, outside_ids)
        except (SendFailed, NotFound) as error:
            waits = await asyncio.to_thread(self._failed, envelope, error)
            if waits is not None:
                await self._nudge(envelope.customer, waits)
        except Exception as error:
            log.exception("outbox %s failed", row.id)
            await asyncio.to_thread(self._failed, envelope, UnknownResult(type(error).__name__))
        else:
            await self._noted.made(Sent(envelope, outside_ids))

    async def _send_part(
        self, channel: Channel, envelope: Envelope, index: int, parts: Parts
    ) -> str | None:
        text, buttons, file = parts[index]
        if file and not channel.capabilities.carries(file.media_type, file.size):
            raise Unreachable(f"{channel.name} carries no {file.media_type} of this size")
        part = Part(
            key=f"{envelope.row.key}/{index}",
            account=envelope.customer.account,
            address=envelope.customer.address,
            conversation_id=envelope.row.conversation_id,
            message_id=envelope.row.message_id,
            text=text,
            buttons=buttons,
            index=index,
            count=len(parts),
            file=file,
        )
        if file is None:
            return await channel.send(part)
        async with asyncio.timeout(LEASE_OF_FILES.total_seconds() / (len(envelope.files) + 1)):
            return await channel.send(part)

    def _note_part(self, row_id: int, outside_ids: list[str | None]) -> None:
        with self._database.write() as session:
            row = session.get_one(Outbox, row_id)
            row.parts_sent, row.outside_ids = len(outside_ids), list(outside_ids)
            row.sent_at = clock.now()

    def _sent(self, sends: Sequence[Sent]) -> None:
        with self._database.write() as session:
            rows = record.outbox(session, [sent.envelope.row.id for sent in sends])
            for sent in sends:
                self._note(session, rows[sent.envelope.row.id], sent)
            self._live.after_commit(session, *self._topics(session, list(rows.values())))

    def _note(self, session: Session, row: Outbox, sent: Sent) -> None:
        row.parts_sent, row.outside_ids = len(sent.outside_ids), list(sent.outside_ids)
        # The platform may have said meanwhile that it arrived, or that it did not: that stands.
        state = Delivery.SENT if row.state == Delivery.QUEUED else Delivery(row.state)
        lost = state == Delivery.FAILED
        at, reason, error = clock.now(), row.reason, row.last_error
        for done in (row, *self._along(session, sent.envelope)):
            done.sent_at, done.state, done.reason = at, state, reason if lost else None
            release(done, retry_at=None, error=error if lost else None)

    @staticmethod
    def _along(session: Session, envelope: Envelope) -> Iterator[Outbox]:
        return (session.get_one(Outbox, other.id) for other in envelope.along)

    @staticmethod
    def _topics(session: Session, rows: Sequence[Outbox]) -> list[str]:
        """Who is told that ``rows`` are done: readers, and this loop if more waits behind them."""
        topics = [f"conversation:{row.conversation_id}" for row in rows]
        if waits_behind(session, rows):
            topics.append("outbox")
        return topics

    async def _nudge(self, customer: Customer, message: Message) -> None:
        """A courtesy, noted before it is done: at most once, and never in the way of a message."""
        channel = self._channels.get(customer.channel)
        if isinstance(channel, Nudging):
            try:
                await channel.nudge(customer.address, message.text)
            except SendFailed as error:
                log.info("a customer was not told what waits: %s", error)

    def _failed(self, envelope: Envelope, error: SendFailed | NotFound) -> Message | None:
        """Park, try later or give up; the message, if any, of whose waiting he should be told."""
        can = self._channels.capabilities(envelope.customer.channel)
        safe = isinstance(error, TryLater) or (
            isinstance(error, UnknownResult) and can.retry_unknown
        )
        with self._database.write() as session:
            row = session.get_one(Outbox, envelope.row.id)
            along = self._along(session, envelope)
            heard = envelope.load.heard if envelope.load else 0
            told = None
            if isinstance(error, NeedsCustomer) and quota.park(session, row, heard):
                log.info("outbox %s %s", row.id, error)
                session.refresh(row)
                if can.nudges:
                    told = quota.nudge(session, row)
            elif safe and row.attempts < MAX_ATTEMPTS:
                wait = backoff(row.attempts, first=timedelta(seconds=1), most=timedelta(minutes=10))
                if isinstance(error, TryLater) and error.after:
                    wait = max(wait, error.after)
                at = clock.now() + wait
                for held in (row, *along):
                    held.reason = Undelivered.LATER
                    release(held, retry_at=at, error=str(error))
            else:
                for lost in (row, *along):
                    lost.state = Delivery.FAILED
                    lost.reason = getattr(error, "reason", Undelivered.OFF)
                    release(lost, retry_at=None, error=str(error))
            self._live.after_commit(session, "queue", *self._topics(session, [row]))
            return told
