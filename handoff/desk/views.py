"""What the desk shows, gathered from the rooms: rows of the queue, one open case."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from conversations import allowance
from conversations import repository as record
from conversations import service as conversations
from conversations.allowance import Meter
from conversations.models import Conversation, Customer, Delivery, Message, Undelivered
from conversations.schemas import Capabilities, Line
from handoff import repository, topics
from handoff.desk import repository as desk_repository
from handoff.models import Case, CaseState
from handoff.packet import Promised, promised_to
from handoff.service import Handoffs
from handoff.staff import SignedIn
from tickets.after.models import Ask
from tickets.after.repository import in_conversation


@dataclass(frozen=True, slots=True)
class Row:
    """A case as the queue shows it. ``due_at`` is null once a person has answered."""

    id: int
    state: str
    conversation: str
    customer: str | None
    channel: str
    language: str
    urgency: str
    reason: str
    rule: str
    team: str
    team_rule: str
    queued_at: datetime
    due_at: datetime | None
    staff_id: int | None
    staff_name: str | None
    last_words: str | None
    last_at: datetime | None
    unanswered: bool
    """An agent has the case and the customer spoke last."""
    owner_name: str | None
    """Who has its ticket, while it waits for him to take it."""


@dataclass(frozen=True, slots=True)
class InTopic:
    """The case stands in a Telegram group too: where, or why it does not."""

    thread: int
    link: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """One case with its thread, as one person sees it."""

    row: Row
    thread: tuple[Line, ...]
    packet: dict[str, Any]
    outcome: str | None
    ended_at: datetime | None
    meter: Meter | None
    """How much may still be said now, and until when; null where nothing is counted."""
    can: Capabilities
    mine: bool
    topic: InTopic | None
    promises: tuple[Promised, ...]
    """What this customer was promised, and what became of it, at this moment."""
    asks: Sequence[Ask]
    """What he was asked here after a solution."""

    @property
    def version(self) -> str:
        """Changes whenever the thread would look different."""
        lines = [
            (n.id, n.delivery, n.reason, n.nudged_at, [file.state for file in n.attachments])
            for n in self.thread
        ]
        seen = repr(lines) + repr(self.meter)
        return hashlib.blake2s(seen.encode(), digest_size=8).hexdigest()

    @property
    def parked(self) -> int:
        """Messages that wait for the customer's next one."""
        waits = (Delivery.QUEUED, Undelivered.WAITS)
        return sum((line.delivery, line.reason) == waits for line in self.thread)

    @property
    def failed(self) -> int:
        return sum(line.delivery == Delivery.FAILED for line in self.thread)

    @property
    def carries(self) -> list[str]:
        """What the channel takes from us, as names of texts."""
        files = {media_type.partition("/")[0] for media_type in self.can.files}
        kinds = {"buttons": self.can.buttons, "any_file": "*" in files}
        if "*" not in files:
            kinds |= {kind: kind in files for kind in ("image", "audio", "video")}
        kinds["receipts"] = self.can.receipts
        return ["text", *(kind for kind, able in kinds.items() if able)]

    @property
    def standing(self) -> str:
        """State, holder, topic, promises: when they change, not only the thread looks different."""
        shown = f"-{self.topic.thread}{self.topic.problem or ''}" if self.topic else ""
        owed = [(p.id, p.state, p.warned) for p in self.promises]
        digest = hashlib.blake2s(repr(owed).encode(), digest_size=4).hexdigest()
        return f"{self.row.state}-{self.row.staff_id or 0}{shown}-{digest}"


def queue(session: Session) -> list[Row]:
    """Every open case, most urgent and oldest first."""
    found = repository.queue(session)
    ids = [conversation.id for _, conversation, _ in found]
    last = repository.last_words(session, ids)
    replied = desk_repository.last_replies(session, ids)
    names = repository.staff_names(session)
    return [
        _row(case, conversation, customer, last.get(conversation.id), replied, names)
        for case, conversation, customer in found
    ]


def opened(session: Session, case: Case, person: SignedIn, handoffs: Handoffs) -> Opened:
    """A case with its thread and packet."""
    conversation = session.get_one(Conversation, case.conversation_id)
    customer = record.customer_of(session, conversation)
    names = repository.staff_names(session)
    row = _row(
        case,
        conversation,
        customer,
        record.last_customer_message(session, conversation.id),
        desk_repository.last_replies(session, [conversation.id]),
        names,
    )
    can = handoffs.capabilities(session, conversation)
    return Opened(
        row=row,
        thread=transcript(session, conversation, names),
        packet=case.packet,
        outcome=case.outcome,
        ended_at=case.ended_at,
        meter=allowance.meter(session, conversation.id, can),
        can=can,
        mine=case.state == CaseState.TAKEN and case.staff_id == person.id,
        topic=_in_topic(session, conversation.id),
        promises=tuple(promised_to(session, customer.id)),
        asks=in_conversation(session, conversation.id),
    )


def _in_topic(session: Session, conversation_id: int) -> InTopic | None:
    topic = topics.of_conversation(session, conversation_id)
    if topic is None or (topic.thread is None and topic.problem is None):
        return None
    chat = str(topic.chat).removeprefix("-100")
    thread = topic.thread or 0
    return InTopic(thread, f"https://t.me/c/{chat}/{thread}", topic.problem)


def transcript(
    session: Session, conversation: Conversation, names: dict[int, str]
) -> tuple[Line, ...]:
    """All that was said, noted and done, in order."""
    messages = record.messages(session, conversation.id)
    return tuple(conversations.lines(session, messages, names))


def _row(
    case: Case,
    conversation: Conversation,
    customer: Customer,
    last: Message | None,
    replied: dict[int, int],
    names: dict[int, str],
) -> Row:
    taken = case.state == CaseState.TAKEN
    return Row(
        id=case.id,
        state=case.state,
        conversation=conversation.key,
        customer=customer.name,
        channel=customer.channel,
        language=conversation.language,
        urgency=case.urgency,
        reason=case.reason,
        rule=case.rule,
        team=case.team,
        team_rule=case.team_rule,
        queued_at=case.queued_at,
        due_at=None if case.first_reply_at or case.ended_at else case.contact_by,
        staff_id=case.staff_id,
        staff_name=names.get(case.staff_id) if case.staff_id else None,
        last_words=last.text if last else None,
        last_at=last.created_at if last else None,
        unanswered=taken and last is not None and last.id > replied.get(conversation.id, 0),
        owner_name=names.get(case.owner_id or 0) if case.state == CaseState.WAITING else None,
    )
