"""Sends orders to the depot until they are answered, and tells the customer the answer."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy.orm import Session

from bot.depot.answers import Answers, conversation_of
from bot.orders.loop import OrderLoop
from conversations import repository as record
from conversations.texts import Texts
from handoff.packet import Learned, Request
from handoff.service import Handoffs
from parcels import depot, orders
from parcels import repository as parcels
from parcels.change_models import DepotOrder
from parcels.change_rules import ChangeRules
from parcels.models import GoodsClass
from store import clock
from store.claims import release
from store.engine import Database
from store.live import Live
from store.orders import Outlet, Receipt
from tickets.service import Tickets
from tickets.urgency import Circumstances

AFTER_WORDS = timedelta(seconds=20)
"""So long an order waits at most for the words that say it was placed."""


class DepotLoop(OrderLoop[DepotOrder]):
    """Claims due orders, each of one parcel in turn, and asks the depot."""

    topic = "depot"
    table = DepotOrder
    in_order_of = "about"

    def __init__(
        self,
        database: Database,
        live: Live,
        outlet: Outlet,
        rules: ChangeRules,
        handoffs: Handoffs,
        tickets: Tickets,
        texts: Texts,
    ) -> None:
        super().__init__(database, live, outlet)
        self._rules = rules
        self._handoffs = handoffs
        self._tickets = tickets
        self._texts = texts
        self._answers = Answers(texts, live, tickets.clocks)

    @property
    def patience(self) -> timedelta:
        return self._rules.depot.patience

    def body(self, session: Session, order: DepotOrder) -> BaseModel:
        return depot.outgoing(order)

    def heard(self, session: Session, order: DepotOrder, receipt: Receipt) -> None:
        self._answers.heard(session, order, receipt)

    def unanswered(self, session: Session, order: DepotOrder, reason: str) -> None:
        self._call_person(session, order)
        self._answers.tell(session, order)

    def too_soon(self, session: Session, order: DepotOrder) -> bool:
        """Give back an order whose customer is just being answered "it is with the depot now": he
        must not hear the depot's word before it."""
        at = clock.now()
        conversation = conversation_of(session, order)
        if at - order.placed_at > AFTER_WORDS or not record.unfinished(session, conversation.id):
            return False
        release(order, retry_at=at + timedelta(seconds=1))
        order.attempts -= 1
        return True

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
