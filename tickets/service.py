"""Tickets: opened once, joined by what concerns the same thing, promised a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from store import clock
from tickets import repository
from tickets.models import Promise, PromiseKind, Ticket, TicketEvent
from tickets.routing import Routing
from tickets.urgency import Circumstances, UrgencyRules

_NUMBER = re.compile(r"^CS(\d{6})-?(\d{4,})$")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is known when a ticket is opened. ``idempotency_key`` names the message it came from."""

    idempotency_key: str
    kind: str
    conversation_id: int
    customer_id: int
    description: str
    waybill_no: str | None = None
    goods: str | None = None
    goods_class: str = "general"
    anger: int = 0
    threat: bool = False
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """The ticket, whether it was joined rather than opened, and the times promised."""

    ticket: Ticket
    joined: bool
    contact_by: datetime
    solution_by: datetime | None


class Tickets:
    """Opens tickets by the company's policies. Methods work inside the caller's transaction."""

    def __init__(self, urgency: UrgencyRules, routing: Routing, zone: ZoneInfo) -> None:
        self.urgency = urgency
        self.routing = routing
        self.zone = zone

    def open(self, session: Session, complaint: Complaint) -> Opened:
        """Open a ticket, or join the open one about the same waybill and class.

        The same idempotency key gives the same ticket and changes nothing.
        """
        known = repository.by_idempotency_key(session, complaint.idempotency_key)
        if known is not None:
            return self._opened(session, known, joined=False)
        same = repository.open_like(
            session,
            complaint.kind,
            waybill_no=complaint.waybill_no,
            conversation_id=complaint.conversation_id,
        )
        if same is not None:
            return self._join(session, same, complaint)
        verdict = self.urgency.decide(_circumstances(complaint, contacts=1))
        at = clock.now()
        day = at.astimezone(self.zone).date()
        ticket = Ticket(
            number=f"CS{day:%y%m%d}-{repository.next_number_of(session, day):04d}",
            idempotency_key=complaint.idempotency_key,
            kind=complaint.kind,
            urgency=verdict.colour,
            urgency_rank=verdict.colour.rank,
            urgency_rule=verdict.rule,
            team=self.routing.team(
                "escalate_threat" if complaint.threat else complaint.kind,
                verdict.colour,
                verdict.rule,
                at,
            ),
            conversation_id=complaint.conversation_id,
            customer_id=complaint.customer_id,
            waybill_no=complaint.waybill_no,
            goods=complaint.goods,
            goods_class=complaint.goods_class,
            description=complaint.description,
            facts=dict(complaint.facts),
            contacts=1,
            created_at=at,
        )
        session.add(ticket)
        session.flush()
        _log(session, ticket, "opened", verdict.rule)
        contact_by = at + self.urgency.contact_within(verdict.colour)
        self._promise(session, ticket, PromiseKind.CONTACT, contact_by)
        solution = self.urgency.solution_within(verdict.colour)
        if solution:
            self._promise(session, ticket, PromiseKind.SOLUTION, at + solution)
        return Opened(ticket, False, contact_by, at + solution if solution else None)

    def told(
        self, session: Session, ticket: Ticket, text: str, *, waybill_no: str | None = None
    ) -> None:
        """A further fact from the customer, kept as an event; a first number is the ticket's."""
        ticket.waybill_no = ticket.waybill_no or waybill_no
        _log(session, ticket, "told", text)

    def _join(self, session: Session, ticket: Ticket, complaint: Complaint) -> Opened:
        """A repeated complaint counts as a contact; urgency may rise by it, never fall."""
        key = complaint.idempotency_key
        joined: list[str] = ticket.facts.get("joined", [])
        if key not in joined:
            ticket.contacts += 1
            ticket.facts = ticket.facts | complaint.facts | {"joined": [*joined, key]}
            verdict = self.urgency.decide(_circumstances(complaint, contacts=ticket.contacts))
            if verdict.colour.rank < ticket.urgency_rank:
                ticket.urgency, ticket.urgency_rank = verdict.colour, verdict.colour.rank
                ticket.urgency_rule = verdict.rule
                contact_by = clock.now() + self.urgency.contact_within(verdict.colour)
                self._promise(session, ticket, PromiseKind.CONTACT, contact_by)
            _log(session, ticket, "contact", complaint.description)
        return self._opened(session, ticket, joined=True)

    def _opened(self, session: Session, ticket: Ticket, *, joined: bool) -> Opened:
        made = [
            p
            for p in repository.promises_to(session, [ticket.conversation_id])
            if p.ticket_id == ticket.id
        ]
        due = {p.kind: p.due_at for p in made}
        return Opened(
            ticket,
            joined,
            due.get(PromiseKind.CONTACT, ticket.created_at),
            due.get(PromiseKind.SOLUTION),
        )

    def _promise(
        self, session: Session, ticket: Ticket, kind: PromiseKind, due_at: datetime
    ) -> None:
        session.add(
            Promise(
                conversation_id=ticket.conversation_id,
                ticket_id=ticket.id,
                kind=kind,
                due_at=due_at,
                made_at=clock.now(),
            )
        )
        session.flush()


def canonical_number(typed: str) -> str | None:
    """A ticket number as we write it, from any case, with or without the dash; else None."""
    match = _NUMBER.match("".join(typed.upper().split()))
    return f"CS{match[1]}-{match[2]}" if match else None


def _circumstances(complaint: Complaint, contacts: int) -> Circumstances:
    return Circumstances(
        intent="escalate_threat" if complaint.threat else complaint.kind,
        text=complaint.description,
        goods_class=complaint.goods_class,
        contacts=contacts,
        anger=complaint.anger,
    )


def _log(session: Session, ticket: Ticket, what: str, why: str | None) -> None:
    session.add(
        TicketEvent(ticket_id=ticket.id, at=clock.now(), actor="system", what=what, why=why)
    )
