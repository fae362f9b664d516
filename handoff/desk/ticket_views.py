"""What the ticket pages show, gathered from the rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from conversations import attachments
from conversations import repository as record
from conversations.models import Conversation, Customer
from conversations.schemas import Attached
from handoff import repository
from handoff.desk import repository as desk_repository
from handoff.desk.parts import may_open_one
from handoff.packet import Promised, promised
from handoff.staff import SignedIn
from parcels.models import Shipment
from parcels.repository import by_waybill
from parcels.road_models import Incident
from store.errors import Forbidden, NotFound
from tickets import repository as tickets
from tickets.after.models import Ask
from tickets.after.repository import after_ticket
from tickets.incidents import repository as rises
from tickets.intake import Missing
from tickets.lifecycle import Change
from tickets.models import FINISHED, LinkKind, Ticket, TicketEvent
from tickets.promises import repository as promises
from tickets.relations import other_of
from tickets.service import Tickets


@dataclass(frozen=True, slots=True)
class Listed:
    """A ticket in a list."""

    ticket: Ticket
    customer: Customer
    owner: str | None
    incident: Incident | None


@dataclass(frozen=True, slots=True)
class Linked:
    ticket: Ticket
    kind: LinkKind


@dataclass(frozen=True, slots=True)
class Opened:
    """One ticket as one person sees it."""

    ticket: Ticket
    customer: Customer
    conversation: Conversation
    shipment: Shipment | None
    owner: str | None
    incident: Incident | None
    events: Sequence[TicketEvent]
    names: dict[int, str]
    files: tuple[Attached, ...]
    missing: Missing | None
    promises: Sequence[Promised]
    asks: Sequence[Ask]
    """What its customer was asked after the solution."""
    links: tuple[Linked, ...]
    changes: tuple[Change, ...]
    talk: str | None
    """Where its conversation is read; null for who may not."""

    @property
    def finished(self) -> bool:
        return self.ticket.state in FINISHED


def by_number(session: Session, number: str, person: SignedIn) -> Ticket:
    """NotFound, or Forbidden for a finished one that was somebody else's."""
    ticket = tickets.by_number(session, number)
    if ticket is None:
        raise NotFound(f"ticket {number[:20]}")
    may_open_ticket(person, ticket)
    return ticket


def may_open_ticket(person: SignedIn, ticket: Ticket) -> None:
    """Open tickets concern everybody at the desk; finished ones their owner and supervisors."""
    if ticket.state in FINISHED and not person.is_supervisor and ticket.staff_id != person.id:
        raise Forbidden(f"ticket {ticket.number} is finished")


def rows(session: Session, found: Sequence[Ticket]) -> list[Listed]:
    names = repository.staff_names(session)
    customers = record.customers_by_id(session, {ticket.customer_id for ticket in found})
    incidents = rises.incidents_of(session, [ticket.id for ticket in found])
    return [
        Listed(
            ticket,
            customers[ticket.customer_id],
            names.get(ticket.staff_id or 0),
            incidents.get(ticket.id),
        )
        for ticket in found
    ]


def opened(session: Session, ticket: Ticket, person: SignedIn, rules: Tickets) -> Opened:
    files = attachments.by_id(session, tickets.file_ids(session, ticket.id))
    conversation = session.get_one(Conversation, ticket.conversation_id)
    names = repository.staff_names(session)
    return Opened(
        ticket=ticket,
        customer=session.get_one(Customer, ticket.customer_id),
        conversation=conversation,
        shipment=by_waybill(session, ticket.waybill_no) if ticket.waybill_no else None,
        owner=names.get(ticket.staff_id or 0),
        incident=rises.incident_of(session, ticket.id),
        events=tickets.events(session, ticket.id),
        names=names,
        files=files,
        missing=rules.intake.lacks(ticket, (f.kind for f in files)) if rules.intake else None,
        promises=promised(promises.of_ticket(session, ticket.id)),
        asks=after_ticket(session, ticket.id),
        links=tuple(
            Linked(session.get_one(Ticket, other_of(link, ticket)), LinkKind(link.kind))
            for link in tickets.links(session, ticket.id)
        ),
        changes=rules.lifecycle.allowed(ticket, person.actor),
        talk=_talk(session, conversation, person),
    )


def _talk(session: Session, conversation: Conversation, person: SignedIn) -> str | None:
    cases = desk_repository.cases_of(session, conversation.id)
    try:
        may_open_one(person, cases[:1])
    except Forbidden:
        return f"/desk/review/{conversation.key}" if person.is_supervisor else None
    return f"/desk/cases/{cases[0].id}"
