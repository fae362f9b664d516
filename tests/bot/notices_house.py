"""Customers with proved parcels, and the loop that tells them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.channels.registry import Channels
from bot.notices.loop import KEY, NoticeLoop
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Inbox, Message, Outbox
from conversations.schemas import Capabilities, Inbound
from parcels import change_rules, identity, ingest, notice_rules, notices
from parcels import service as parcels
from parcels.models import OWN, Status
from parcels.notice_models import Notice
from parcels.notice_rules import NoticeRules
from parcels.schemas import ScanEvent, ShipmentIn
from parcels.timeline import Timeline
from store import clock
from store.claims import release
from store.engine import Database
from store.live import Live
from tests import rooms
from tests.channels.fake import FakeChannel

PUBLIC_URL = "https://desk.example"
PHONE = "13800004455"
CODE, COURIER_PHONE = "8-2-6677", "13911112222"
RULES = notice_rules.from_file(rooms.POLICIES / "notices.yml")
PROOF = change_rules.from_file(rooms.POLICIES / "changes.yml").identity
_events = itertools.count()


class Counted(FakeChannel):
    """A channel that lets us speak five times after each of the customer's messages."""

    name = "wechat"

    def __init__(self) -> None:
        self.capabilities = Capabilities(reply_quota=5)


class House:
    """``rules`` may be changed by a test; the channels ``web`` (anything goes) and ``wechat``."""

    def __init__(self, database: Database, rules: NoticeRules = RULES) -> None:
        self.database = database
        self.live = Live(database)
        self.channels = Channels([Counted()])
        self.rules = rules
        built = rooms.build(database)
        self.texts, self.clocks = built.texts, built.tickets.clocks

    def loop(self) -> NoticeLoop:
        return NoticeLoop(
            self.database,
            self.live,
            self.channels,
            self.rules,
            PROOF,
            self.texts,
            Timeline(PUBLIC_URL),
            self.clocks,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        loop = self.loop()
        loop.start()
        try:
            yield
        finally:
            await loop.stop()

    async def settle(self) -> None:
        """Everything that is due now has been looked at."""
        loop = self.loop()
        for _ in range(200):
            if not await asyncio.to_thread(loop._tell_some, 32):
                return
        raise AssertionError("the loop never comes to rest")

    def parcel(self, number: str, **more: Any) -> None:
        with self.database.write() as session:
            parcels.store_shipment(
                session, ShipmentIn(waybill_no=number, recipient_phone=PHONE, **more)
            )

    def writes(self, who: str, text: str = "4455", channel: str = "web") -> int:
        """A customer's message that is answered at once; his conversation."""
        with self.database.write() as session:
            return self._writes(session, who, text, channel).conversation_id

    def owner(
        self, number: str, who: str = "ann", channel: str = "web", english: bool = False
    ) -> int:
        """A customer who proves the parcel his own; his conversation."""
        with self.database.write() as session:
            row = self._writes(session, who, "it ends in 4455" if english else "尾号", channel)
            conversation = session.get_one(Conversation, row.conversation_id)
            conversation.language = "en" if english else "zh"
            customer = record.customer_of(session, conversation)
            answer = identity.prove(session, PROOF, customer, row.message_id, number, "4455")
            assert answer is identity.Answer.RIGHT
            notices.follow(session, customer.id, number)
            return conversation.id

    def _writes(self, session: Session, who: str, text: str, channel: str) -> Inbox:
        inbound = Inbound(channel, "page", who, f"{who}-{next(_events)}", text)
        row, _ = conversations.receive(session, inbound)
        release(row, retry_at=None)
        return row

    def scan(
        self,
        number: str,
        state: str = "OutForDelivery",
        at: datetime | None = None,
        place: str | None = "杭州转运中心",
        source: str = OWN,
        **more: Any,
    ) -> None:
        """One scan comes in now."""
        self.scans([self.event(number, state, at, place, **more)], source)

    @staticmethod
    def event(
        number: str,
        state: str,
        at: datetime | None = None,
        place: str | None = "杭州转运中心",
        **more: Any,
    ) -> ScanEvent:
        field = "status" if state in set(Status) else "sub_status"
        given: Mapping[str, Any] = {
            "waybill_no": number,
            "event_id": f"e{next(_events)}",
            "at": at or clock.now(),
            field: state,
            "place": place,
        }
        return ScanEvent.model_validate({**given, **more})

    def scans(self, given: Sequence[ScanEvent], source: str = OWN) -> None:
        with self.database.write() as session:
            ingest.scans(session, given, source)
            self.live.after_commit(session, "notices")

    def told(self, conversation_id: int | None = None) -> list[str]:
        """What the bot said, in order."""
        with self.database.read() as session:
            rows = session.query(Message).filter_by(author=Author.BOT).order_by(Message.id)
            return [m.text for m in rows if conversation_id in (None, m.conversation_id)]

    def rows(self) -> list[Notice]:
        with self.database.read() as session:
            return list(session.query(Notice).order_by(Notice.id))

    def outbox(self) -> list[Outbox]:
        with self.database.read() as session:
            rows = session.query(Outbox).filter(Outbox.key.startswith(KEY)).order_by(Outbox.id)
            return list(rows)

    def buttons(self) -> list[str]:
        with self.database.read() as session:
            last = session.query(Message).filter_by(author=Author.BOT).order_by(Message.id)
            return [b.say for b in conversations.buttons_of(list(last)[-1])]
