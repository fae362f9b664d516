"""A promise falls due: the desk is warned; a broken one moves up, and its customer is told so.

In the caller's transaction, each once: whoever looks at a promise holds it.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Audience, Author, Conversation, Kind
from conversations.schemas import Outbound
from conversations.texts import Texts
from handoff.service import Handoffs
from store import clock
from store.live import Live
from tickets import repository as tickets
from tickets.events import SYSTEM
from tickets.lifecycle import Change
from tickets.models import Ticket, Urgency, What
from tickets.promises.clocks import Look
from tickets.promises.models import Promise, PromiseKind
from tickets.promises.policy import Action
from tickets.routing import Decision
from tickets.service import Tickets
from tickets.urgency import Verdict

RULE = "promise_broken"
"""The rule that raises urgency and gives a case to the next team."""


class Overdue:
    """What the policy wants done about promises that fell due."""

    def __init__(self, tickets: Tickets, handoffs: Handoffs, texts: Texts, live: Live) -> None:
        self._tickets = tickets
        self._handoffs = handoffs
        self._texts = texts
        self._live = live

    def look(self, session: Session, promise_id: int) -> Look | None:
        """Warn of a promise, or act on a broken one; None if neither is due.

        A delivery that was promised and has come in time is kept."""
        if self._handoffs.promising.delivered(session, session.get_one(Promise, promise_id)):
            return None
        look = self._tickets.clocks.look(session, promise_id)
        if look is None:
            return None
        promise = look.promise
        made_in = session.get_one(Conversation, promise.conversation_id)
        self._live.after_commit(session, "queue", f"conversation:{made_in.id}")
        if look.broken:
            self._broken(session, made_in, look)
        return look

    def resume(self, session: Session, ticket_id: int) -> bool:
        """Whom a ticket waits for has had his time: it waits no longer, its clocks go on, and its
        conversation says so to whoever works on it."""
        ticket = session.get_one(Ticket, ticket_id)
        tickets.hold(session, ticket)
        if ticket.waiting_until is None or ticket.waiting_until > clock.now():
            return False
        self._tickets.lifecycle.change(session, ticket, Change.RESUME, SYSTEM, "time_is_over")
        talk = session.get_one(Conversation, ticket.conversation_id)
        conversations.append(
            session, talk, Author.SYSTEM, "waited", kind=Kind.EVENT, audience=Audience.STAFF
        )
        self._live.after_commit(session, "queue", f"conversation:{ticket.conversation_id}")
        return True

    def _broken(self, session: Session, made_in: Conversation, look: Look) -> None:
        promise = look.promise
        ticket = session.get(Ticket, promise.ticket_id) if promise.ticket_id else None
        if ticket is not None:
            tickets.hold(session, ticket)
            self._tickets.lifecycle.events.log(
                session,
                ticket,
                What.OVERDUE,
                SYSTEM,
                details={
                    "promise": promise.kind,
                    "id": promise.id,
                    "by": promise.by.isoformat(),
                },
            )
        higher = _wanted(look, Action.ESCALATE)
        moved = self._escalate(session, made_in, ticket) if higher else None
        verdict = _hotter(ticket, promise) if _wanted(look, Action.RAISE_URGENCY) else None
        if ticket is not None and verdict is not None:
            self._tickets.raise_urgency(session, ticket, verdict, overdue=promise.kind)
        contact = look.anew and look.anew.kind == PromiseKind.CONTACT
        contact_by = look.anew.by if contact and look.anew else None
        self._handoffs.escalate(session, made_in, to=moved, verdict=verdict, contact_by=contact_by)
        if _wanted(look, Action.TELL_CUSTOMER):
            self._tell(session, made_in, look, moved.team if moved else None)

    def _escalate(
        self, session: Session, made_in: Conversation, ticket: Ticket | None
    ) -> Decision | None:
        """The team that it is with from now on; None where nobody is above."""
        before = ticket.team if ticket else self._handoffs.team_of(session, made_in)
        team = self._tickets.routing.above(before) if before else None
        if team is None:
            return None
        to = Decision(team, RULE)
        return to if ticket is None or self._tickets.move_up(session, ticket, to) else None

    def _tell(self, session: Session, made_in: Conversation, look: Look, team: str | None) -> None:
        """The truth, who has it now, and the new time, wherever the customer wrote last."""
        promise = look.promise
        conversation = record.latest_conversation(session, made_in.customer_id) or made_in
        say, language = self._texts.say, conversation.language
        words = [say(language, f"promise.broken.{promise.kind}", by=promise.by)]
        if team is not None:
            name = self._tickets.routing.name(team, language)
            words.append(say(language, "promise.with_team", team=name))
        if look.anew is not None:
            words.append(say(language, f"promise.anew.{promise.kind}", by=look.anew.by))
        else:
            words.append(say(language, "promise.followed"))
        outbound = Outbound(f"promise:{promise.id}", "\n".join(words))
        told = conversations.post(session, conversation, outbound, Author.SYSTEM)
        if look.anew is not None and told is not None:
            look.anew.message_id = told.id
        self._live.after_commit(session, "outbox", f"conversation:{conversation.id}")


def _wanted(look: Look, action: Action) -> bool:
    return action in look.actions


def _hotter(ticket: Ticket | None, promise: Promise) -> Verdict:
    """One colour more urgent; red stays red."""
    colour = Urgency(ticket.urgency if ticket else promise.urgency)
    return Verdict(list(Urgency)[max(colour.rank - 1, 0)], RULE)
