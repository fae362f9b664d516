"""Tickets: opened once, joined by what concerns the same thing, promised a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from conversations.models import Conversation
from store import clock
from store.errors import Conflict
from tickets import matter, relations, repository
from tickets.events import CUSTOMER, SYSTEM, Actor, Events
from tickets.intake import Intake
from tickets.lifecycle import Change, Lifecycle
from tickets.models import FINISHED, ActorKind, LinkKind, Ticket, TicketState, What
from tickets.promises import repository as promises
from tickets.promises.clocks import About, Clocks
from tickets.promises.models import PromiseKind, PromiseState
from tickets.routing import Decision, Routing
from tickets.urgency import Circumstances, UrgencyRules, Verdict

THREAT = "escalate_threat"
_NUMBER = re.compile(r"^CS(\d{6})-?(\d{4,})$")
_NAMED = re.compile(r"(?<![A-Za-z0-9])CS\d{6}-?\d{4,}(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is known when a ticket is opened. ``idempotency_key`` names the message it came from,
    ``actor`` who says it."""

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
    actor: Actor = CUSTOMER


@dataclass(frozen=True, slots=True)
class Opened:
    """The ticket, whether it was joined rather than opened, and the times promised."""

    ticket: Ticket
    joined: bool
    contact_by: datetime
    solution_by: datetime | None


class Tickets:
    """Opens tickets by the company's policies. Methods work inside the caller's transaction.

    ``clocks`` hang on the events of the lifecycle: each ticket promises its times by itself.
    """

    def __init__(
        self,
        urgency: UrgencyRules,
        routing: Routing,
        clocks: Clocks,
        zone: ZoneInfo,
        lifecycle: Lifecycle | None = None,
        intake: Intake | None = None,
    ) -> None:
        self.urgency = urgency
        self.routing = routing
        self.clocks = clocks
        self.zone = zone
        self.lifecycle = lifecycle or Lifecycle(Events())
        self.lifecycle.events.after_event(clocks.after_event)
        self.intake = intake

    def open(self, session: Session, complaint: Complaint) -> Opened:
        """Open a ticket, or join the open one about the same waybill and class.

        The same idempotency key gives the same ticket and changes nothing.
        """
        present = self._present(session, complaint)
        if present is not None:
            return present
        try:
            with session.begin_nested():
                ticket = self._create(session, complaint)
        except IntegrityError:  # somebody opened it at this very moment
            present = self._present(session, complaint)
            if present is None:
                raise
            return present
        return self._opened(session, ticket, joined=False)

    def split(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        *,
        kind: str,
        description: str,
        key: str,
        waybill_no: str | None = None,
    ) -> Ticket:
        """A second matter in one ticket gets a ticket of its own; the same ``key`` the same one.

        Conflict if there is an open one of that class and parcel: the two are linked then instead.
        """
        self.lifecycle.admit(session, ticket, Change.WAIT, actor, None)
        complaint = Complaint(
            idempotency_key=f"split:{ticket.id}:{key}"[:80],
            kind=kind,
            conversation_id=ticket.conversation_id,
            customer_id=ticket.customer_id,
            description=description,
            waybill_no=waybill_no or ticket.waybill_no,
            goods=ticket.goods,
            goods_class=ticket.goods_class,
            actor=actor,
        )
        known = repository.by_idempotency_key(session, complaint.idempotency_key)
        if known is not None:
            return known
        if self._same(session, complaint) is not None:
            raise Conflict(f"an open {kind} of this parcel is there")
        new = self._create(session, complaint)
        relations.relate(session, self.lifecycle, new, ticket, actor, LinkKind.SPLIT)
        return new

    def told(
        self,
        session: Session,
        ticket: Ticket,
        text: str,
        *,
        waybill_no: str | None = None,
        key: str | None = None,
    ) -> Ticket:
        """A further fact from the customer, kept as an event (once, by ``key``); a first number is
        the ticket's.

        The ticket it belongs to from now on: by its number it may turn out to be another one's.
        """
        repository.hold(session, ticket)
        if key is not None and repository.event_by_key(session, key) is not None:
            return ticket
        self.lifecycle.heard(session, ticket, CUSTOMER)
        self.lifecycle.events.log(session, ticket, What.TOLD, CUSTOMER, text, key=key)
        return self.learn_waybill(session, ticket, waybill_no) if waybill_no else ticket

    def learn_waybill(self, session: Session, ticket: Ticket, waybill_no: str) -> Ticket:
        """A first number. If this customer has an open ticket about that parcel already, the two
        become one; if somebody else has, they are linked, and each keeps his own."""
        repository.hold(session, ticket)
        if ticket.waybill_no or ticket.state in FINISHED:
            return ticket
        same = repository.open_like(
            session, ticket.kind, waybill_no=waybill_no, conversation_id=ticket.conversation_id
        )
        if same is None:
            ticket.waybill_no = waybill_no
            details = {"waybill_no": waybill_no}
            self.lifecycle.events.log(session, ticket, What.WAYBILL, CUSTOMER, details=details)
            return ticket
        if same.customer_id == ticket.customer_id:
            return relations.merge(session, self.lifecycle, ticket, same, SYSTEM)
        ticket.facts = ticket.facts | {"waybill_no": waybill_no}
        relations.link(session, self.lifecycle, ticket, same, SYSTEM)
        return ticket

    def _create(self, session: Session, complaint: Complaint) -> Ticket:
        verdict = self.urgency.decide(_circumstances(complaint, contacts=1))
        at = clock.now()
        day = at.astimezone(self.zone).date()
        routed = self._decide(session, complaint, verdict)
        ticket = Ticket(
            number=f"CS{day:%y%m%d}-{repository.next_number_of(session, day):04d}",
            idempotency_key=complaint.idempotency_key,
            kind=complaint.kind,
            urgency=verdict.colour,
            urgency_rank=verdict.colour.rank,
            urgency_rule=verdict.rule,
            state=TicketState.RECEIVED,
            team=routed.team,
            team_rule=routed.rule,
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
        prefilled = self.intake.prefilled(session, ticket) if self.intake else {}
        details: dict[str, object] = {"prefilled": prefilled} if prefilled else {}
        details |= {"team": routed.team, "rule": routed.rule}
        self._log(session, ticket, What.OPENED, complaint, verdict.rule, details=details)
        return ticket

    def _present(self, session: Session, complaint: Complaint) -> Opened | None:
        """What was opened or joined by this very message, or the open ticket it joins now."""
        key = complaint.idempotency_key
        known = repository.by_idempotency_key(session, key)
        contact = None if known else repository.event_by_key(session, f"contact:{key}")
        if contact is not None:
            return self._opened(session, session.get_one(Ticket, contact.ticket_id), joined=True)
        if known is not None:
            return self._opened(session, known, joined=False)
        same = self._same(session, complaint)
        if same is None:
            return None
        repository.hold(session, same)
        if same.state in FINISHED:  # at this very moment
            return None
        if repository.event_by_key(session, f"contact:{key}") is not None:  # likewise
            return self._opened(session, same, joined=True)
        return self._join(session, same, complaint)

    def _same(self, session: Session, complaint: Complaint) -> Ticket | None:
        return repository.open_like(
            session,
            complaint.kind,
            waybill_no=complaint.waybill_no,
            conversation_id=complaint.conversation_id,
        )

    def _join(self, session: Session, ticket: Ticket, complaint: Complaint) -> Opened:
        """A repeated complaint counts as a contact; urgency may rise by it, never fall."""
        key = f"contact:{complaint.idempotency_key}"
        ticket.contacts += 1
        ticket.facts = ticket.facts | complaint.facts
        self._log(session, ticket, What.CONTACT, complaint, complaint.description, key=key)
        self.lifecycle.heard(session, ticket, complaint.actor)
        verdict = self.urgency.decide(_circumstances(complaint, contacts=ticket.contacts))
        self.raise_urgency(session, ticket, verdict)
        self.move_up(session, ticket, self._decide(session, complaint, verdict))
        about = replace(About.ticket(ticket), conversation_id=complaint.conversation_id)
        self.clocks.heard(session, about)  # he waits for a word again
        return self._opened(session, ticket, joined=True)

    def _decide(self, session: Session, complaint: Complaint, verdict: Verdict) -> Decision:
        """The team for what was said now."""
        intent = THREAT if complaint.threat else complaint.kind
        conversation = session.get_one(Conversation, complaint.conversation_id)
        return self.routing.decide(
            matter.of(
                session,
                conversation,
                intent,
                verdict,
                waybill_no=complaint.waybill_no,
                goods_class=complaint.goods_class,
                facts=complaint.facts,
            )
        )

    def move_up(self, session: Session, ticket: Ticket, routed: Decision) -> bool:
        """To a team of a higher tier, never to a lower one; whether it was. Whoever has it keeps
        it, and the customer hears of it from the caller."""
        higher = self.routing.is_above(routed.team, ticket.team)
        if not higher or Change.ASSIGN not in self.lifecycle.allowed(ticket, SYSTEM):
            return False
        owner = Actor(ActorKind.STAFF, ticket.staff_id) if ticket.staff_id else None
        self.lifecycle.assign(
            session, ticket, SYSTEM, team=routed.team, to=owner, why=routed.rule, told=True
        )
        return True

    def raise_urgency(
        self, session: Session, ticket: Ticket, verdict: Verdict, **details: object
    ) -> None:
        """To a higher colour, never to a lower one."""
        if verdict.colour.rank >= ticket.urgency_rank:
            return
        before = ticket.urgency
        ticket.urgency, ticket.urgency_rank = verdict.colour, verdict.colour.rank
        ticket.urgency_rule = verdict.rule
        details |= {"from": before, "to": verdict.colour}
        self.lifecycle.events.log(
            session, ticket, What.URGENCY, SYSTEM, verdict.rule, details=details
        )

    def _log(
        self, session: Session, ticket: Ticket, what: What, by: Complaint, why: str, **more: Any
    ) -> None:
        talk = by.conversation_id
        events = self.lifecycle.events
        events.log(session, ticket, what, by.actor, why, conversation_id=talk, **more)

    def _opened(self, session: Session, ticket: Ticket, *, joined: bool) -> Opened:
        made = [
            promise
            for promise in promises.of_ticket(session, ticket.id)
            if promise.state != PromiseState.WITHDRAWN
        ]
        by = {promise.kind: promise.by for promise in made}
        words = (PromiseKind.CONTACT, PromiseKind.REPLY)
        owed = [p.by for p in made if p.kind in words and p.state == PromiseState.OPEN]
        return Opened(
            ticket,
            joined,
            min(owed, default=by.get(PromiseKind.CONTACT, ticket.created_at)),
            by.get(PromiseKind.SOLUTION),
        )


def canonical_number(typed: str) -> str | None:
    """A ticket number as we write it, from any case, with or without the dash; else None."""
    match = _NUMBER.match("".join(typed.upper().split()))
    return f"CS{match[1]}-{match[2]}" if match else None


def without_number(text: str) -> tuple[str, str | None]:
    """A message without the ticket number it names, and that number as we write it."""
    found = _NAMED.search(text)
    if found is None:
        return text.strip(), None
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    return " ".join(rest.split()), canonical_number(found[0])


def _circumstances(complaint: Complaint, contacts: int) -> Circumstances:
    return Circumstances(
        intent=THREAT if complaint.threat else complaint.kind,
        text=complaint.description,
        goods_class=complaint.goods_class,
        contacts=contacts,
        anger=complaint.anger,
    )
