"""Channels that may send only so much after each of the customer's messages (WeChat: 5 in 48 h,
3 in a minute after a click on the menu; ``conversations/allowance.py`` counts).

The bot leaves one send to the agent. When more waits than may be sent, messages leave together as
long as they fit in one; what is left waits for the customer's next message, or is given up
visibly after ``KEEP``. The platform's own count has the last word (``NeedsCustomer``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from bot.channels.degrade import fits, numbered
from conversations import allowance
from conversations import repository as record
from conversations import service as conversations
from conversations.models import (
    Author,
    Conversation,
    Delivery,
    Kind,
    Message,
    Outbox,
    Undelivered,
)
from conversations.schemas import Capabilities
from store import clock

KEEP = timedelta(hours=48)
WAITS = "waits for the customer's next message"
RESERVE = 1
PROMISE = "promise:"
"""The key of a message about a promise begins with it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What leaves at once: at most ``room`` parts of ``text``, which holds the rows ``along``.

    ``heard`` is the customer's last message when the room was counted.
    """

    room: int
    heard: int
    text: str
    along: tuple[Outbox, ...] = ()


def load(
    session: Session, row: Outbox, message: Message, can: Capabilities, leased_until: datetime
) -> Load | None:
    """What a claimed row takes along, claimed with it; ``None`` for a channel without a quota."""
    meter = allowance.meter(session, row.conversation_id, can, queued=False)
    if meter is None:
        return None
    heard = _heard(session, row.conversation_id)
    behind = record.waiting_behind(session, row)
    people = Author.AGENT in {message.author, *(written.author for _, written in behind)}
    room = meter.left - (0 if people else RESERVE)
    if row.attempts > 1:
        # A repeat is the very same message, or a channel that drops repeats would lose what is new.
        along = [other for other in behind if other[0].attempts and other[0].due_at == row.due_at]
    elif row.parts_sent or _by_itself(message, can) or room <= 0 or 1 + len(behind) <= room:
        along = []
    else:
        along = list(_that_fit(message, behind, can))
    for other, _ in along:
        seize(other, leased_until)
        other.due_at = row.due_at
    said = (message, *(written for _, written in along))
    text = together(*map(words, said)) if along else message.text
    return Load(room, heard, text, tuple(other for other, _ in along))


def seize(row: Outbox, leased_until: datetime) -> None:
    """Claim a row that leaves with another: should this worker die, it may have been said."""
    row.leased_until, row.attempts, row.last_error = leased_until, row.attempts + 1, None


def park(session: Session, row: Outbox, heard: int) -> bool:
    """Let the conversation's messages wait; false if ``row`` has waited too long already.

    If the customer wrote while the send was under way, they fall due again at once.
    """
    until = row.created_at + KEEP
    if clock.now() >= until:
        return False
    written = _heard(session, row.conversation_id) != heard
    session.execute(
        update(Outbox)
        .where(Outbox.conversation_id == row.conversation_id, Outbox.due_at.is_not(None))
        .values(
            due_at=clock.now() if written else until,
            leased_until=None,
            attempts=0,
            last_error=None if written else WAITS,
            reason=None if written else Undelivered.WAITS,
        )
    )
    return True


def nudge(session: Session, row: Outbox) -> Message | None:
    """The message whose waiting the customer should be told of, noted as told; once per wait, and
    only for an agent's words or a promise's."""
    waiting = [
        (other, message)
        for other, message in [
            (row, session.get_one(Message, row.message_id)),
            *record.waiting_behind(session, row),
        ]
        if other.last_error == WAITS
    ]
    if any(other.nudged_at for other, _ in waiting):
        return None
    for other, message in waiting:
        if message.author == Author.AGENT or other.key.startswith(PROMISE):
            other.nudged_at = clock.now()
            return message
    return None


def parked(session: Session, conversation_id: int) -> bool:
    """Whether something waits for this customer's next message."""
    mine = record.of_same_customer(conversation_id)
    found = select(Outbox.id).where(
        Outbox.conversation_id.in_(mine),
        Outbox.due_at.is_not(None),
        Outbox.last_error == WAITS,
    )
    return session.scalar(found.limit(1)) is not None


def resume(session: Session, conversation_id: int) -> None:
    """The customer wrote: what waited for it falls due, or may leave as the answer to that."""
    held = session.get_one(Conversation, conversation_id).held_until
    _fall_due(session, record.of_same_customer(conversation_id), held)


def let_agents_through(session: Session) -> None:
    """An agent's new message waits behind what waits for the customer: both leave together."""
    _fall_due(
        session,
        select(Outbox.conversation_id)
        .join(Message, Message.id == Outbox.message_id)
        .where(
            Outbox.due_at <= clock.now(),
            Outbox.attempts == 0,
            Outbox.last_error.is_(None),
            Message.author == Author.AGENT,
        ),
    )


def _fall_due(session: Session, chosen: Select[int], held: datetime | None = None) -> None:
    session.execute(
        update(Outbox)
        .where(
            Outbox.conversation_id.in_(chosen),
            Outbox.state == Delivery.QUEUED,
            Outbox.last_error == WAITS,
            Outbox.leased_until.is_(None),
        )
        .values(
            due_at=max(clock.now(), held or clock.now()), attempts=0, last_error=None, reason=None
        ),
        execution_options={"synchronize_session": False},
    )


def _that_fit(
    first: Message, behind: Sequence[tuple[Outbox, Message]], can: Capabilities
) -> Iterator[tuple[Outbox, Message]]:
    """As many of ``behind`` as are one part with ``first``; none that was tried by itself."""
    text = words(first)
    for other, written in behind:
        text = together(text, words(written))
        if other.attempts or other.parts_sent or _by_itself(written, can) or not fits(text, can):
            return
        yield other, written


def _by_itself(message: Message, can: Capabilities) -> bool:
    """A file leaves by itself, and so do choices that are real buttons."""
    return is_file(message) or (can.buttons and bool(conversations.buttons_of(message)))


def _heard(session: Session, conversation_id: int) -> int:
    """The id of the customer's last message, 0 before the first."""
    return max((message.id for message in record.last_heard(session, conversation_id)), default=0)


def is_file(message: Message) -> bool:
    return message.kind != Kind.TEXT


def together(*texts: str) -> str:
    """Messages that leave as one."""
    return "\n\n".join(texts)


def words(message: Message) -> str:
    """A message where its choices are words already."""
    buttons = conversations.buttons_of(message)
    return numbered(message.text, buttons) if buttons else message.text
