"""Compensation: liability settled, sums reckoned, granted, decided by a second pair of eyes.

Everything works inside the caller's transaction and holds the ticket until its end; what happens is
an event of the ticket. Of two people who decide at the same moment one does; the other is told
(Outdated), and nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from conversations.texts import Texts
from store import clock, ids
from store.errors import Forbidden, Invalid, Outdated, OutOfOrder
from store.live import Live
from store.orders import OrderState
from tickets.compensation import coupons, facts, repository
from tickets.compensation.errors import AlreadyGranted, LiabilityOpen, OwnGrant
from tickets.compensation.models import CLAIMS, COUPONS, Grant, GrantState, Kind, Payout
from tickets.compensation.policy import CompensationPolicies, CompensationPolicy
from tickets.compensation.reckoning import Reckoning, reckon, stored
from tickets.compensation.telling import Telling
from tickets.events import Actor
from tickets.lifecycle import Change, words_of
from tickets.models import ActorKind, Ticket, TicketEvent, What
from tickets.promises.clocks import About
from tickets.promises.models import PromiseKind
from tickets.reach import reach
from tickets.service import Tickets


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to give. ``freight`` counts only where the record has none. ``seen_fen``
    is the sum he saw: for another one he is told and asks again."""

    kind: Kind
    percent: int = 100
    freight: Decimal | None = None
    seen_fen: int | None = None


class Compensation:
    """Reckons, grants and decides, by the policy of each ticket's day."""

    def __init__(
        self,
        policies: CompensationPolicies,
        tickets: Tickets,
        texts: Texts,
        live: Live,
    ) -> None:
        self.policies = policies
        self.telling = Telling(texts, live)
        self._lifecycle = tickets.lifecycle
        self._clocks = tickets.clocks
        self._live = live
        self._zone = tickets.zone

    def policy_of(self, session: Session, ticket: Ticket) -> CompensationPolicy:
        """The policy that the ticket was opened under."""
        return self.policies.of(session, ticket.created_at)[1]

    def reckoned(self, session: Session, ticket: Ticket, wish: Wish) -> Reckoning:
        """What the policy gives for this; nothing is changed. NothingDue for nothing, Invalid for
        what tickets of this class do not get."""
        policy = self.policy_of(session, ticket)
        if wish.kind not in policy.kinds(ticket.kind):
            raise Invalid(f"no {wish.kind} for {ticket.kind}")
        return reckon(policy, wish.kind, facts.known(session, ticket, wish.percent, wish.freight))

    def may_alone(
        self, session: Session, ticket: Ticket, actor: Actor, team: str, reckoning: Reckoning
    ) -> bool:
        """Whether somebody of this team may grant it without a supervisor: the whole ticket counts,
        or a large sum would go out in small ones."""
        limit = self.policy_of(session, ticket).alone.limit(team, supervisor=actor.supervisor)
        total = Decimal(repository.fen_on(session, ticket.id) + reckoning.fen) / 100
        return total <= limit and not reckoning.doubtful

    def settle_liability(
        self, session: Session, ticket: Ticket, actor: Actor, why: str, version: int | None = None
    ) -> TicketEvent:
        """We answer for it: from now on the time to pay runs. Once a ticket."""
        self._lifecycle.admit(session, ticket, Change.WAIT, actor, version)
        if ticket.kind not in self.policy_of(session, ticket).claim.classes:
            raise Invalid(f"no liability for {ticket.kind}")
        if repository.liability(session, ticket.id) is not None:
            raise OutOfOrder("liability is settled", number=ticket.number)
        words = words_of(why, needed=True)
        event = self._lifecycle.events.log(session, ticket, What.LIABILITY, actor, words)
        self.owed_by(session, ticket)
        return event

    def grant(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        wish: Wish,
        *,
        team: str,
        key: str,
        why: str = "",
        version: int | None = None,
    ) -> Grant:
        """Grant it, or ask a supervisor to: what goes beyond the limit of ``actor``, who works in
        ``team``, waits. The same ``key`` gives the same grant."""
        known = repository.by_key(session, key)
        if known is not None:
            return known
        self._lifecycle.admit(session, ticket, Change.WAIT, actor, version)
        if wish.kind in CLAIMS and repository.liability(session, ticket.id) is None:
            raise LiabilityOpen("liability is not settled", number=ticket.number)
        if wish.kind in COUPONS and reach(session, ticket.customer_id) is None:
            raise Invalid("a customer whom nobody can tell the code")
        reckoning = self.reckoned(session, ticket, wish)
        if wish.seen_fen is not None and wish.seen_fen != reckoning.fen:
            raise Outdated("another sum than was shown", number=ticket.number)
        alone = self.may_alone(session, ticket, actor, team, reckoning)
        return self.give(session, ticket, actor, reckoning, key, words_of(why), alone=alone)

    def approve(
        self,
        session: Session,
        grant_id: int,
        actor: Actor,
        why: str = "",
        version: int | None = None,
    ) -> Grant:
        """A second pair of eyes agrees. Forbidden for who is no supervisor, OwnGrant for who asked,
        Outdated if it was decided meanwhile."""
        grant, ticket = self._to_decide(session, grant_id, actor, version)
        grant.state, grant.decided_by, grant.decided_at = GrantState.APPROVED, actor.id, clock.now()
        session.flush()
        self.log(session, ticket, grant, What.GRANT_APPROVED, actor, words_of(why))
        self._go_on(session, ticket, grant)
        return grant

    def refuse(
        self, session: Session, grant_id: int, actor: Actor, why: str, version: int | None = None
    ) -> Grant:
        """As ``approve``; ``why`` is needed, and for colleagues."""
        grant, ticket = self._to_decide(session, grant_id, actor, version)
        words = words_of(why, needed=True)
        grant.state, grant.decided_by, grant.decided_at = GrantState.REFUSED, actor.id, clock.now()
        session.flush()
        self.log(session, ticket, grant, What.GRANT_REFUSED, actor, words)
        self.telling.refused(session, ticket, grant, self.owed_by(session, ticket))
        return grant

    def agreement_signed(
        self, session: Session, grant_id: int, actor: Actor, words: str, version: int | None = None
    ) -> Grant:
        """A colleague has the signed agreement; ``words`` say which. Paid from here on, if it is
        approved."""
        grant, ticket = repository.hold(session, grant_id)
        self._current(grant, ticket, version)
        self._lifecycle.require_mine(ticket, actor)
        if (
            not grant.needs_agreement
            or grant.agreed_at is not None
            or (grant.state not in {GrantState.WAITING, GrantState.APPROVED})
        ):
            raise OutOfOrder("no agreement is awaited", number=ticket.number)
        said = words_of(words, needed=True)
        grant.agreed_at = clock.now()
        session.flush()
        self.log(session, ticket, grant, What.AGREEMENT_SIGNED, actor, said)
        if grant.state == GrantState.APPROVED:
            self.telling.signed(session, ticket, grant, self.owed_by(session, ticket))
            self.place_payout(session, grant)
        return grant

    def settled(self, session: Session, ticket: Ticket) -> None:
        """A sum is the customer's. Nothing more to pay: the promise to is kept."""
        if not repository.unpaid(session, ticket.id):
            self._clocks.keep(session, (PromiseKind.PAYOUT,), ticket_id=ticket.id)

    def owed_by(self, session: Session, ticket: Ticket) -> datetime | None:
        """By when the customer may expect it: the time promised, or one from now on."""
        promise = self._clocks.make(session, PromiseKind.PAYOUT, About.ticket(ticket))
        return promise.by if promise else None

    def place_payout(self, session: Session, grant: Grant) -> None:
        """Order that it is paid."""
        session.add(_payout(grant))
        session.flush()
        self._live.after_commit(session, "payouts")

    def log(
        self,
        session: Session,
        ticket: Ticket,
        grant: Grant,
        what: What,
        actor: Actor,
        why: str | None = None,
    ) -> None:
        """An event about a grant."""
        details = {"grant": grant.id, "kind": grant.kind, "yuan": f"{grant.yuan:.2f}"}
        self._lifecycle.events.log(session, ticket, what, actor, why, details=details)

    def give(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        reckoning: Reckoning,
        key: str,
        why: str | None,
        *,
        alone: bool,
    ) -> Grant:
        """Write it down; ``alone``: nobody else has to decide. AlreadyGranted."""
        policy_id, policy = self.policies.of(session, ticket.created_at)
        money = reckoning.kind not in COUPONS
        grant = Grant(
            key=key,
            about=about(ticket, reckoning.kind),
            ticket_id=ticket.id,
            customer_id=ticket.customer_id,
            kind=reckoning.kind,
            fen=reckoning.fen,
            lines=stored(reckoning.lines),
            policy_id=policy_id,
            state=GrantState.APPROVED if alone else GrantState.WAITING,
            staff_id=actor.id if actor.kind == ActorKind.STAFF else None,
            granted_at=clock.now(),
            needs_agreement=money and reckoning.yuan > policy.payment.agreement_over,
        )
        try:
            with session.begin_nested():
                session.add(grant)
        except IntegrityError as error:
            raise AlreadyGranted("granted before", number=ticket.number) from error
        self.log(session, ticket, grant, What.GRANTED, actor, why)
        if alone:
            self._go_on(session, ticket, grant)
        else:
            self.telling.waiting(session, ticket, grant, self.owed_by(session, ticket))
            self._live.after_commit(session, "queue")
        return grant

    def _go_on(self, session: Session, ticket: Ticket, grant: Grant) -> None:
        """It is decided: a coupon goes to the customer, money is paid once nothing is missing."""
        if grant.kind in COUPONS:
            rules = self.policies.of(session, ticket.created_at)[1].coupons
            coupon, code = coupons.issue(session, grant, rules, self._zone)
            grant.state = GrantState.DONE
            session.flush()
            self.telling.coupon(session, ticket, grant, coupon, code)
            if repository.liability(session, ticket.id) is None:
                self.settled(session, ticket)  # no claim is owed beside it
            return
        self.telling.granted(session, ticket, grant, self.owed_by(session, ticket))
        if not grant.needs_agreement or grant.agreed_at is not None:
            self.place_payout(session, grant)

    def _to_decide(
        self, session: Session, grant_id: int, actor: Actor, version: int | None
    ) -> tuple[Grant, Ticket]:
        if not actor.supervisor:
            raise Forbidden("supervisors only")
        grant, ticket = repository.hold(session, grant_id)
        if grant.staff_id is not None and grant.staff_id == actor.id:
            raise OwnGrant("one's own grant")
        self._current(grant, ticket, version)
        if grant.state != GrantState.WAITING:
            raise Outdated("decided before", number=ticket.number)
        return grant, ticket

    def _current(self, grant: Grant, ticket: Ticket, version: int | None) -> None:
        if version is not None and version != grant.version:
            raise Outdated("the grant was changed since", number=ticket.number)


def about(ticket: Ticket, kind: Kind) -> str:
    """What a grant compensates. A parcel's delay, freight and damage once, on whatever ticket."""
    if kind == Kind.GIFT_COUPON:
        return f"{kind}:{ticket.number}"
    return f"{'claim' if kind in CLAIMS else kind}:{ticket.waybill_no or ticket.number}"


def _payout(grant: Grant) -> Payout:
    """An order to pay a grant, due at once."""
    at = clock.now()
    return Payout(
        public_id=ids.new_key(), grant_id=grant.id, state=OrderState.PLACED, placed_at=at,
        due_at=at, attempts=0, attention=False,
    )  # fmt: skip
