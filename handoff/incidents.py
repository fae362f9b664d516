"""What an incident means for each ticket that it explains, and what its customer is told of it.

In the caller's transaction, each once: whoever looks at a ticket of an incident holds the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy.orm import Session

from conversations.models import Conversation
from handoff.service import Handoffs
from parcels.road_models import Incident
from store import clock
from store.claims import release
from store.live import Live
from tickets import matter
from tickets import repository as ticket_records
from tickets.events import SYSTEM
from tickets.incidents import repository
from tickets.incidents.models import IncidentTicket
from tickets.incidents.policy import IncidentPolicy
from tickets.models import FINISHED, Ticket, Urgency, What
from tickets.promises.clocks import About
from tickets.promises.models import PromiseKind
from tickets.service import Tickets
from tickets.urgency import Verdict


class News(Enum):
    """What the customer of a ticket has not heard yet."""

    JOINED = auto()
    MOVED = auto()
    """it lasts longer, or shorter, than he was told"""
    OVER = auto()


class IncidentNews:
    """Joins tickets to their incident, and takes them out of it when it is over."""

    def __init__(
        self, tickets: Tickets, handoffs: Handoffs, policy: IncidentPolicy, live: Live
    ) -> None:
        self._tickets = tickets
        self._handoffs = handoffs
        self._solved_within = timedelta(minutes=policy.solved_within)
        self._live = live

    def look(self, session: Session, member_id: int) -> None:
        """Tell one customer all that is new of an incident for his tickets, in one message."""
        found = session.get_one(IncidentTicket, member_id)
        members = repository.hold_of_customer(session, found)
        incident = session.get_one(Incident, found.incident_id)
        fresh: dict[News, list[Ticket]] = {}
        for member in members:
            ticket = session.get_one(Ticket, member.ticket_id)
            ticket_records.hold(session, ticket)
            news = _news(incident, member) if ticket.state not in FINISHED else None
            if news is not None:
                fresh.setdefault(news, []).append(ticket)
            _note(incident, member, news)
            release(member, retry_at=None)
        for news, tickets in fresh.items():
            self._tell(session, incident, news, tickets)
        if incident.ended_at is None:
            self._move_up(session, incident, self._open(session, members))

    def _tell(
        self, session: Session, incident: Incident, news: News, tickets: Sequence[Ticket]
    ) -> None:
        """An event of each ticket; its customer reads the first one's, which names them all."""
        by = self._solved_by(incident)
        details = {
            "incident": incident.id,
            "kind": incident.kind,
            "place": " → ".join(filter(None, (incident.place, incident.to_place))),
            "words": {"zh": incident.words_zh, "en": incident.words_en},
            "until": incident.expected_until.isoformat(),
            "by": by.isoformat(),
            "numbers": [ticket.number for ticket in tickets],
            "moved": news is News.MOVED,
        }
        what = What.INCIDENT_OVER if news is News.OVER else What.INCIDENT
        clocks = self._tickets.clocks
        for ticket in tickets:
            clocks.keep(session, (PromiseKind.CAUSE,), ticket_id=ticket.id)
            clocks.join(session, PromiseKind.SOLUTION, About.ticket(ticket), by)
            told = {"told": True} if ticket is not tickets[0] else {}
            self._tickets.lifecycle.events.log(
                session, ticket, what, SYSTEM, details=details | told
            )
            self._live.after_commit(session, "queue", f"conversation:{ticket.conversation_id}")

    def _solved_by(self, incident: Incident) -> datetime:
        """One time for all its tickets; an end that came late puts nothing off that still holds."""
        ends = (
            min(incident.ended_at or incident.expected_until, incident.expected_until),
            clock.now(),
        )
        return next(
            end + self._solved_within for end in ends if end + self._solved_within > clock.now()
        )

    def _move_up(self, session: Session, incident: Incident, tickets: Sequence[Ticket]) -> None:
        """So many tickets are a mass delay: they are headquarters', and supervisors see it."""
        count = repository.count_members(session, incident.id)
        routing = self._tickets.routing
        if incident.alarm_at is None and routing.is_mass(count):
            incident.alarm_at = clock.now()
            session.flush()
            repository.fall_due(session, incident.id)
        for ticket in tickets:
            talk = session.get_one(Conversation, ticket.conversation_id)
            verdict = Verdict(Urgency(ticket.urgency), ticket.urgency_rule)
            about = matter.of_ticket(
                session, talk, ticket, ticket.kind, verdict, incident_tickets=count
            )
            routed = routing.decide(about)
            if self._tickets.move_up(session, ticket, routed):
                self._handoffs.escalate(session, talk, to=routed)

    @staticmethod
    def _open(session: Session, members: Sequence[IncidentTicket]) -> list[Ticket]:
        found = (session.get_one(Ticket, member.ticket_id) for member in members)
        return [ticket for ticket in found if ticket.state not in FINISHED]


def _news(incident: Incident, member: IncidentTicket) -> News | None:
    if incident.ended_at is not None:
        return News.OVER if member.told_until and not member.over_at else None
    if member.told_until is None:
        return News.JOINED
    return News.MOVED if member.told_until != incident.expected_until else None


def _note(incident: Incident, member: IncidentTicket, news: News | None) -> None:
    if news is News.OVER:
        member.over_at = clock.now()
    elif news is not None:
        member.told_until = incident.expected_until
