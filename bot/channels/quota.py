"""Channels that may send only so much after each of the customer's messages (WeChat: 5 in 48 h).

The bot leaves one send to the agent. When more waits than may be sent, messages leave together as
long as they fit in one; what is left waits for the customer's next message, or is given up
visibly after ``KEEP``. The platform's own count has the last word (``NeedsCustomer``).
"""

from __future__ import annotations

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
    alone = row.parts_sent or _perhaps_sent(row, claims=1) or can.buttons or _is_file(message)
    if alone or room <= 0 or 1 + len(behind) <= room:
        return Load(room, heard, message.text)
    text, along = _words(message), []
    for other, written in behind:
        longer = f"{text}\n\n{_words(written)}"
        if other.parts_sent or _perhaps_sent(other) or _is_file(written) or not fits(longer, can):
            break
        # Claimed too: should this worker die, each of them may have been said.
        other.leased_until, other.attempts = leased_until, other.attempts + 1
        text = longer
        along.append(other)
    return Load(room, heard, text if along else message.text, tuple(along))


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


def _perhaps_sent(row: Outbox, claims: int = 0) -> bool:
    """Whether a worker died with it: claimed before (than by ``claims``), and nothing was noted."""
    return row.attempts > claims and not row.last_error


def _is_file(message: Message) -> bool:
    """A file leaves by itself."""
    return message.kind != Kind.TEXT


def _words(message: Message) -> str:
    buttons = conversations.buttons_of(message)
    return numbered(message.text, buttons) if buttons else message.text
