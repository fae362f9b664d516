"""Lists of tickets, a page at a time: each page starts at the last ticket of the one before, on an
index, so the last page costs what the first one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, TextClause, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from store import clock
from tickets import repository
from tickets.incidents import repository as rises
from tickets.incidents.models import IncidentTicket
from tickets.models import FINISHED, IS_OPEN, Ticket, TicketState, Urgency
from tickets.schemas import EventOut, TicketOut, WholeOut


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list shows. Without ``state`` all that are open; ``overdue``: a promise ran out."""

    state: TicketState | None = None
    urgency: Urgency | None = None
    team: str | None = None
    staff_id: int | None = None
    waybill_no: str | None = None
    overdue: bool = False
    incident_id: int | None = None


def listed(
    session: Session, wanted: Wanted, *, after: Ticket | None = None, limit: int
) -> Sequence[Ticket]:
    """Open ones: most urgent and oldest first, overdue ones by what ran out first. Finished ones
    and those of one waybill: newest first."""
    found = select(Ticket).where(*_conditions(wanted)).limit(limit)
    if wanted.overdue:
        order: tuple[InstrumentedAttribute[object], ...] = (Ticket.next_due_at, Ticket.id)
    elif wanted.state in FINISHED or wanted.waybill_no:
        found = found.order_by(Ticket.id.desc())
        return session.scalars(found.where(Ticket.id < after.id) if after else found).all()
    else:
        order = (Ticket.urgency_rank, Ticket.id)
    if after is not None:
        found = found.where(tuple_(*order) > tuple(getattr(after, c.key) for c in order))
    return session.scalars(found.order_by(*order)).all()


def _conditions(wanted: Wanted) -> list[ColumnElement[bool] | TextClause]:
    conditions: list[ColumnElement[bool] | TextClause] = []
    if wanted.state:
        conditions.append(Ticket.state == wanted.state)
    elif not wanted.waybill_no:
        conditions.append(IS_OPEN)
    if wanted.urgency:
        conditions.append(Ticket.urgency_rank == wanted.urgency.rank)
    if wanted.team:
        conditions.append(Ticket.team == wanted.team)
    if wanted.staff_id:
        conditions.append(Ticket.staff_id == wanted.staff_id)
    if wanted.waybill_no:
        conditions.append(Ticket.waybill_no == wanted.waybill_no)
    if wanted.incident_id:
        explained = select(IncidentTicket.ticket_id).where(
            IncidentTicket.incident_id == wanted.incident_id
        )
        conditions.append(Ticket.id.in_(explained))
    if wanted.overdue:
        conditions.append(Ticket.next_due_at <= clock.now())
    return conditions


def shown(session: Session, found: Sequence[Ticket]) -> list[TicketOut]:
    """As other systems and the command line read them."""
    incidents = rises.incidents_of(session, [ticket.id for ticket in found])
    return [
        TicketOut.model_validate(ticket).model_copy(
            update={"incident_id": incidents[ticket.id].id if ticket.id in incidents else None}
        )
        for ticket in found
    ]


def whole(session: Session, ticket: Ticket) -> WholeOut:
    """One of them with all that happened to it."""
    events = repository.events(session, ticket.id)
    return WholeOut(
        **shown(session, [ticket])[0].model_dump(),
        events=[EventOut.model_validate(event) for event in events],
    )
