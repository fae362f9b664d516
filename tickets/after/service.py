"""What falls due is asked, and what customers answer is done.

In the caller's transaction. A message is an answer if it is what a button of ours says (whenever it
comes), or if it plainly answers the last thing that we told this customer: the same rule by which
"reschedule" means the parcel that a notice told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from conversations import service as conversations
from conversations.models import Author, Conversation, Message
from conversations.schemas import Button, Outbound
from conversations.search import fold
from conversations.texts import Texts
from store import clock
from store.claims import release
from store.errors import OutOfOrder
from store.live import Live
from tickets import repository as tickets
from tickets.after import repository
from tickets.after.asking import Asking
from tickets.after.matching import Said, pressed, right_after
from tickets.after.models import Ask, AskKind
from tickets.after.policy import Reading, score_in
from tickets.events import CUSTOMER, SYSTEM
from tickets.lifecycle import Change
from tickets.models import FINISHED, Ticket, TicketState
from tickets.reach import reach
from tickets.service import Tickets

OF_A_NUMBER = 8
"""So many digits name a parcel: that is no remark but another matter."""
SILENT = "silent"
"""Why a ticket counts as followed up to which nobody answered."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that was an answer, and is done with. ``unsolved``: the ticket that a person is to
    look at again."""

    unsolved: Ticket | None = None


class After:
    """Asks and hears."""

    def __init__(self, asking: Asking, tickets: Tickets, texts: Texts, live: Live) -> None:
        self._asking = asking
        self._policy = asking.policy
        self._reading = Reading(asking.policy.words)
        self._tickets = tickets
        self._texts = texts
        self._live = live

    @property
    def link_lasts(self) -> timedelta:
        """How long the link to a ticket's page is good."""
        return self._policy.progress.link_lasts

    def due(self, session: Session, ask_id: int) -> bool:
        """Ask what fell due, or take silence for an answer; False if there is nothing to do (any
        more)."""
        ask = repository.hold(session, ask_id)
        if ask.due_at is None or ask.due_at > clock.now():
            return False
        if ask.asked_at is not None:
            release(ask, retry_at=None)
            self._silent(session, ask)
            return True
        later = self._asking.decent()
        if later > clock.now():  # nobody was at work when it fell due
            release(ask, retry_at=later)
            return False
        conversation = reach(session, ask.customer_id)
        release(ask, retry_at=None)
        if conversation is not None:
            self._ask(session, ask, conversation)
        return True

    def expects(self, session: Session, customer_id: int) -> bool:
        """Whether anything this customer says could be an answer: most have been asked nothing."""
        return bool(self._asked(session, customer_id))

    def hear(
        self, session: Session, conversation: Conversation, message: Message, key: str
    ) -> Heard | None:
        """What a customer's message answers is done, and acknowledged under ``key``. None if it
        answers nothing: then it is somebody else's to answer."""
        asked = self._asked(session, conversation.customer_id)
        for read in (pressed, right_after):
            for ask in asked:
                said = read(session, ask, conversation, message)
                heard = said and self._answer(session, ask, said, conversation, key)
                if heard:
                    self._live.after_commit(
                        session, "queue", "outbox", f"conversation:{conversation.id}"
                    )
                    return heard
        return None

    def agree(self, session: Session, ticket: Ticket, words: str) -> None:
        """The customer agrees to what is proposed. OutOfOrder if nothing is."""
        self._tickets.lifecycle.change(session, ticket, Change.AGREE, CUSTOMER, words)
        for ask in repository.of_ticket(session, ticket.id, AskKind.PROPOSAL)[-1:]:
            self._answered(ask, yes=True)

    def unsolved(self, session: Session, ticket: Ticket, words: str, *, told: bool) -> bool:
        """The customer says that it is not solved: a proposal is declined, a closed ticket is
        reopened, to an open one it is a further fact. False where nothing can be done any more.
        ``told``: the caller tells him."""
        tickets.hold(session, ticket)
        life = self._tickets.lifecycle
        if ticket.state == TicketState.PROPOSED:
            life.change(session, ticket, Change.DECLINE, CUSTOMER, words, told=told)
            return True
        if ticket.state not in FINISHED:
            self._tickets.told(session, ticket, words)
            return True
        days = timedelta(days=self._policy.reopen_days)
        if ticket.state == TicketState.CANCELLED or (
            ticket.closed_at is not None and clock.now() - ticket.closed_at > days
        ):
            return False
        other = ticket.waybill_no and tickets.open_like(
            session,
            ticket.kind,
            waybill_no=ticket.waybill_no,
            conversation_id=ticket.conversation_id,
        )
        if other:  # opened meanwhile about the same thing: one of them is enough
            self._tickets.told(session, other, words)
            return True
        life.change(session, ticket, Change.REOPEN, CUSTOMER, words, told=told)
        return True

    def _silent(self, session: Session, ask: Ask) -> None:
        ticket = session.get(Ticket, ask.ticket_id) if ask.ticket_id else None
        if ask.kind == AskKind.FOLLOW_UP and ticket is not None:
            try:
                self._tickets.lifecycle.change(session, ticket, Change.FOLLOW_UP, SYSTEM, SILENT)
            except OutOfOrder:
                return

    def _ask(self, session: Session, ask: Ask, conversation: Conversation) -> None:
        """Put the question, where he wrote last and in the language of that."""
        ticket = session.get(Ticket, ask.ticket_id) if ask.ticket_id else None
        kind, language = AskKind(ask.kind), conversation.language
        about = "ticket" if ticket else "talk"
        words = self._texts.say(
            language,
            f"after.ask.{kind}" if kind == AskKind.FOLLOW_UP else f"after.ask.{kind}_{about}",
            number=ticket.number if ticket else "",
        )
        choices = self._asking.choices(kind, language, ticket)
        outbound = Outbound(f"ask:{ask.id}", words, choices)
        message = conversations.post(session, conversation, outbound, Author.SYSTEM)
        assert message is not None, "asked already, and yet due"
        ask.message_id = ask.told_id = message.id
        ask.asked_at = clock.now()
        if kind == AskKind.FOLLOW_UP:
            ask.due_at = clock.now() + timedelta(days=self._policy.follow_up.silent_days)
        self._live.after_commit(session, "outbox", f"conversation:{conversation.id}")

    def _asked(self, session: Session, customer_id: int) -> Sequence[Ask]:
        days = max(self._policy.answer_days, self._policy.reopen_days)
        return repository.asked(session, customer_id, clock.now() - timedelta(days=days))

    def _answer(
        self, session: Session, ask: Ask, said: Said, conversation: Conversation, key: str
    ) -> Heard | None:
        ask = repository.hold(session, ask.id)
        if ask.answered_at is not None and not said.pressed:
            return self._remark(session, ask, said, conversation, key)
        if ask.kind == AskKind.SCORE:
            return self._score(session, ask, said, conversation, key)
        yes = self._yes(ask, said)
        if yes is None or ask.ticket_id is None:
            return None
        ticket = session.get_one(Ticket, ask.ticket_id)
        if yes:
            done = self._agreed(session, ask, ticket, said, conversation, key)
        else:
            done = self._not_solved(session, ask, ticket, said, conversation, key)
        if done is None and said.pressed:
            self._post(session, conversation, key, "over", ask, number=ticket.number)
            return Heard()
        return done

    def _yes(self, ask: Ask, said: Said) -> bool | None:
        """What it says to a question of yes and no; None if neither."""
        reading, text = self._reading, said.text
        if said.choice is not None:
            return said.choice == 0 and ask.kind != AskKind.CLOSED  # whose one choice is a no
        if reading.unsolved(text) or (ask.kind != AskKind.CLOSED and reading.denies(text)):
            return False
        says = reading.agrees if ask.kind == AskKind.PROPOSAL else reading.says_solved
        return True if says(text) else None

    def _agreed(
        self, session: Session, ask: Ask, ticket: Ticket, said: Said,
        conversation: Conversation, key: str,
    ) -> Heard | None:  # fmt: skip
        if not self._latest(session, ask):
            return None
        try:
            if ask.kind == AskKind.PROPOSAL:  # of it he hears by itself
                self.agree(session, ticket, said.text)
                return Heard()
            self._tickets.lifecycle.change(session, ticket, Change.FOLLOW_UP, CUSTOMER, said.text)
        except OutOfOrder:
            return None
        self._answered(ask, yes=True)
        self._post(session, conversation, key, "solved", None, number=ticket.number)
        return Heard()

    def _not_solved(
        self, session: Session, ask: Ask, ticket: Ticket, said: Said,
        conversation: Conversation, key: str,
    ) -> Heard | None:  # fmt: skip
        """With his reason, or asked for one."""
        expected = {
            AskKind.PROPOSAL: {TicketState.PROPOSED},
            AskKind.CLOSED: {TicketState.CLOSED, TicketState.FOLLOWED_UP},
            AskKind.FOLLOW_UP: {TicketState.CLOSED, TicketState.FOLLOWED_UP},
        }[AskKind(ask.kind)]
        if ticket.state not in expected or not self._latest(session, ask):
            return None
        bare = (
            said.choice is not None
            or self._reading.merely_unsolved(said.text)
            or self._reading.denies(said.text)
        )
        if not self.unsolved(session, ticket, said.text, told=bare):
            return None
        self._answered(ask, yes=False)
        if bare:
            self._post(session, conversation, key, f"why.{ask.kind}", ask, number=ticket.number)
        else:
            ask.remark = said.text
        return Heard(unsolved=ticket)

    def _score(
        self, session: Session, ask: Ask, said: Said, conversation: Conversation, key: str
    ) -> Heard | None:
        if ask.answered_at is not None:
            self._post(session, conversation, key, "scored_before", None)
            return Heard()
        score = said.choice + 1 if said.choice is not None else score_in(said.text)
        if score is None:
            return None
        days = timedelta(days=self._policy.answer_days)
        if ask.asked_at is None or clock.now() - ask.asked_at > days:
            self._post(session, conversation, key, "too_late", None)
            return Heard()
        ticket = session.get(Ticket, ask.ticket_id) if ask.ticket_id else None
        if not 1 <= score <= 5:
            choices = self._asking.choices(AskKind.SCORE, conversation.language, ticket)
            self._post(session, conversation, key, "score_range", ask, choices)
            return Heard()
        self._answered(ask)
        ask.score = score
        if score > self._policy.score.low:
            self._post(session, conversation, key, "scored", ask)
            return Heard()
        ask.attention = True
        self._post(
            session,
            conversation,
            key,
            "scored_low",
            ask,
            self._again(ticket, conversation.language),
        )
        return Heard()

    def _again(self, ticket: Ticket | None, language: str) -> tuple[Button, ...]:
        """What is offered to somebody who is not content."""
        if ticket is not None:
            return self._asking.choices(AskKind.CLOSED, language, ticket)
        say = self._texts.say
        return (Button(say(language, "talk.ask_person"), say(language, "talk.ask_person_say")),)

    def _remark(
        self, session: Session, ask: Ask, said: Said, conversation: Conversation, key: str
    ) -> Heard | None:
        """What he says when asked why, or beside a score."""
        if ask.remark is not None or ask.answered_at is None or ask.yes or said.choice is not None:
            return None
        another = "?" in fold(said.text) or sum(map(str.isdigit, said.text)) >= OF_A_NUMBER
        if another or clock.now() - ask.answered_at > self._policy.remark_within:
            return None
        ask.remark = said.text
        ticket = session.get(Ticket, ask.ticket_id) if ask.ticket_id else None
        if ask.kind == AskKind.SCORE or ticket is None:
            self._post(session, conversation, key, "remarked", None)
        else:
            self._tickets.told(session, ticket, said.text)
            words = self._texts.say(conversation.language, "ticket.told", number=ticket.number)
            conversations.post(session, conversation, Outbound(key, words), Author.SYSTEM)
        return Heard()

    def _latest(self, session: Session, ask: Ask) -> bool:
        """Whether nothing newer of its kind was asked about the ticket."""
        assert ask.ticket_id is not None
        return repository.of_ticket(session, ask.ticket_id, AskKind(ask.kind))[-1].id == ask.id

    def _answered(self, ask: Ask, *, yes: bool | None = None) -> None:
        ask.answered_at, ask.yes = clock.now(), yes
        release(ask, retry_at=None)

    def _post(
        self, session: Session, conversation: Conversation, key: str, text: str, ask: Ask | None,
        buttons: tuple[Button, ...] = (), **facts: object,
    ) -> None:  # fmt: skip
        """Say it; with ``ask``, what he says next is about that question."""
        words = self._texts.say(conversation.language, f"after.{text}", 0, **facts)
        outbound = Outbound(key, words, buttons)
        message = conversations.post(session, conversation, outbound, Author.SYSTEM)
        if ask is not None and message is not None:
            ask.told_id = message.id
