"""Turns what customers are to be told of into messages: merged, in the hours that the policy allows
and within what their channel lets us say.

All that waits for one customer is looked at together, while his row is held: one message, written
in the transaction that marks all of it done. Customers share a transaction, and one who cannot be
told holds up no others. Nothing is leased: what a worker that dies was at is due as before, in its
place. A wave (a hub closes) is written no faster than the outbox sends it, so that answers to
people who are talking to us stay near the front.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.channels.registry import Channels
from bot.loops import Loop
from bot.notices import words
from conversations import allowance
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Customer, Message
from conversations.schemas import Outbound
from conversations.texts import Texts
from parcels import identity, notices
from parcels import notice_repository as repository
from parcels.notice_models import Node, Notice
from parcels.notice_rules import NoticeRules
from parcels.notices import News
from parcels.timeline import Timeline
from store import clock
from store.claims import backoff, release
from store.engine import Database
from store.live import Live
from tickets.promises import deliveries
from tickets.promises.clocks import Clocks

log = logging.getLogger(__name__)

KEY = "notice:"
"""The key of a notice's message begins with it."""
AT_A_TIME = 32
"""Customers of one transaction, which keeps others from writing on SQLite meanwhile."""
PAUSE = 0.01
"""Seconds to wait while enough notices stand in the outbox."""
NO_ROOM = timedelta(hours=1)
"""So long after a channel's quota was found used up it is looked at again."""
FIRST_RETRY, LAST_RETRY = timedelta(seconds=5), timedelta(minutes=10)
MAX_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to one customer, and all that it tells."""

    conversation: Conversation
    outbound: Outbound
    told: Sequence[News]


class NoticeLoop:
    """Takes up due notices and writes the messages they become."""

    def __init__(
        self,
        database: Database,
        live: Live,
        channels: Channels,
        rules: NoticeRules,
        proof: identity.Rules,
        texts: Texts,
        timeline: Timeline,
        clocks: Clocks,
    ) -> None:
        self._database = database
        self._live = live
        self._channels = channels
        self._rules = rules
        self._proof = proof
        self._texts = texts
        self._clocks = clocks
        self._timeline = timeline
        self._loop = Loop(live, "notices", self._work)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way."""
        await self._loop.stop()

    async def _work(self) -> bool:
        room = await asyncio.to_thread(self._room)
        if room < min(AT_A_TIME, self._rules.waiting_in_outbox):
            await asyncio.sleep(PAUSE)
            return True
        return await asyncio.to_thread(self._tell_some, min(room, AT_A_TIME))

    def _room(self) -> int:
        """How many more notices may stand in the outbox now."""
        most = self._rules.waiting_in_outbox
        with self._database.read() as session:
            return most - record.due_with_key(session, KEY, most)

    def _tell_some(self, most: int) -> bool:
        """Whether anybody had something to be told."""
        customers: Sequence[Customer] = ()
        try:
            with self._database.write() as session:
                customers = repository.due_customers(session, most)
                if customers:
                    self._tell(session, customers)
        except Exception as error:
            if len(customers) > 1:
                for _ in customers:
                    self._tell_some(1)
                return True
            if not customers:
                raise
            log.exception("customer %s was not told", customers[0].id)
            self._put_off(customers[0].id, type(error).__name__)
        return bool(customers)

    def _tell(self, session: Session, customers: Sequence[Customer]) -> None:
        """Tell these customers of all that waits for them, or put it off together."""
        ids = {customer.id for customer in customers}
        found = notices.worth_telling(session, self._rules, customers)
        talks = record.latest_conversations(session, ids)
        before = repository.told_before(session, ids)
        shipments = {number for due in found.values() for number in due.news}
        links = self._timeline.links(session, shipments)
        letters: list[Letter] = []
        for customer in customers:
            due, conversation = found.get(customer.id), talks.get(customer.id)
            if due is None:
                continue  # another worker has told him just before
            told = list(due.news.values())
            if told and conversation is not None:
                since = min(notice.created_at for notice in due.waiting)
                at = self._leaves_at(session, customer, conversation, told, since)
                if at > clock.now():
                    self._wait(due.waiting, at)
                    continue
                first = customer.id not in before
                letter = self._letter(session, customer, conversation, told, links, first=first)
                letters.append(letter)
            for row in due.waiting:
                release(row, retry_at=None)
        self._post(session, letters)

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

    def _letter(
        self,
        session: Session,
        customer: Customer,
        conversation: Conversation,
        told: Sequence[News],
        links: Mapping[int, str],
        *,
        first: bool,
    ) -> Letter:
        secret = {n.shipment.waybill_no for n in told if words.holds_a_secret(n)}
        proven = {n for n in secret if identity.proven(session, self._proof, customer, n)}
        language = conversation.language
        outbound = Outbound(
            f"{KEY}{told[0].notice.id}",
            words.text(self._texts, language, told, proven, links, first=first),
            words.buttons(self._texts, language, told, proven),
        )
        return Letter(conversation, outbound, told)

    def _post(self, session: Session, letters: Sequence[Letter]) -> None:
        given = [(letter.conversation, letter.outbound) for letter in letters]
        for letter, message in zip(
            letters, conversations.post_all(session, given, Author.BOT), strict=True
        ):
            assert message is not None, "told already, and yet not done"
            for news in letter.told:
                news.notice.message_id = message.id
                self._promise(session, news, message, letter.conversation.language)
        topics = (f"conversation:{letter.conversation.id}" for letter in letters)
        self._live.after_commit(session, *(["outbox", *topics] if letters else []))

    def _promise(self, session: Session, news: News, message: Message, language: str) -> None:
        """The hour that "out for delivery" names is one that the customer counts on."""
        if news.node is not Node.OUT_FOR_DELIVERY or news.shipment.eta_to is None:
            return
        said = words.promised(self._texts, language, news.shipment)
        if said:
            deliveries.make(
                session, self._clocks, message, news.shipment.waybill_no, said,
                news.shipment.eta_to, agreed=False,
            )  # fmt: skip

    def _put_off(self, customer_id: int, error: str) -> None:
        with self._database.write() as session:
            for row in repository.due(session, customer_id):
                row.attempts += 1
                wait = backoff(row.attempts, first=FIRST_RETRY, most=LAST_RETRY)
                retry_at = clock.now() + wait if row.attempts < MAX_ATTEMPTS else None
                release(row, retry_at=retry_at, error=error)
