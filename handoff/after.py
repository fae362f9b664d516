"""When somebody is asked for his score: once his ticket and his talk with a person are both over.

Hooks, in the transaction of what ended. A ticket that goes on after the talk is asked about when it
is closed; a talk that goes on after the ticket, when it ends. Nobody is asked for both.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from conversations.models import Conversation
from handoff import repository
from handoff.models import Case, CaseState
from tickets.after.asking import Asking
from tickets.models import Ticket, TicketEvent, TicketState, What

CLOSED = frozenset({TicketState.CLOSED, TicketState.FOLLOWED_UP})


class Episodes:
    """``after_event`` hangs on the events of tickets, ``after_end`` on the end of cases."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def after_event(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        """A ticket was closed: its customer is asked, unless somebody still talks with him."""
        if event.what == What.CLOSED and not repository.taken_about(session, ticket.id):
            self._ask(session, ticket.conversation_id, ticket, ticket.staff_id, ticket.team)

    def after_end(self, session: Session, case: Case) -> None:
        """A talk is over: its customer is asked, unless his ticket goes on."""
        ticket = session.get(Ticket, case.ticket_id) if case.ticket_id else None
        if ticket is None and case.state == CaseState.RESOLVED:
            self._ask(session, case.conversation_id, None, case.staff_id, case.team)
        elif ticket is not None and ticket.state in CLOSED:
            staff_id = ticket.staff_id or case.staff_id
            self._ask(session, case.conversation_id, ticket, staff_id, ticket.team)

    def _ask(
        self,
        session: Session,
        conversation_id: int,
        ticket: Ticket | None,
        staff_id: int | None,
        team: str,
    ) -> None:
        self._asking.score(
            session,
            conversation_id=conversation_id,
            customer_id=session.get_one(Conversation, conversation_id).customer_id,
            team=team,
            staff_id=staff_id,
            ticket=ticket,
        )
