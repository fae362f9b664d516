"""Every query on compensation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.errors import NotFound
from tickets import repository as tickets
from tickets.compensation.models import Coupon, CouponTry, Grant, GrantState, Kind, Payout
from tickets.models import Ticket, TicketEvent, What


def hold(session: Session, grant_id: int) -> tuple[Grant, Ticket]:
    """A grant and its ticket, read afresh and kept from others until this transaction ends: the
    ticket first, as everybody does. NotFound for none."""
    ticket_id = session.scalar(select(Grant.ticket_id).where(Grant.id == grant_id))
    if ticket_id is None:
        raise NotFound(f"grant {grant_id}")
    ticket = session.get_one(Ticket, ticket_id)
    tickets.hold(session, ticket)
    grant = session.get_one(Grant, grant_id, populate_existing=True, with_for_update=True)
    # It may have gone on with another ticket while this one was waited for.
    return (grant, ticket) if grant.ticket_id == ticket_id else hold(session, grant_id)


def ticket_number(session: Session, grant_id: int) -> str:
    """Of the ticket a grant belongs to. NotFound for no grant."""
    number = session.scalar(
        select(Ticket.number).join(Grant, Grant.ticket_id == Ticket.id).where(Grant.id == grant_id)
    )
    if number is None:
        raise NotFound(f"grant {grant_id}")
    return number


def whys(session: Session, ticket_ids: Collection[int]) -> dict[int, str]:
    """What people wrote when they asked for each grant, or refused it: the last words count."""
    events = session.scalars(
        select(TicketEvent)
        .where(
            TicketEvent.ticket_id.in_(ticket_ids),
            TicketEvent.what.in_((What.GRANTED, What.GRANT_REFUSED)),
            TicketEvent.why.is_not(None),
        )
        .order_by(TicketEvent.id)
    )
    return {event.details["grant"]: event.why or "" for event in events}


def by_key(session: Session, key: str) -> Grant | None:
    return session.scalar(select(Grant).where(Grant.key == key))


def of_ticket(session: Session, ticket_id: int) -> Sequence[Grant]:
    return session.scalars(
        select(Grant).where(Grant.ticket_id == ticket_id).order_by(Grant.id)
    ).all()


def about(session: Session, thing: str) -> Sequence[Grant]:
    """What was granted for one thing on any ticket, and what was refused."""
    return session.scalars(select(Grant).where(Grant.about == thing).order_by(Grant.id)).all()


def fen_on(session: Session, ticket_id: int) -> int:
    """What was granted, or asked for, on a ticket so far."""
    total = select(func.coalesce(func.sum(Grant.fen), 0)).where(
        Grant.ticket_id == ticket_id, Grant.state != GrantState.REFUSED
    )
    return int(session.scalar(total) or 0)


def unpaid(session: Session, ticket_id: int) -> bool:
    """Whether something of a ticket waits to be decided or paid."""
    open_ones = select(Grant.id).where(
        Grant.ticket_id == ticket_id, Grant.state.in_((GrantState.WAITING, GrantState.APPROVED))
    )
    return session.scalar(open_ones.limit(1)) is not None


def granted_since(session: Session, customer_id: int, kind: Kind, since: datetime) -> bool:
    """Whether a customer got one of this kind after ``since``."""
    found = session.scalars(
        select(Grant)
        .where(Grant.customer_id == customer_id, Grant.kind == kind)
        .order_by(Grant.id.desc())
        .limit(20)
    )
    return any(g.granted_at > since and g.state != GrantState.REFUSED for g in found)


def liability(session: Session, ticket_id: int) -> TicketEvent | None:
    """The event by which liability was settled."""
    return session.scalar(
        select(TicketEvent)
        .where(TicketEvent.ticket_id == ticket_id, TicketEvent.what == What.LIABILITY)
        .order_by(TicketEvent.id.desc())
        .limit(1)
    )


def payouts(session: Session, grant_ids: Collection[int]) -> dict[int, Payout]:
    """The last order to pay each grant."""
    found = session.scalars(
        select(Payout).where(Payout.grant_id.in_(grant_ids)).order_by(Payout.id)
    )
    return {payout.grant_id: payout for payout in found}


def hold_payout(session: Session, grant_id: int) -> Payout | None:
    """The last order to pay a grant, kept from others until this transaction ends."""
    return session.scalar(
        select(Payout)
        .where(Payout.grant_id == grant_id)
        .order_by(Payout.id.desc())
        .limit(1)
        .with_for_update(),
        execution_options={"populate_existing": True},
    )


def coupons(session: Session, grant_ids: Collection[int]) -> dict[int, Coupon]:
    found = session.scalars(select(Coupon).where(Coupon.grant_id.in_(grant_ids)))
    return {coupon.grant_id: coupon for coupon in found}


@dataclass(frozen=True, slots=True)
class Matter:
    """What a supervisor has to see to: a grant that waits, or one whose payment failed."""

    grant: Grant
    ticket: Ticket
    payout: Payout | None = None


def waiting(session: Session, limit: int, after: int = 0) -> list[Matter]:
    """Grants that wait for a supervisor, oldest first."""
    rows = session.execute(
        select(Grant, Ticket)
        .join(Ticket, Ticket.id == Grant.ticket_id)
        .where(Grant.state == GrantState.WAITING, Grant.id > after)
        .order_by(Grant.id)
        .limit(limit)
    )
    return [Matter(grant, ticket) for grant, ticket in rows]


def failed(session: Session, limit: int) -> list[Matter]:
    """Payments that a person has to see to, oldest first."""
    rows = session.execute(
        select(Grant, Ticket, Payout)
        .join(Grant, Grant.id == Payout.grant_id)
        .join(Ticket, Ticket.id == Grant.ticket_id)
        .select_from(Payout)
        .where(Payout.attention)
        .order_by(Payout.id)
        .limit(limit)
    )
    return [Matter(grant, ticket, payout) for grant, ticket, payout in rows]


def held_coupon(session: Session, fingerprint: str) -> Coupon | None:
    """Kept from others until this transaction ends: of many who redeem it one is first."""
    return session.scalar(select(Coupon).where(Coupon.fingerprint == fingerprint).with_for_update())


def coupon_by_key(session: Session, key: str) -> Coupon | None:
    return session.scalar(select(Coupon).where(Coupon.redeemed_key == key))


def wrong_tries(session: Session, api_key_id: int, since: datetime, most: int) -> int:
    """How many; ``most`` for that many or more."""
    some = (
        select(CouponTry.id)
        .where(CouponTry.api_key_id == api_key_id, CouponTry.at > since)
        .limit(most)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(some)) or 0
