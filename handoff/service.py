"""Cases: a conversation waits for a person, one takes it, writes, and gives it back.

Every method works inside the caller's transaction. ``holder`` changes here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Audience, Author, Conversation, Holder, Kind, Message
from conversations.schemas import Capabilities, Outbound, Upload
from conversations.texts import Texts
from handoff import packet as packets
from handoff import packet_changes, repository
from handoff.models import Case, CaseState, Staff
from handoff.offers import Offers
from handoff.promising import Promising
from handoff.staff import SignedIn
from store import clock
from store.errors import AlreadyTaken, CannotCarry, Conflict, NotFound, NotYours
from store.live import Live
from tickets import repository as ticket_records
from tickets.lifecycle import Change
from tickets.models import Ticket, Urgency
from tickets.promises.clocks import About
from tickets.promises.models import Promise, PromiseKind, PromiseState
from tickets.routing import Decision
from tickets.service import Tickets
from tickets.urgency import Verdict

ANSWERS = (PromiseKind.CONTACT, PromiseKind.REPLY)
"""What a person's words to the customer keep."""


Ended = Callable[[Session, Case], None]


@dataclass(frozen=True, slots=True)
class Placed:
    """A case in the queue: how many are before it, and by when a person writes at the latest."""

    case: Case
    ahead: int
    contact_by: datetime
    already: bool


class Handoffs:
    """Hands conversations to people and back."""

    def __init__(
        self,
        texts: Texts,
        tickets: Tickets,
        capabilities: Callable[[str], Capabilities],
        live: Live,
    ) -> None:
        self._texts = texts
        self._tickets = tickets
        self._clocks = tickets.clocks
        self.promising = Promising(tickets.clocks, texts)
        self.offers = Offers(tickets.routing)
        self._capabilities = capabilities
        self._live = live
        self._ended: list[Ended] = []

    def after_end(self, hook: Ended) -> None:
        """Register ``hook(session, case)``: called when a case was resolved or handed back, in that
        transaction."""
        self._ended.append(hook)

    def request(
        self,
        session: Session,
        conversation: Conversation,
        request: packets.Request,
        *,
        hold: bool = True,
    ) -> Placed:
        """Put a conversation into the queue; a second request joins the case that is open.

        With ``hold`` the bot falls silent until a person takes the case; without it (somebody is to
        get in touch about a ticket) the bot goes on answering meanwhile.
        """
        known = repository.open_case(session, conversation.id)
        if known is not None:
            self._join(session, conversation, known, request, hold)
            return Placed(
                known, repository.waiting_before(session, known), known.contact_by, already=True
            )
        at = clock.now()
        verdict = request.verdict
        contact_by = self._promise_contact(session, conversation, request, request.ticket_id)
        offer = self.offers.make(session, conversation, request)
        case = Case(
            conversation_id=conversation.id,
            ticket_id=request.ticket_id,
            state=CaseState.WAITING,
            reason=request.reason,
            rule=request.rule,
            urgency=verdict.colour,
            urgency_rank=verdict.colour.rank,
            team=offer.team,
            team_rule=offer.rule,
            owner_id=offer.owner_id,
            packet=packets.build(
                session, conversation, request, self.capabilities(session, conversation)
            ).model_dump(mode="json"),
            queued_at=at,
            contact_by=contact_by,
        )
        session.add(case)
        session.flush()
        if hold:
            conversation.holder = Holder.WAITING
        self._event(session, conversation, "waiting" if hold else "contact_promised", None)
        self._wake(session, conversation)
        return Placed(case, repository.waiting_before(session, case), contact_by, already=False)

    def again(self, session: Session, conversation: Conversation, ticket: Ticket) -> None:
        """The customer of a ticket says that it is not solved: somebody gets in touch about it."""
        verdict = Verdict(Urgency(ticket.urgency), ticket.urgency_rule)
        request = packets.Request(
            reason="not_solved",
            rule="not_solved",
            intent=ticket.kind,
            verdict=verdict,
            waybill_no=ticket.waybill_no,
            ticket_id=ticket.id,
        )
        self.request(session, conversation, request, hold=False)

    def _join(
        self,
        session: Session,
        conversation: Conversation,
        case: Case,
        request: packets.Request,
        hold: bool,
    ) -> None:
        """A further request may raise urgency, name a ticket, and silence the bot; never lower."""
        if hold and case.state == CaseState.WAITING and conversation.holder == Holder.BOT:
            conversation.holder = Holder.WAITING
            self._event(session, conversation, "waiting", None)
        if request.verdict.colour.rank < case.urgency_rank:
            case.urgency, case.urgency_rank = request.verdict.colour, request.verdict.colour.rank
            case.reason, case.rule = request.reason, request.rule
            offer = self.offers.make(session, conversation, request)
            case.team, case.team_rule, case.owner_id = offer.team, offer.rule, offer.owner_id
            if case.first_reply_at is None:
                by = self._promise_contact(session, conversation, request, case.ticket_id)
                case.contact_by = min(case.contact_by, by)
        if request.ticket_id is not None:
            case.ticket_id = request.ticket_id
        can = self.capabilities(session, conversation)
        case.packet = packet_changes.renewed(session, conversation, case, request, can)
        self._wake(session, conversation)

    def _promise_contact(
        self,
        session: Session,
        conversation: Conversation,
        request: packets.Request,
        ticket_id: int | None,
    ) -> datetime:
        """By when a person writes: the time promised already, if that is nearer."""
        about = About(conversation.id, request.verdict.colour, request.intent, ticket_id)
        promise = self._clocks.make(session, PromiseKind.CONTACT, about)
        assert promise is not None, "the policy promises a person to everybody"
        return max(promise.by, clock.now())

    def heard(self, session: Session, conversation: Conversation, message_id: int) -> None:
        """The customer wrote to people: his wait for their next word begins, unless it has."""
        case = repository.open_case(session, conversation.id)
        if case is not None:
            colour = Urgency(case.urgency)
            about = About(conversation.id, colour, "", case.ticket_id)
            self._clocks.heard(session, about, message_id)
            if case.state == CaseState.TAKEN and self.offers.has_left(session, case):
                self._put_back(session, conversation, case)

    def _put_back(self, session: Session, conversation: Conversation, case: Case) -> None:
        """Who had it has gone home: it waits for a colleague, with all that was said. The ticket
        stays his."""
        self._event(session, conversation, "off_shift", case.staff_id)
        at, colour = clock.now(), Urgency(case.urgency)
        case.state, case.staff_id, case.taken_at, case.queued_at = CaseState.WAITING, None, None, at
        case.contact_by = self._clocks.by(PromiseKind.REPLY, "", colour) or at
        offer = self.offers.again(session, conversation, case)
        case.team, case.team_rule, case.owner_id = offer.team, offer.rule, offer.owner_id
        conversation.holder, conversation.staff_id = Holder.WAITING, None
        self._wake(session, conversation)

    def team_of(self, session: Session, conversation: Conversation) -> str | None:
        """The team that the open case of a conversation is with."""
        case = repository.open_case(session, conversation.id)
        return case.team if case else None

    def escalate(
        self,
        session: Session,
        conversation: Conversation,
        *,
        to: Decision | None = None,
        verdict: Verdict | None = None,
        contact_by: datetime | None = None,
    ) -> None:
        """What was promised in time was not done: the open case moves up. Whoever has it keeps
        it."""
        case = repository.open_case(session, conversation.id)
        if case is not None:
            if to is not None:
                case.team, case.team_rule = to.team, to.rule
            case.contact_by = contact_by or case.contact_by
            if verdict and verdict.colour.rank < case.urgency_rank:
                case.urgency, case.urgency_rank = verdict.colour, verdict.colour.rank
                case.rule = verdict.rule
        self._wake(session, conversation)

    def learn_waybill(
        self, session: Session, conversation: Conversation, waybill_no: str, told: Message
    ) -> None:
        """A number the customer gives while he waits: into the ticket and the packet."""
        case = repository.open_case(session, conversation.id)
        if case is None:
            return
        if case.ticket_id is not None:
            ticket = session.get_one(Ticket, case.ticket_id)
            case.ticket_id = self._tickets.learn_waybill(session, ticket, waybill_no).id
        case.packet = packet_changes.with_parcel(session, case.packet, waybill_no, told)
        self._wake(session, conversation)

    def take(self, session: Session, case_id: int, person: SignedIn) -> Case:
        """The case is this person's from now on; AlreadyTaken names a quicker colleague."""
        case = self.case(session, case_id)
        if case.staff_id == person.id and case.state == CaseState.TAKEN:
            return case
        if not repository.take_if_free(session, case_id, person.id, clock.now()):
            session.refresh(case)
            holder = session.get(Staff, case.staff_id) if case.staff_id else None
            raise AlreadyTaken(by=holder.name if holder else "?", case=case_id)
        session.refresh(case)
        conversation = session.get_one(Conversation, case.conversation_id)
        conversation.holder = Holder.AGENT
        conversation.staff_id = person.id
        self._event(session, conversation, "taken", person.id)
        self._say(session, conversation, f"case:{case.id}:joined", "handoff.joined", person.name)
        self._accept(session, case, person)
        self._wake(session, conversation)
        return case

    def _accept(self, session: Session, case: Case, person: SignedIn) -> None:
        """Who takes the case takes its ticket on, unless somebody else has it; the customer has
        just been told."""
        ticket = session.get(Ticket, case.ticket_id) if case.ticket_id else None
        if ticket is None:
            return
        ticket_records.hold(session, ticket)
        life, actor = self._tickets.lifecycle, person.actor
        if Change.ACCEPT in life.allowed(ticket, actor):
            life.change(session, ticket, Change.ACCEPT, actor, told=True)

    def reply(
        self,
        session: Session,
        case_id: int,
        person: SignedIn,
        text: str,
        key: str,
        files: tuple[Upload, ...] = (),
        *,
        confirmed: bool = True,
    ) -> Message | None:
        """Words, files, or both to the customer; ``key`` makes a repeated click harmless.

        CannotCarry for a file that his channel does not take; unless ``confirmed``, Contradicts for
        words that put off what he was promised.
        """
        case, conversation = self._own(session, case_id, person)
        can = self.capabilities(session, conversation)
        for file in files:
            if not can.carries(file.stored.media_type, file.stored.size):
                raise CannotCarry(media_type=file.stored.media_type)
        words = conversations.words(text, needed=not files)
        if not confirmed:
            self.promising.check(session, conversation, words)
        outbound = Outbound(f"agent:{case.id}:{key}"[:128], words, files=files)
        message = conversations.post(session, conversation, outbound, Author.AGENT, person.id)
        at = clock.now()
        if case.first_reply_at is None:
            case.first_reply_at = at
        self._answered(session, case)
        self._wake(session, conversation)
        return message

    def promise(
        self, session: Session, case_id: int, person: SignedIn, message_id: int
    ) -> list[Promise]:
        """Keep what a message promises in the ledger; see ``Promising.record``."""
        case, conversation = self._own(session, case_id, person)
        made = self.promising.record(session, case, message_id, person.id)
        self._wake(session, conversation)
        return made

    def end_promise(
        self,
        session: Session,
        case_id: int,
        person: SignedIn,
        promise_id: int,
        state: PromiseState,
    ) -> None:
        """Who has the case says that a promise was kept, or is not owed any more."""
        case, conversation = self._own(session, case_id, person)
        self.promising.end(session, case, promise_id, state)
        self._wake(session, conversation)

    def typing(self, session: Session, case_id: int, person: SignedIn) -> None:
        """The agent is writing: worth a wake-up, which may be lost, and nothing in the record."""
        _, conversation = self._own(session, case_id, person)
        self._live.after_commit(session, f"typing:{conversation.id}")

    def note(self, session: Session, case_id: int, person: SignedIn, text: str) -> Message:
        """Words to colleagues: they never leave the house."""
        conversation = session.get_one(Conversation, self.case(session, case_id).conversation_id)
        message = conversations.append(
            session,
            conversation,
            Author.AGENT,
            conversations.words(text),
            kind=Kind.NOTE,
            audience=Audience.STAFF,
            staff_id=person.id,
        )
        self._wake(session, conversation)
        return message

    def hand_back(self, session: Session, case_id: int, person: SignedIn) -> Case:
        """The bot answers again; nothing is said to be solved."""
        return self._end(session, case_id, person, CaseState.RETURNED, None)

    def resolve(
        self, session: Session, case_id: int, person: SignedIn, outcome: str | None
    ) -> Case:
        """The matter is settled; the bot answers again and the customer is told."""
        return self._end(session, case_id, person, CaseState.RESOLVED, outcome)

    def case(self, session: Session, case_id: int) -> Case:
        found = session.get(Case, case_id)
        if found is None:
            raise NotFound(f"case {case_id}")
        return found

    def capabilities(self, session: Session, conversation: Conversation) -> Capabilities:
        """What the customer's channel can carry."""
        return self._capabilities(record.customer_of(session, conversation).channel)

    def _own(self, session: Session, case_id: int, person: SignedIn) -> tuple[Case, Conversation]:
        case = self.case(session, case_id)
        if case.state != CaseState.TAKEN:
            raise Conflict(f"case {case_id} is {case.state}")
        if case.staff_id != person.id:
            raise NotYours(f"case {case_id}")
        return case, session.get_one(Conversation, case.conversation_id)

    def _end(
        self,
        session: Session,
        case_id: int,
        person: SignedIn,
        state: CaseState,
        outcome: str | None,
    ) -> Case:
        case, conversation = self._own(session, case_id, person)
        case.state = state
        case.ended_at = clock.now()
        case.outcome = outcome
        if state == CaseState.RESOLVED:
            self._answered(session, case)
        else:
            # A ticket's customer is still owed a person's word; of a mere talk nothing is left.
            owed = (PromiseKind.REPLY,) if case.ticket_id else ANSWERS
            self._clocks.withdraw(session, owed, conversation_id=conversation.id)
        conversation.holder = Holder.BOT
        conversation.staff_id = None
        conversation.failures = conversation.anger = 0
        self._event(session, conversation, state, person.id)
        self._say(session, conversation, f"case:{case.id}:{state}", f"handoff.{state}", person.name)
        for hook in self._ended:
            hook(session, case)
        self._wake(session, conversation)
        return case

    def _answered(self, session: Session, case: Case) -> None:
        """A person spoke: here, and so about the ticket, wherever that was promised."""
        self._clocks.keep(session, ANSWERS, conversation_id=case.conversation_id)
        if case.ticket_id is not None:
            self._clocks.keep(session, (PromiseKind.CONTACT,), ticket_id=case.ticket_id)

    def _say(
        self, session: Session, conversation: Conversation, key: str, text: str, name: str
    ) -> None:
        words = self._texts.say(conversation.language, text, name=name)
        conversations.post(session, conversation, Outbound(key=key, text=words), Author.SYSTEM)

    def _event(
        self, session: Session, conversation: Conversation, what: str, staff_id: int | None
    ) -> None:
        conversations.append(
            session,
            conversation,
            Author.SYSTEM,
            what,
            kind=Kind.EVENT,
            audience=Audience.STAFF,
            staff_id=staff_id,
        )

    def _wake(self, session: Session, conversation: Conversation) -> None:
        self._live.after_commit(session, "queue", "outbox", f"conversation:{conversation.id}")


def waited(case: Case) -> timedelta:
    """How long the customer has waited, or waited until a person took the case."""
    return (case.taken_at or clock.now()) - case.queued_at
