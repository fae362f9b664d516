"""Sends orders to the depot until they are answered, and tells the customer the answer."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.orm import Session

from bot.depot.answers import Answers, conversation_of
from bot.loops import Loop
from conversations import repository as record
from conversations.texts import Texts
from handoff.packet import Learned, Request
from handoff.service import Handoffs
from parcels import orders
from parcels import repository as parcels
from parcels.change_models import DepotOrder, OrderState
from parcels.change_rules import ChangeRules
from parcels.depot import Depot, NoAnswer, Receipt, Result
from parcels.models import GoodsClass
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.live import Live
from tickets.service import Tickets
from tickets.urgency import Circumstances

log = logging.getLogger(__name__)

SIDE_BY_SIDE = 16
LEASE = timedelta(seconds=60)
AFTER_WORDS = timedelta(seconds=20)
"""So long an order waits at most for the words that say it was placed."""
FIRST_RETRY, LAST_RETRY = timedelta(seconds=2), timedelta(minutes=10)


class DepotLoop:
    """Claims due orders, each of one parcel in turn, and asks the depot."""

    def __init__(
        self,
        database: Database,
        live: Live,
        depot: Depot,
        rules: ChangeRules,
        handoffs: Handoffs,
        tickets: Tickets,
        texts: Texts,
    ) -> None:
        self._database = database
        self._depot = depot
        self._rules = rules
        self._handoffs = handoffs
        self._tickets = tickets
        self._texts = texts
        self._answers = Answers(texts, live, tickets.clocks)
        self._loop = Loop(live, "depot", self._work)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way; the depot knows its id."""
        await self._loop.stop()
        await self._depot.close()

    async def _work(self) -> bool:
        due = await asyncio.to_thread(self._claim)
        await asyncio.gather(*(self._send(order) for order in due))
        return bool(due)

    def _claim(self) -> list[DepotOrder]:
        with self._database.write() as session:
            due = claim(session, DepotOrder, SIDE_BY_SIDE, LEASE, in_order_of="about")
            return [order for order in due if not self._too_soon(session, order)]

    def _too_soon(self, session: Session, order: DepotOrder) -> bool:
        """Give back an order whose customer is just being answered "it is with the depot now": he
        must not hear the depot's word before it."""
        at = clock.now()
        conversation = conversation_of(session, order)
        if at - order.placed_at > AFTER_WORDS or not record.unfinished(session, conversation.id):
            return False
        release(order, retry_at=at + timedelta(seconds=1))
        order.attempts -= 1
        return True

    async def _send(self, order: DepotOrder) -> None:
        try:
            receipt = await self._depot.ask(order)
        except NoAnswer as error:
            await asyncio.to_thread(self._without, order.id, str(error))
        else:
            await asyncio.to_thread(self._heard, order.id, receipt)

    def _heard(self, order_id: int, receipt: Receipt) -> None:
        if receipt.result is Result.PENDING:
            self._without(order_id, "pending")
            return
        with self._database.write() as session:
            order = session.get_one(DepotOrder, order_id, with_for_update=True)
            if order.state == OrderState.PLACED:  # else it was told by other ways meanwhile
                self._answers.heard(session, order, receipt)

    def _without(self, order_id: int, reason: str) -> None:
        """Asked again later; after the policy's patience a person takes over."""
        with self._database.write() as session:
            order = session.get_one(DepotOrder, order_id, with_for_update=True)
            if order.state != OrderState.PLACED:
                return
            if clock.now() - order.placed_at < self._rules.depot.patience:
                wait = backoff(order.attempts, first=FIRST_RETRY, most=LAST_RETRY)
                release(order, retry_at=clock.now() + wait, error=reason)
                return
            log.warning("depot order %s given up: %s", order.id, reason)
            orders.given_up(order, reason)
            self._call_person(session, order)
            self._answers.tell(session, order)

    def _call_person(self, session: Session, order: DepotOrder) -> None:
        conversation = conversation_of(session, order)
        shipment = parcels.by_waybill(session, order.waybill_no) if order.waybill_no else None
        goods = shipment.goods_class if shipment else GoodsClass.GENERAL
        intent = self._rules.changes[order.kind].intent
        self._handoffs.request(
            session,
            conversation,
            Request(
                reason="change_request",
                rule="depot_silent",
                intent=intent,
                verdict=self._tickets.urgency.decide(
                    Circumstances(
                        intent=intent, text="", goods_class=goods, anger=conversation.anger
                    )
                ),
                learned=tuple(
                    Learned(name, value, "customer", None, order.placed_at)
                    for name, value in orders.facts(
                        self._texts, conversation.language, order.kind, order.wish
                    ).items()
                ),
                waybill_no=order.waybill_no,
            ),
            hold=False,
        )
