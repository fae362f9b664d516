"""Sends orders to pay until they are answered (store/orders.py says how they travel).

JSON ``{id, kind: "payout", reason, ticket, waybill_no, amount, currency: "CNY", customer: {channel,
account, id}, granted_at}``. ``accepted`` means paid; ``way`` is how, with no more than the last
digits of an account, and is told to the customer.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy.orm import Session

from bot.orders.loop import OrderLoop
from conversations.models import Customer
from store.engine import Database
from store.live import Live
from store.orders import Outlet, Receipt
from tickets.compensation.models import Grant, Payout
from tickets.compensation.payouts import Payouts
from tickets.compensation.policy import Payment
from tickets.models import Ticket


class Payee(BaseModel):
    """The customer as his channel names him."""

    channel: str
    account: str
    id: str


class PayoutOut(BaseModel):
    """An order to pay as it is sent. ``amount`` in yuan, such as ``150.00``."""

    id: str
    kind: str = "payout"
    reason: str
    ticket: str
    waybill_no: str | None
    amount: str
    currency: str = "CNY"
    customer: Payee
    granted_at: str


class PayoutLoop(OrderLoop[Payout]):
    """Claims due payments; each is independent of the others."""

    topic = "payouts"
    table = Payout

    def __init__(
        self,
        database: Database,
        live: Live,
        outlet: Outlet | None,
        payment: Payment,
        payouts: Payouts,
    ) -> None:
        super().__init__(database, live, outlet)
        self._payment = payment
        self._payouts = payouts

    @property
    def patience(self) -> timedelta:
        return self._payment.patience

    def body(self, session: Session, order: Payout) -> BaseModel:
        grant = session.get_one(Grant, order.grant_id)
        ticket = session.get_one(Ticket, grant.ticket_id)
        customer = session.get_one(Customer, grant.customer_id)
        return PayoutOut(
            id=order.public_id,
            reason=grant.kind,
            ticket=ticket.number,
            waybill_no=ticket.waybill_no,
            amount=f"{grant.yuan:.2f}",
            customer=Payee(channel=customer.channel, account=customer.account, id=customer.address),
            granted_at=grant.granted_at.isoformat(),
        )

    def heard(self, session: Session, order: Payout, receipt: Receipt) -> None:
        self._payouts.heard(session, order, receipt)

    def unanswered(self, session: Session, order: Payout, reason: str) -> None:
        self._payouts.unanswered(session, order, reason)
