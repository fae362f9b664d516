"""Every query on rises, and on the tickets of incidents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from parcels.models import Shipment
from parcels.road_models import Incident, Scope
from store import bulk, clock
from store.base import Instant
from tickets.incidents.models import IncidentTicket, Proposal, ProposalState, TicketPlace
from tickets.models import IS_OPEN, Ticket

_KEY = ("concerns", "scope", "place", "to_place")


class Spot(NamedTuple):
    """A group of classes at a place; ``to_place`` is empty but for a route."""

    concerns: str
    scope: Scope
    place: str
    to_place: str


def add_places(session: Session, ticket_id: int, at: datetime, spots: Collection[Spot]) -> None:
    """Where a ticket's parcel is, once."""
    rows = [{"ticket_id": ticket_id, "at": at, **spot._asdict()} for spot in spots]
    if rows:
        session.execute(bulk.insert(session, TicketPlace).on_conflict_do_nothing(), rows)


def _is_loose(since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Came lately, and nothing has explained it yet."""
    explained = exists().where(IncidentTicket.ticket_id == TicketPlace.ticket_id)
    return TicketPlace.at > since, TicketPlace.proposal_id.is_(None), ~explained


def _at(spot: Spot | Proposal) -> tuple[ColumnElement[bool], ...]:
    return tuple(getattr(TicketPlace, name) == getattr(spot, name) for name in _KEY)


def rising(session: Session, since: datetime, least: int) -> list[Spot]:
    """Spots with at least so many loose tickets: the most first, of as many the narrowest."""
    spots = select(*(getattr(TicketPlace, name) for name in _KEY)).where(*_is_loose(since))
    # By itself, or SQLite goes through all there ever were, because they lie in order of the group.
    loose = spots.cte("loose").prefix_with("MATERIALIZED")
    columns = [loose.c[name] for name in _KEY]
    count = func.count()
    narrow = case((loose.c.scope == Scope.ROUTE, 0), else_=1)
    rows = session.execute(
        select(*columns)
        .group_by(*columns)
        .having(count >= least)
        .order_by(count.desc(), narrow, *columns)
    )
    return [Spot(row[0], Scope(row[1]), row[2], row[3]) for row in rows]


def loose_at(
    session: Session, spot: Spot | Proposal, since: datetime
) -> Sequence[tuple[int, datetime]]:
    """The loose tickets of a spot with when they came, in order."""
    rows = session.execute(
        select(TicketPlace.ticket_id, TicketPlace.at)
        .where(*_at(spot), *_is_loose(since))
        .order_by(TicketPlace.at, TicketPlace.ticket_id)
    )
    return [(ticket_id, at) for ticket_id, at in rows]


def count_between(session: Session, spot: Spot, begin: datetime, end: datetime) -> int:
    return (
        session.scalar(
            select(func.count())
            .select_from(TicketPlace)
            .where(*_at(spot), TicketPlace.at > begin, TicketPlace.at <= end)
        )
        or 0
    )


def ongoing(session: Session, since: datetime) -> Sequence[Proposal]:
    """What nobody has decided of, and what may still rise although somebody has."""
    return session.scalars(
        select(Proposal)
        .where(or_(Proposal.state == ProposalState.OPEN, Proposal.seen_at > since))
        .order_by(Proposal.id)
    ).all()


def any_joins(session: Session, since: datetime) -> bool:
    """Whether a loose ticket belongs to a rise that is known."""
    known = select(*(getattr(Proposal, name) for name in _KEY)).where(
        or_(Proposal.state == ProposalState.OPEN, Proposal.seen_at > since)
    )
    spot = tuple_(*(getattr(TicketPlace, name) for name in _KEY))
    found = select(TicketPlace.ticket_id).where(*_is_loose(since), spot.in_(known)).limit(1)
    return session.scalar(found) is not None


def add_proposal(
    session: Session, spot: Spot, usual: float, began_at: datetime, seen_at: datetime
) -> int | None:
    """The new proposal; None if somebody has made it at this moment."""
    adding = bulk.insert(session, Proposal).values(
        **spot._asdict(),
        state=ProposalState.OPEN,
        usual=usual,
        began_at=began_at,
        seen_at=seen_at,
    )
    found: int | None = session.scalar(adding.on_conflict_do_nothing().returning(Proposal.id))
    return found


def give_to(session: Session, proposal_id: int, ticket_ids: Collection[int]) -> None:
    """These tickets are part of a proposal, wherever else they were seen."""
    session.execute(
        update(TicketPlace)
        .where(bulk.one_of(session, TicketPlace.ticket_id, ticket_ids))
        .values(proposal_id=proposal_id),
        execution_options={"synchronize_session": False},
    )


def hold_proposal(session: Session, proposal_id: int) -> Proposal | None:
    return session.get(Proposal, proposal_id, populate_existing=True, with_for_update=True)


def open_proposals(session: Session) -> Sequence[Proposal]:
    """What nobody has decided of, newest first."""
    return session.scalars(
        select(Proposal).where(Proposal.state == ProposalState.OPEN).order_by(Proposal.id.desc())
    ).all()


def tickets_of_proposal(session: Session, proposal_id: int) -> Sequence[Ticket]:
    """Most urgent and oldest first."""
    mine = select(TicketPlace.ticket_id).where(TicketPlace.proposal_id == proposal_id)
    return session.scalars(
        select(Ticket).where(Ticket.id.in_(mine)).order_by(Ticket.urgency_rank, Ticket.id)
    ).all()


def add_members(session: Session, incident_id: int, tickets: Select[int]) -> None:
    """These tickets belong to an incident, once; their customers are to hear of it."""
    at = literal(clock.now(), Instant())
    chosen = tickets.add_columns(literal(incident_id), at, literal(0))
    columns = ("ticket_id", "incident_id", "due_at", "attempts")
    adding = bulk.insert(session, IncidentTicket).from_select(columns, chosen)
    session.execute(adding.on_conflict_do_nothing())


def of_proposal(proposal_id: int) -> Select[int]:
    """The ids of a proposal's open tickets."""
    return (
        select(Ticket.id)
        .where(
            Ticket.id.in_(
                select(TicketPlace.ticket_id).where(TicketPlace.proposal_id == proposal_id)
            ),
            IS_OPEN,
        )
        .order_by(Ticket.id)
    )


def about_parcels(held_up: ColumnElement[bool], kinds: Collection[str]) -> Select[int]:
    """The ids of the open tickets of these classes about parcels of which this is true."""
    return (
        select(Ticket.id)
        .join(Shipment, Shipment.waybill_no == Ticket.waybill_no)
        # The rank leads SQLite to the index of open tickets: it would read all there ever were.
        .where(held_up, Ticket.kind.in_(kinds), IS_OPEN, Ticket.urgency_rank >= 0)
    )


def one_ticket(ticket_id: int) -> Select[int]:
    return select(Ticket.id).where(Ticket.id == ticket_id)


def fall_due(session: Session, incident_id: int) -> None:
    """The customers of all tickets of an incident are to hear of it again."""
    session.execute(
        update(IncidentTicket)
        .where(IncidentTicket.incident_id == incident_id)
        .values(due_at=clock.now(), attempts=0),
        execution_options={"synchronize_session": False},
    )


def count_members(session: Session, incident_id: int) -> int:
    return counts(session, [incident_id]).get(incident_id, 0)


def counts(session: Session, incident_ids: Collection[int]) -> dict[int, int]:
    """How many tickets these incidents explain."""
    rows = session.execute(
        select(IncidentTicket.incident_id, func.count())
        .where(IncidentTicket.incident_id.in_(incident_ids))
        .group_by(IncidentTicket.incident_id)
    )
    return {row[0]: row[1] for row in rows}


def hold_of_customer(session: Session, member: IncidentTicket) -> Sequence[IncidentTicket]:
    """What of an incident is this ticket's customer's and to be looked at; held, in one order."""
    customer = select(Ticket.customer_id).where(Ticket.id == member.ticket_id).scalar_subquery()
    same = select(Ticket.id).where(Ticket.customer_id == customer)
    return session.scalars(
        select(IncidentTicket)
        .where(
            IncidentTicket.incident_id == member.incident_id,
            IncidentTicket.ticket_id.in_(same),
            IncidentTicket.due_at.is_not(None),
        )
        .order_by(IncidentTicket.id)
        .with_for_update(),
        execution_options={"populate_existing": True},
    ).all()


def incident_of(session: Session, ticket_id: int) -> Incident | None:
    """What explains a ticket: the newest incident."""
    return incidents_of(session, [ticket_id]).get(ticket_id)


def incidents_of(session: Session, ticket_ids: Collection[int]) -> dict[int, Incident]:
    """What explains each of these tickets: the newest incident."""
    rows = session.execute(
        select(IncidentTicket.ticket_id, Incident)
        .join(Incident, Incident.id == IncidentTicket.incident_id)
        .where(IncidentTicket.ticket_id.in_(ticket_ids))
        .order_by(IncidentTicket.id)
    )
    return {row[0]: row[1] for row in rows}


def customers_of(incident_id: int) -> Select[int]:
    """The ids of the customers whose tickets an incident explains."""
    return (
        select(Ticket.customer_id)
        .join(IncidentTicket, IncidentTicket.ticket_id == Ticket.id)
        .where(IncidentTicket.incident_id == incident_id)
    )
