"""Turns what customers are to be told of into messages: merged, in the hours that the policy allows
and within what their channel lets us say.

All that waits for one customer is looked at together, while his row is held: one message, written
in the transaction that marks all of it done; a few customers share a transaction. A wave (a hub
closes) is written no faster than the outbox sends it, so that answers to people who are talking to
us stay near the front.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.channels.registry import Channels
from bot.loops import Loop
from bot.notices import words
from conversations import allowance
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Customer
from conversations.schemas import Outbound
from conversations.texts import Texts
from parcels import identity, notices
from parcels import notice_repository as repository
from parcels.notice_models import Node, Notice
from parcels.notice_rules import NoticeRules
from parcels.notices import News
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.live import Live
from tickets.promises import deliveries
from tickets.promises.clocks import Clocks

log = logging.getLogger(__name__)

KEY = "notice:"
"""The key of a notice's message begins with it."""
AT_A_TIME = 16
"""Customers of one transaction, which keeps others from writing on SQLite meanwhile."""
LEASE = timedelta(seconds=30)
PAUSE = 0.05
"""Seconds to wait while enough notices stand in the outbox."""
NO_ROOM = timedelta(hours=1)
"""So long after a channel's quota was found used up it is looked at again."""
FIRST_RETRY, LAST_RETRY = timedelta(seconds=5), timedelta(minutes=10)
MAX_ATTEMPTS = 8


class NoticeLoop:
    """Claims due notices and writes the messages they become."""

    def __init__(
        self,
        database: Database,
        live: Live,
        channels: Channels,
        rules: NoticeRules,
        proof: identity.Rules,
        texts: Texts,
        clocks: Clocks,
    ) -> None:
        self._database = database
        self._live = live
        self._channels = channels
        self._rules = rules
        self._proof = proof
        self._texts = texts
        self._clocks = clocks
        self._loop = Loop(live, "notices", self._work)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way."""
        await self._loop.stop()

    async def _work(self) -> bool:
        room = await asyncio.to_thread(self._room)
        if not room:
            await asyncio.sleep(PAUSE)
            return True
        return await asyncio.to_thread(self._tell_some, min(room, AT_A_TIME))

    def _room(self) -> int:
        """How many more notices may stand in the outbox now."""
        most = self._rules.waiting_in_outbox
        with self._database.read() as session:
            return most - record.due_with_key(session, KEY, most)

    def _tell_some(self, most: int) -> bool:
        with self._database.write() as session:
            due = claim(session, Notice, most, LEASE)
        try:
            self._tell(due)
        except Exception:
            # One customer's must not hold up the others': each by itself, and the culprit later.
            for notice in due:
                self._tell_one(notice)
        return bool(due)

    def _tell_one(self, notice: Notice) -> None:
        try:
            self._tell([notice])
        except Exception as error:
            log.exception("notice %s failed", notice.id)
            self._put_off(notice.id, type(error).__name__)

    def _tell(self, claimed: Sequence[Notice]) -> None:
        """Tell the customers of these of all that waits for them, or put it off together."""
        ids = {notice.customer_id for notice in claimed}
        with self._database.write() as session:
            customers = repository.hold_customers(session, ids)
            found = notices.worth_telling(session, self._rules, customers)
            talks = record.latest_conversations(session, ids)
            before = repository.told_before(session, ids)
            for customer in sorted(customers, key=lambda c: min(_ids(found, c), default=0)):
                due, conversation = found.get(customer.id), talks.get(customer.id)
                if due is None:
                    continue  # told along with others by another worker
                if not due.news or conversation is None:
                    _done(due.waiting)
                    continue
                told = list(due.news.values())
                since = min(notice.created_at for notice in due.waiting)
                at = self._leaves_at(session, customer, conversation, told, since)
                if at > clock.now():
                    self._wait(due.waiting, at)
                    continue
                first = customer.id not in before
                self._post(session, customer, conversation, told, first=first)
                _done(due.waiting)

    def _leaves_at(
        self,
        session: Session,
        customer: Customer,
        conversation: Conversation,
        told: Sequence[News],
        since: datetime,
    ) -> datetime:
        """When the first of it may leave, if the oldest waits ``since``; all of it leaves then."""
        now = clock.now().astimezone(self._texts.zone)
        can = self._channels.capabilities(customer.channel)
        meter = allowance.meter(session, conversation.id, can)
        if meter and all(meter.left <= self._rules.kept_back(news.node) for news in told):
            return now + NO_ROOM
        return min(self._rules.leaves_at(news.node, since, now) for news in told)

    def _wait(self, rows: Sequence[Notice], until: datetime) -> None:
        """Put all of it off; what has been put off for too long is dropped."""
        oldest = clock.now() - timedelta(hours=self._rules.keep_hours)
        for row in rows:
            release(row, retry_at=until if row.created_at > oldest else None)
            row.attempts = 0

    def _post(
        self,
        session: Session,
        customer: Customer,
        conversation: Conversation,
        told: Sequence[News],
        *,
        first: bool,
    ) -> None:
        secret = {n.shipment.waybill_no for n in told if words.holds_a_secret(n)}
        proven = {n for n in secret if identity.proven(session, self._proof, customer, n)}
        language = conversation.language
        outbound = Outbound(
            f"{KEY}{told[0].notice.id}",
            words.text(self._texts, language, told, proven, first=first),
            words.buttons(self._texts, language, told, proven),
        )
        message = conversations.post(session, conversation, outbound, Author.BOT)
        assert message is not None, "told already, and yet not done"
        for news in told:
            news.notice.message_id = message.id
            said = words.promised(self._texts, language, news.shipment)
            if news.node is Node.OUT_FOR_DELIVERY and said and news.shipment.eta_to:
                deliveries.make(
                    session, self._clocks, message, news.shipment.waybill_no, said,
                    news.shipment.eta_to, agreed=False,
                )  # fmt: skip
        self._live.after_commit(session, "outbox", f"conversation:{conversation.id}")

    def _put_off(self, notice_id: int, error: str) -> None:
        with self._database.write() as session:
            row = session.get_one(Notice, notice_id)
            if row.due_at is None:
                return
            if row.attempts >= MAX_ATTEMPTS:
                release(row, retry_at=None, error=error)
                return
            wait = backoff(row.attempts, first=FIRST_RETRY, most=LAST_RETRY)
            release(row, retry_at=clock.now() + wait, error=error)


def _ids(found: Mapping[int, notices.Due], customer: Customer) -> Iterator[int]:
    """The ids of all that waits for a customer: what was stored first is told first."""
    due = found.get(customer.id)
    yield from (notice.id for notice in due.waiting) if due else ()


def _done(rows: Sequence[Notice]) -> None:
    for row in rows:
        release(row, retry_at=None)
