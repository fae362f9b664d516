"""Sums go along with the complaint that they belong to, and end with it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tickets import repository as tickets
from tickets.compensation import repository
from tickets.compensation.models import GrantState
from tickets.compensation.service import Compensation
from tickets.events import SYSTEM, Events
from tickets.models import Ticket, TicketEvent, What
from tickets.promises.clocks import Clocks
from tickets.promises.models import PromiseKind


class Merging:
    """``after_event`` hangs on ``Events.after_event``."""

    def __init__(self, compensation: Compensation, events: Events, clocks: Clocks) -> None:
        self._compensation = compensation
        self._events = events
        self._clocks = clocks

    def after_event(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        if event.what == What.MERGED and "other" in event.details:
            other = tickets.by_number(session, event.details["other"])
            if other is not None and other.customer_id == ticket.customer_id:
                self._take(session, other, ticket)
        elif event.what == What.CANCELLED:
            self._let_go(session, ticket)

    def _take(self, session: Session, other: Ticket, into: Ticket) -> None:
        """What was granted, the liability and the promise to pay by then are the other's now."""
        for grant in repository.of_ticket(session, other.id):
            grant.ticket_id = into.id
        session.flush()
        settled = repository.liability(session, other.id)
        if settled is not None and repository.liability(session, into.id) is None:
            self._events.log(
                session, into, What.LIABILITY, SYSTEM, settled.why, details={"from": other.number}
            )
        self._clocks.hand_on(session, PromiseKind.PAYOUT, other.id, into.id)

    def _let_go(self, session: Session, ticket: Ticket) -> None:
        """Nobody decides any more about a complaint taken back; what was decided is paid."""
        for grant in repository.of_ticket(session, ticket.id):
            if grant.state == GrantState.WAITING:
                grant.state = GrantState.REFUSED
                session.flush()
                self._compensation.log(session, ticket, grant, What.GRANT_REFUSED, SYSTEM, None)
