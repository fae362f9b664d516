"""What a customer is asked about his ticket, and when: planned by its events, in their transaction.

A proposal and a closing ask by themselves: ``Notices`` tells of them with ``buttons`` and notes the
message here. The rest are rows that fall due.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from conversations.models import Message
from conversations.schemas import Button
from conversations.texts import Texts
from parcels.notice_rules import Quiet
from store import clock
from store.claims import release
from tickets import repository as tickets
from tickets.after import repository
from tickets.after.models import Ask, AskKind
from tickets.after.policy import AfterPolicy
from tickets.models import ActorKind, Ticket, TicketEvent, Urgency, What

_ASKS = {What.PROPOSED: AskKind.PROPOSAL, What.CLOSED: AskKind.CLOSED}
CHOICES = {
    AskKind.PROPOSAL: ("agree", "disagree"),
    AskKind.CLOSED: ("unsolved",),
    AskKind.FOLLOW_UP: ("solved", "unsolved"),
    AskKind.SCORE: ("score_1", "score_2", "score_3", "score_4", "score_5"),
}
"""The choices of each question in their order; a number names one where there are no buttons."""


class Asking:
    """Plans what is asked. ``after_event`` hangs on the events of tickets."""

    def __init__(
        self, texts: Texts, policy: AfterPolicy, quiet: Quiet | None, zone: ZoneInfo
    ) -> None:
        self._texts = texts
        self.policy = policy
        self._quiet = quiet
        self._zone = zone

    def buttons(
        self, session: Session, ticket: Ticket, event: TicketEvent, language: str
    ) -> tuple[Button, ...]:
        """What the customer can press when he is told of this event."""
        kind = _ASKS.get(What(event.what))
        if kind is None:
            return ()
        before = repository.of_ticket(session, ticket.id, AskKind.PROPOSAL)
        return self.choices(kind, language, ticket, len(before) + 1)

    def choices(
        self, kind: AskKind, language: str, ticket: Ticket | None = None, number: int = 1
    ) -> tuple[Button, ...]:
        """Buttons whose words name the ticket, and which of its proposals: a press is understood
        whenever it comes."""
        about = ticket.number if ticket else ""
        if kind == AskKind.PROPOSAL and number > 1:
            about = f"{about} #{number}"
        say = self._texts.say
        return tuple(
            Button(
                say(language, f"after.choice.{name}.title"),
                say(language, f"after.choice.{name}.say", about=about).strip(),
            )
            for name in CHOICES[kind]
        )

    def noted(self, session: Session, ticket: Ticket, event: TicketEvent, message: Message) -> None:
        """``message`` told of the event: if that is a question, answers to it mean this."""
        kind = _ASKS.get(What(event.what))
        if kind is None:
            return
        ask = self._add(session, f"{kind}:{event.id}", kind, ticket)
        ask.conversation_id = message.conversation_id
        ask.message_id = ask.told_id = message.id
        ask.asked_at = clock.now()

    def after_event(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        """Plan the follow-up of a ticket that was closed; drop what is not to be asked any more."""
        match What(event.what):
            case What.CLOSED if self._hard(session, ticket):
                ask = self._add(session, f"follow_up:{event.id}", AskKind.FOLLOW_UP, ticket)
                ask.due_at = self.decent(timedelta(hours=self.policy.follow_up.hours))
            case What.REOPENED:
                self._drop(session, ticket)
            case What.FOLLOWED_UP:
                self._drop(session, ticket)
                if event.actor != ActorKind.SYSTEM:  # who is silent is asked no more
                    self._score_now(session, ticket)
            case _:
                pass

    def score(
        self,
        session: Session,
        *,
        conversation_id: int,
        customer_id: int,
        team: str,
        staff_id: int | None,
        ticket: Ticket | None = None,
    ) -> None:
        """Ask for a score some minutes from now, once for a ticket or else for a conversation.

        Where a follow-up comes first the score waits for it.
        """
        key = f"score:ticket:{ticket.id}" if ticket else f"score:talk:{conversation_id}"
        ask = repository.by_key(session, key)
        if ask is None:
            ask = Ask(
                key=key,
                kind=AskKind.SCORE,
                customer_id=customer_id,
                conversation_id=conversation_id,
                ticket_id=ticket.id if ticket else None,
                created_at=clock.now(),
                attempts=0,
                attention=False,
            )
            session.add(ask)
        elif ask.asked_at is not None:
            return
        ask.staff_id, ask.team = staff_id, team
        follows = ticket is not None and self._open_follow_up(session, ticket)
        ask.due_at = None if follows else self.decent(timedelta(minutes=self.policy.score.minutes))
        session.flush()

    def decent(self, wait: timedelta = timedelta()) -> datetime:
        """The first instant after ``wait`` that lies in no quiet hours."""
        at = (clock.now() + wait).astimezone(self._zone)
        return self._quiet.over(at) if self._quiet else at

    def _hard(self, session: Session, ticket: Ticket) -> bool:
        """Whether the policy wants to be sure that it is solved."""
        rules = self.policy.follow_up
        return (
            Urgency(ticket.urgency) in rules.urgency
            or ticket.kind in rules.classes
            or any(e.what == What.REOPENED for e in tickets.events(session, ticket.id))
            or repository.anger_in(session, ticket.conversation_id) >= rules.anger_at_least
        )

    def _add(self, session: Session, key: str, kind: AskKind, ticket: Ticket) -> Ask:
        ask = Ask(
            key=key,
            kind=kind,
            customer_id=ticket.customer_id,
            conversation_id=ticket.conversation_id,
            ticket_id=ticket.id,
            staff_id=ticket.staff_id,
            team=ticket.team,
            created_at=clock.now(),
            attempts=0,
            attention=False,
        )
        session.add(ask)
        session.flush()
        return ask

    def _drop(self, session: Session, ticket: Ticket) -> None:
        for ask in repository.of_ticket(session, ticket.id):
            if ask.due_at is not None:
                release(ask, retry_at=None)

    def _open_follow_up(self, session: Session, ticket: Ticket) -> bool:
        asks = repository.of_ticket(session, ticket.id, AskKind.FOLLOW_UP)
        return any(ask.due_at is not None for ask in asks)

    def _score_now(self, session: Session, ticket: Ticket) -> None:
        for ask in repository.of_ticket(session, ticket.id, AskKind.SCORE):
            if ask.asked_at is None:
                ask.due_at = self.decent()
