"""Channels that may send only so much after each of the customer's messages (WeChat: 5 in 48 h).

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
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Delivery, Kind, Message, Outbox
from conversations.schemas import Capabilities
from store import clock

KEEP = timedelta(hours=48)
WAITS = "waits for the customer's next message"
RESERVE = 1


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
    if can.reply_quota is None:
        return None
    heard, _ = record.last_heard(session, row.conversation_id)
    behind = record.waiting_behind(session, row)
    people = Author.AGENT in {message.author, *(written.author for _, written in behind)}
    used = record.sent_since_customer_wrote(session, row.conversation_id, queued=False)
    room = can.reply_quota - used - (0 if people else RESERVE)
    if row.attempts > 1:
        # A repeat is the very same message, or a channel that drops repeats would lose what is new.
        along = [(other, written) for other, written in behind if other.attempts > 0]
    elif row.parts_sent or _by_itself(message, can) or room <= 0 or 1 + len(behind) <= room:
        along = []
    else:
        along = list(_that_fit(message, behind, can))
    for other, _ in along:
        # Claimed too: should this worker die, each of them may have been said.
        other.leased_until, other.attempts = leased_until, other.attempts + 1
    text = _together([message, *(written for _, written in along)]) if along else message.text
    return Load(room, heard, text, tuple(other for other, _ in along))


def park(session: Session, row: Outbox, heard: int) -> bool:
    """Let the conversation's messages wait; false if ``row`` has waited too long already.

    If the customer wrote while the send was under way, they fall due again at once.
    """
    until = row.created_at + KEEP
    if clock.now() >= until:
        return False
    written = record.last_heard(session, row.conversation_id)[0] != heard
    session.execute(
        update(Outbox)
        .where(Outbox.conversation_id == row.conversation_id, Outbox.due_at.is_not(None))
        .values(
            due_at=clock.now() if written else until,
            leased_until=None,
            attempts=0,
            last_error=None if written else WAITS,
        )
    )
    return True


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
    """The customer wrote: what waited for it falls due."""
    _fall_due(session, record.of_same_customer(conversation_id))


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


def _fall_due(session: Session, chosen: Select[int]) -> None:
    session.execute(
        update(Outbox)
        .where(
            Outbox.conversation_id.in_(chosen),
            Outbox.state == Delivery.QUEUED,
            Outbox.last_error == WAITS,
        )
        .values(due_at=clock.now(), attempts=0, last_error=None),
        execution_options={"synchronize_session": False},
    )


def _that_fit(
    first: Message, behind: Sequence[tuple[Outbox, Message]], can: Capabilities
) -> Iterator[tuple[Outbox, Message]]:
    """As many of ``behind`` as are one part with ``first``."""
    chosen = [first]
    for other, written in behind:
        chosen.append(written)
        if other.parts_sent or _by_itself(written, can) or not fits(_together(chosen), can):
            return
        yield other, written


def _by_itself(message: Message, can: Capabilities) -> bool:
    """A file leaves by itself, and so do choices that are real buttons."""
    return message.kind != Kind.TEXT or (can.buttons and bool(conversations.buttons_of(message)))


def _together(messages: Sequence[Message]) -> str:
    return "\n\n".join(
        numbered(message.text, buttons) if buttons else message.text
        for message in messages
        for buttons in [conversations.buttons_of(message)]
    )
