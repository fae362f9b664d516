"""What is done instead of paying: orders to the depot, and the courier's own call."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy.orm import Session

from conversations.texts import Texts
from parcels import change_repository, orders
from parcels import repository as parcels
from parcels.change_models import DepotOrder, OrderKind
from parcels.change_rules import ChangeRules
from store.errors import Invalid, OutOfOrder
from store.live import Live
from store.orders import OrderState
from tickets.compensation.service import Compensation
from tickets.events import Actor
from tickets.lifecycle import Change, words_of
from tickets.models import Ticket, TicketEvent, What
from tickets.promises import repository as promises
from tickets.promises.models import PromiseKind, PromiseState
from tickets.service import Tickets

_MOST = 50


class RemedyImpossible(Invalid):
    """The parcel's state does not allow it, or nothing takes orders."""

    code = "remedy_impossible"


class Remedies:
    """``depot``: whether orders go out to one. Nothing is charged for a remedy."""

    def __init__(
        self,
        compensation: Compensation,
        tickets: Tickets,
        rules: ChangeRules,
        texts: Texts,
        live: Live,
        *,
        depot: bool,
    ) -> None:
        self._compensation = compensation
        self._lifecycle = tickets.lifecycle
        self._clocks = tickets.clocks
        self._rules = rules
        self._texts = texts
        self._live = live
        self._depot = depot

    def possible(self, session: Session, ticket: Ticket) -> tuple[OrderKind, ...]:
        """What can be ordered for this ticket's parcel now, and is not ordered yet."""
        shipment = parcels.by_waybill(session, ticket.waybill_no) if ticket.waybill_no else None
        if shipment is None or not self._depot:
            return ()
        ordered = {
            order.kind
            for order in self.ordered(session, ticket)
            if order.state in {OrderState.PLACED, OrderState.ACCEPTED}
        }
        remedies = self._compensation.policy_of(session, ticket).remedies
        return tuple(
            kind
            for kind, classes in remedies.items()
            if ticket.kind in classes
            and kind not in ordered
            and self._rules.possible(kind, shipment)
        )

    def ordered(self, session: Session, ticket: Ticket) -> Sequence[DepotOrder]:
        """The remedies ordered for this ticket's parcel, newest first."""
        remedies = self._compensation.policy_of(session, ticket).remedies
        found = change_repository.orders_about(session, ticket.waybill_no or "", _MOST)
        return [order for order in found if order.kind in remedies]

    def order(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        kind: OrderKind,
        *,
        key: str,
        version: int | None = None,
    ) -> DepotOrder:
        """Order it of the depot; the customer hears of it, and then the depot's answer. The same
        ``key`` orders it once. RemedyImpossible if the parcel's state does not allow it."""
        name = f"remedy:{ticket.id}:{key}"[:64]
        known = change_repository.order_by_key(session, name)
        if known is not None:
            return known
        self._lifecycle.admit(session, ticket, Change.WAIT, actor, version)
        if kind not in self.possible(session, ticket):
            raise RemedyImpossible(f"{kind} of {ticket.number}")
        wish = orders.Wish(kind, ticket.waybill_no, {}, Decimal(0))
        order = orders.place(session, name, ticket.customer_id, wish)
        self._lifecycle.events.log(
            session, ticket, What.REMEDY, actor, details={"remedy": kind, "order": order.id}
        )
        self._compensation.telling.ordered(session, ticket, order)
        self._live.after_commit(session, "depot")
        return order

    def call_is_owed(self, session: Session, ticket: Ticket) -> bool:
        """Whether the courier's own call was promised and has not come."""
        return any(
            promise.kind == PromiseKind.COURIER_CALL and promise.state == PromiseState.OPEN
            for promise in promises.of_ticket(session, ticket.id)
        )

    def courier_called(
        self, session: Session, ticket: Ticket, actor: Actor, why: str = ""
    ) -> TicketEvent:
        """The courier himself has called the customer: that promise is kept."""
        self._lifecycle.admit(session, ticket, Change.WAIT, actor, None)
        if not self.call_is_owed(session, ticket):
            raise OutOfOrder("no call is owed", number=ticket.number)
        self._clocks.keep(session, (PromiseKind.COURIER_CALL,), ticket_id=ticket.id)
        return self._lifecycle.events.log(
            session, ticket, What.COURIER_CALLED, actor, words_of(why)
        )
