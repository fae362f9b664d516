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
from handoff.staff import SignedIn
from store import clock
from store.errors import AlreadyTaken, CannotCarry, Conflict, NotFound, NotYours
from store.live import Live
from tickets import repository as ticket_records
from tickets.lifecycle import Change
from tickets.models import Promise, PromiseKind, Ticket
from tickets.service import Tickets


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
        self._urgency = tickets.urgency
        self._routing = tickets.routing
        self._capabilities = capabilities
        self._live = live

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
        due = [
            p.due_at
            for p in ticket_records.promises_to(session, [conversation.id])
            if p.kind == PromiseKind.CONTACT and p.kept_at is None
        ]
        contact_by = min([at + self._urgency.contact_within(verdict.colour), *due])
        contact_by = max(contact_by, at)
        if not due:
            session.add(
                Promise(
                    conversation_id=conversation.id,
                    ticket_id=request.ticket_id,
                    kind=PromiseKind.CONTACT,
                    due_at=contact_by,
                    made_at=at,
                )
            )
            session.flush()
        case = Case(
            conversation_id=conversation.id,
            ticket_id=request.ticket_id,
            state=CaseState.WAITING,
            reason=request.reason,
            rule=request.rule,
            urgency=verdict.colour,
            urgency_rank=verdict.colour.rank,
            team=self._routing.team(request.intent, verdict.colour, verdict.rule, at),
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
            case.team = self._routing.team(
                request.intent, request.verdict.colour, request.verdict.rule, clock.now()
            )
            case.contact_by = min(
                case.contact_by,
                clock.now() + self._urgency.contact_within(request.verdict.colour),
            )
        if request.ticket_id is not None:
            case.ticket_id = request.ticket_id
        can = self.capabilities(session, conversation)
        case.packet = packet_changes.renewed(session, conversation, case, request, can)
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
    ) -> Message | None:
        """Words, files, or both to the customer; ``key`` makes a repeated click harmless.

        CannotCarry for a file that his channel does not take.
        """
        case, conversation = self._own(session, case_id, person)
        can = self.capabilities(session, conversation)
        for file in files:
            if not can.carries(file.stored.media_type, file.stored.size):
                raise CannotCarry(media_type=file.stored.media_type)
        words = conversations.words(text, needed=not files)
        outbound = Outbound(f"agent:{case.id}:{key}"[:128], words, files=files)
        message = conversations.post(session, conversation, outbound, Author.AGENT, person.id)
        at = clock.now()
        if case.first_reply_at is None:
            case.first_reply_at = at
            for promise in ticket_records.promises_to(session, [conversation.id]):
                if promise.kind == PromiseKind.CONTACT and promise.kept_at is None:
                    promise.kept_at = at
        self._wake(session, conversation)
        return message

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
        conversation.holder = Holder.BOT
        conversation.staff_id = None
        conversation.failures = conversation.anger = 0
        self._event(session, conversation, state, person.id)
        self._say(session, conversation, f"case:{case.id}:{state}", f"handoff.{state}", person.name)
        self._wake(session, conversation)
        return case

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
