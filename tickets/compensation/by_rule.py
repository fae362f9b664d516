"""What the rule gives by itself, when a ticket is closed: by then the lateness is known and the
talk has come to an end. Once, whatever was granted or refused before."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from store import clock
from tickets.compensation import repository
from tickets.compensation.errors import AlreadyGranted
from tickets.compensation.models import Kind
from tickets.compensation.reckoning import NothingDue
from tickets.compensation.service import Compensation, Wish, about
from tickets.events import SYSTEM
from tickets.models import Ticket, TicketEvent, What
from tickets.reach import reach


class ByRule:
    """``after_event`` hangs on ``Events.after_event``."""

    def __init__(self, compensation: Compensation) -> None:
        self._compensation = compensation

    def after_event(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        if event.what != What.CLOSED:
            return
        policy = self._compensation.policy_of(session, ticket)
        if ticket.kind in policy.delay.classes:
            self._give(session, ticket, Kind.DELAY_COUPON)
        since = clock.now() - timedelta(days=policy.gift.once_in_days)
        if ticket.kind in policy.gift.classes and not repository.granted_since(
            session, ticket.customer_id, Kind.GIFT_COUPON, since
        ):
            self._give(session, ticket, Kind.GIFT_COUPON)

    def _give(self, session: Session, ticket: Ticket, kind: Kind) -> None:
        if repository.about(session, about(ticket, kind)):
            return
        if reach(session, ticket.customer_id) is None:
            return
        try:
            reckoning = self._compensation.reckoned(session, ticket, Wish(kind))
            key = f"rule:{ticket.id}:{kind}"
            self._compensation.give(session, ticket, SYSTEM, reckoning, key, None, alone=True)
        except (NothingDue, AlreadyGranted):  # the latter: from another ticket, at this moment
            return
