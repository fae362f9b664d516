"""To whom a case is offered: a team by the rules, and first of all whoever has its ticket.

Offered, not assigned: anybody at the desk may still take it. In the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from conversations.models import Conversation
from handoff import repository
from handoff.models import Case, Staff
from handoff.packet import Request
from store import clock
from tickets import matter
from tickets.models import Ticket, Urgency
from tickets.routing import FIRST_OWNER, Decision, Routing, Unfit
from tickets.urgency import Verdict


@dataclass(frozen=True, slots=True)
class Offer:
    """A team, the rule that chose it, and the colleague who is to take it before others."""

    team: str
    rule: str
    owner_id: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of staff, how many open cases he has, and why he would not be offered this one."""

    person: Staff
    open_cases: int
    unfit: tuple[Unfit, ...]


class Offers:
    """By the policy of teams, their skills, shifts and limits."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing

    def make(self, session: Session, conversation: Conversation, request: Request) -> Offer:
        """Where a case goes now. Its ticket's owner keeps it while he is at work, with his team
        unless a rule moves it up."""
        ticket = session.get(Ticket, request.ticket_id) if request.ticket_id else None
        intent, verdict = request.intent, request.verdict
        about = (
            matter.of_ticket(session, conversation, ticket, intent, verdict)
            if ticket
            else matter.of(session, conversation, intent, verdict, waybill_no=request.waybill_no)
        )
        routed = self._routing.decide(about)
        if ticket is None:
            return Offer(routed.team, routed.rule)
        if self._routing.is_above(ticket.team, routed.team):
            routed = Decision(ticket.team, ticket.team_rule)
        owner = session.get(Staff, ticket.staff_id) if ticket.staff_id else None
        if owner is None or not self._routing.works(owner.login, owner.team, clock.now()):
            return Offer(routed.team, routed.rule)
        if self._routing.is_above(routed.team, ticket.team):
            return Offer(routed.team, routed.rule, owner.id)
        return Offer(ticket.team, FIRST_OWNER, owner.id)

    def again(self, session: Session, conversation: Conversation, case: Case) -> Offer:
        """Where a case goes that waits once more."""
        urgent = case.packet["urgency"]["rule"]
        intents = case.packet["intents"]
        request = Request(
            reason=case.reason,
            rule=case.rule,
            intent=intents[0]["name"] if intents else case.reason,
            verdict=Verdict(Urgency(case.urgency), urgent),
            ticket_id=case.ticket_id,
        )
        return self.make(session, conversation, request)

    def has_left(self, session: Session, case: Case) -> bool:
        """Whether who has a case is not at work now."""
        one = session.get(Staff, case.staff_id) if case.staff_id else None
        return one is not None and not self._routing.works(one.login, one.team, clock.now())

    def candidates_of(self, session: Session, ticket: Ticket) -> Sequence[Candidate]:
        """Everybody at the desk, those first who can take this ticket, by team and name."""
        conversation = session.get_one(Conversation, ticket.conversation_id)
        verdict = Verdict(Urgency(ticket.urgency), ticket.urgency_rule)
        about = matter.of_ticket(session, conversation, ticket, ticket.kind, verdict)
        taken = repository.taken_by(session)
        found = []
        for one in repository.everybody(session):
            count = taken.get(one.id, 0)
            unfit = self._routing.unfit(about, login=one.login, team=one.team, open_cases=count)
            found.append(Candidate(one, count, unfit))
        return sorted(found, key=lambda candidate: bool(candidate.unfit))
