"""Payments of grants: ordered once, answered once, and seen to by a supervisor where they fail.

In the caller's transaction. Sending the orders is the work of ``bot/payouts``. Whoever holds a
payment and its grant holds the payment first.
"""

from __future__ import annotations

import logging
import re

from sqlalchemy.orm import Session

from store import clock
from store.errors import Forbidden, NotFound, OutOfOrder
from store.live import Live
from store.orders import OrderState, Receipt, answered
from tickets.compensation import repository
from tickets.compensation.errors import OwnGrant
from tickets.compensation.models import Grant, GrantState, Payout
from tickets.compensation.service import Compensation
from tickets.events import SYSTEM, Actor
from tickets.lifecycle import words_of
from tickets.models import Ticket, What

log = logging.getLogger(__name__)
_LONG_NUMBER = re.compile(r"\d(?:[ -]?\d){4,}")
_FAILED = frozenset({OrderState.REFUSED, OrderState.UNANSWERED})


def masked(way: str | None) -> str | None:
    """How something was paid, with no more than four digits of any account."""
    return way and _LONG_NUMBER.sub(lambda found: f"****{found[0][-4:]}", way.strip())


class Payouts:
    """What is heard of payments, and what supervisors do about those that failed."""

    def __init__(self, compensation: Compensation, live: Live) -> None:
        self._compensation = compensation
        self._telling = compensation.telling
        self._live = live

    def heard(self, session: Session, payout: Payout, receipt: Receipt) -> None:
        """A final answer. The same again changes nothing; Conflict for another than before."""
        if not answered(payout, receipt):
            return
        grant, ticket = repository.hold(session, payout.grant_id)
        if payout.state == OrderState.REFUSED:
            if grant.state != GrantState.DONE:
                self._failed(session, ticket, grant, payout, receipt.reason)
        elif grant.state == GrantState.DONE:
            payout.attention = True
            log.warning("payout %s was paid, and by a person before", payout.id)
            self._live.after_commit(session, "queue")
        else:
            payout.way = masked(receipt.way)
            self._paid(session, ticket, grant, payout, SYSTEM)

    def unanswered(self, session: Session, payout: Payout, reason: str) -> None:
        """It was given up (store/orders.py:given_up)."""
        grant, ticket = repository.hold(session, payout.grant_id)
        self._failed(session, ticket, grant, payout, reason)

    def again(self, session: Session, grant_id: int, actor: Actor) -> None:
        """Try once more. One that was not answered is the same order: it may have been paid. After
        a refusal it is a new one."""
        payout, grant, ticket = self._to_see_to(session, grant_id, actor)
        payout.attention = False
        if payout.state == OrderState.REFUSED:
            session.flush()
            self._compensation.place_payout(session, grant)
        else:
            at = clock.now()
            payout.state, payout.placed_at, payout.due_at, payout.attempts = (
                OrderState.PLACED, at, at, 0,
            )  # fmt: skip
            self._live.after_commit(session, "payouts")
        self._compensation.log(session, ticket, grant, What.PAY_AGAIN, actor)

    def by_hand(self, session: Session, grant_id: int, actor: Actor, way: str) -> None:
        """A supervisor paid it in another way, after he made sure that nobody else did; ``way`` is
        told to the customer. OwnGrant for who asked for it."""
        payout, grant, ticket = self._to_see_to(session, grant_id, actor)
        if grant.staff_id == actor.id:
            raise OwnGrant("one's own grant")
        payout.way = masked((words_of(way, needed=True) or "")[:60])
        payout.paid_by = actor.id
        self._paid(session, ticket, grant, payout, actor)

    def checked(self, session: Session, grant_id: int, actor: Actor) -> None:
        """A supervisor saw to a sum that was paid by the order and by hand."""
        payout, grant, _ = self._held(session, grant_id, actor)
        if grant.state == GrantState.DONE:
            payout.attention = False

    def _to_see_to(
        self, session: Session, grant_id: int, actor: Actor
    ) -> tuple[Payout, Grant, Ticket]:
        payout, grant, ticket = self._held(session, grant_id, actor)
        if payout.state not in _FAILED or grant.state != GrantState.APPROVED:
            raise OutOfOrder("nothing to see to", number=ticket.number)
        return payout, grant, ticket

    def _held(self, session: Session, grant_id: int, actor: Actor) -> tuple[Payout, Grant, Ticket]:
        if not actor.supervisor:
            raise Forbidden("supervisors only")
        payout = repository.hold_payout(session, grant_id)
        if payout is None:
            raise NotFound(f"no payment of grant {grant_id}")
        return payout, *repository.hold(session, grant_id)

    def _paid(
        self, session: Session, ticket: Ticket, grant: Grant, payout: Payout, actor: Actor
    ) -> None:
        payout.attention = False
        grant.state = GrantState.DONE
        session.flush()
        self._compensation.log(session, ticket, grant, What.PAID, actor, payout.way)
        self._telling.paid(session, ticket, grant, payout)
        self._compensation.settled(session, ticket)
        self._live.after_commit(session, "queue")

    def _failed(
        self, session: Session, ticket: Ticket, grant: Grant, payout: Payout, reason: str | None
    ) -> None:
        payout.attention = True
        self._compensation.log(session, ticket, grant, What.UNPAID, SYSTEM, reason)
        by = self._compensation.owed_by(session, ticket)
        self._telling.unpaid(session, ticket, grant, payout, by)
        self._live.after_commit(session, "queue")
