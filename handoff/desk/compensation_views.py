"""What the desk shows of compensation: offers with their reckoning, grants, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from handoff import repository as people
from handoff.desk.parts import Desk
from handoff.desk.words import Words
from handoff.staff import SignedIn
from parcels.change_models import DepotOrder, OrderKind
from store.orders import OrderState
from tickets.compensation import facts, reckoning, repository
from tickets.compensation.models import CLAIMS, COUPONS, Coupon, Grant, GrantState, Kind, Payout
from tickets.compensation.reckoning import NothingDue, Reckoning
from tickets.compensation.repository import Matter
from tickets.compensation.service import Wish, about
from tickets.lifecycle import Change
from tickets.models import Ticket, TicketEvent

MOST = 40


@dataclass(frozen=True, slots=True)
class Typed:
    """What a colleague typed to have it reckoned: of a damage how much, and a freight."""

    percent: int = 100
    freight: Decimal | None = None


UNTYPED = Typed()


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be granted now. ``nothing`` says why the rule gives nothing."""

    kind: Kind
    reckoning: Reckoning | None
    lines: tuple[str, ...]
    alone: bool
    nothing: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """A grant as one person sees it. ``acts`` are what he may do about it."""

    grant: Grant
    ticket: Ticket
    lines: tuple[str, ...]
    by: str | None
    decided_by: str | None
    why: str | None
    payout: Payout | None
    coupon: Coupon | None
    acts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """All of a ticket's compensation. ``settles``: this person may settle liability now."""

    ticket: Ticket
    settles: bool
    liability: TicketEvent | None
    needs_liability: bool
    typed: Typed
    asks_percent: bool
    asks_freight: bool
    offers: tuple[Offer, ...]
    limit: str
    given: tuple[Given, ...]
    remedies: tuple[OrderKind, ...]
    ordered: Sequence[DepotOrder]
    call_owed: bool

    @property
    def anything(self) -> bool:
        return bool(
            self.settles or self.offers or self.given or self.remedies or self.ordered
            or self.call_owed or self.needs_liability
        )  # fmt: skip


def panel(
    session: Session,
    desk: Desk,
    ticket: Ticket,
    person: SignedIn,
    w: Words,
    typed: Typed = UNTYPED,
) -> Panel:
    compensation, remedies = desk.money.compensation, desk.money.remedies
    policy = compensation.policy_of(session, ticket)
    mine = Change.WAIT in desk.tickets.lifecycle.allowed(ticket, person.actor)
    liability = repository.liability(session, ticket.id)
    owes = ticket.kind in policy.claim.classes
    kinds = [
        kind
        for kind in policy.kinds(ticket.kind)
        if mine and (kind not in CLAIMS or liability is not None) and _free(session, ticket, kind)
    ]
    known = facts.known(session, ticket)
    names = people.staff_names(session)
    return Panel(
        ticket=ticket,
        settles=mine and owes and liability is None,
        liability=liability,
        needs_liability=owes and liability is None and not mine,
        typed=typed,
        asks_percent=Kind.DAMAGE in kinds,
        asks_freight=known.freight is None and bool(set(kinds) - COUPONS),
        offers=tuple(_offer(session, desk, ticket, person, w, kind, typed) for kind in kinds),
        limit=reckoning.shown(policy.alone.limit(person.team, supervisor=person.is_supervisor)),
        given=given(
            session, [Matter(g, ticket) for g in repository.of_ticket(session, ticket.id)],
            person, w, names,
        ),
        remedies=remedies.possible(session, ticket) if mine else (),
        ordered=remedies.ordered(session, ticket),
        call_owed=mine and remedies.call_is_owed(session, ticket),
    )  # fmt: skip


def _free(session: Session, ticket: Ticket, kind: Kind) -> bool:
    """Nothing of this was granted for the parcel, or it was sent back."""
    before = repository.about(session, about(ticket, kind))
    return all(grant.state == GrantState.REFUSED for grant in before)


def given(
    session: Session, matters: Sequence[Matter], person: SignedIn, w: Words, names: dict[int, str]
) -> tuple[Given, ...]:
    ids = [matter.grant.id for matter in matters]
    payouts, coupons = repository.payouts(session, ids), repository.coupons(session, ids)
    whys = repository.whys(session, {matter.ticket.id for matter in matters})
    return tuple(
        Given(
            grant=grant,
            ticket=ticket,
            lines=tuple(line.said(w.texts, w.language) for line in reckoning.read(grant.lines)),
            by=names.get(grant.staff_id or 0),
            decided_by=names.get(grant.decided_by or 0),
            why=whys.get(grant.id),
            payout=payouts.get(grant.id),
            coupon=coupons.get(grant.id),
            acts=_acts(grant, ticket, payouts.get(grant.id), person),
        )
        for grant, ticket in ((matter.grant, matter.ticket) for matter in matters)
    )


def _offer(
    session: Session, desk: Desk, ticket: Ticket, person: SignedIn, w: Words, kind: Kind,
    typed: Typed,
) -> Offer:  # fmt: skip
    compensation = desk.money.compensation
    wish = Wish(kind, typed.percent, typed.freight)
    try:
        sum_ = compensation.reckoned(session, ticket, wish)
    except NothingDue as error:
        why = w.texts.say(w.language, f"compensation.nothing.{error.facts['why']}")
        return Offer(kind, None, (), False, why)
    lines = tuple(line.said(w.texts, w.language) for line in sum_.lines)
    alone = compensation.may_alone(session, ticket, person.actor, person.team, sum_)
    return Offer(kind, sum_, lines, alone)


def _acts(grant: Grant, ticket: Ticket, payout: Payout | None, person: SignedIn) -> tuple[str, ...]:
    """What this person may do about a grant: the same rules as those that refuse."""
    acts: list[str] = []
    own = grant.staff_id == person.id
    if grant.state == GrantState.WAITING and person.is_supervisor and not own:
        acts += ["approve", "refuse"]
    awaited = grant.needs_agreement and grant.agreed_at is None
    mine = person.is_supervisor or ticket.staff_id in {None, person.id}
    if awaited and mine and grant.state in {GrantState.WAITING, GrantState.APPROVED}:
        acts.append("agreement")
    if payout is not None and person.is_supervisor:
        failed = payout.state in {OrderState.REFUSED, OrderState.UNANSWERED}
        if failed and grant.state == GrantState.APPROVED:
            acts += ["again"] if own else ["again", "by-hand"]
        elif payout.attention:
            acts.append("checked")
    return tuple(acts)
