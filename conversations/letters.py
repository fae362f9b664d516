"""Dead letters: messages that never reached their customer, and customers' words without an answer.

A supervisor tries them again or gives them up for good. Each is one conditional update, so that
doing it twice does it once; who did it stands in the transcript.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from conversations import service as conversations
from conversations.models import (
    Audience,
    Author,
    Conversation,
    Customer,
    Delivery,
    Inbox,
    Kind,
    Message,
    Outbox,
)
from store import clock
from store.errors import NotFound

Letter = tuple[Any, Message, Conversation, Customer]
"""An Outbox or Inbox row that was given up, and whose it is."""

_UNANSWERED = (Inbox.due_at.is_(None), Inbox.handled_at.is_(None))


def undelivered(
    session: Session, *, channel: str = "", before: int | None = None, limit: int
) -> Sequence[Letter]:
    """Our messages that were given up, newest first."""
    return _letters(session, Outbox, (Outbox.state == Delivery.FAILED,), channel, before, limit)


def unanswered(session: Session, *, channel: str = "", limit: int) -> Sequence[Letter]:
    """Customers' messages whose answer failed too often, newest first."""
    return _letters(session, Inbox, _UNANSWERED, channel, None, limit)


def channels(session: Session) -> dict[str, int]:
    """How many letters lie there, by channel."""
    found: dict[str, int] = {}
    for table, dead in ((Outbox, (Outbox.state == Delivery.FAILED,)), (Inbox, _UNANSWERED)):
        counted: Any = select(Customer.channel, func.count()).select_from(table)
        counted = _joined(counted, table).where(*dead).group_by(Customer.channel)
        for channel, count in session.execute(counted):
            found[channel] = found.get(channel, 0) + count
    return dict(sorted(found.items()))


def resend(session: Session, outbox_id: int, staff_id: int) -> int | None:
    """Send it again, from the part that failed; its conversation, ``None`` if nothing failed."""
    values = {"state": Delivery.QUEUED, **_due(0), "reason": None, "nudged_at": None}
    return _once(session, Outbox, outbox_id, (Outbox.state == Delivery.FAILED,), values,
                 "resent", staff_id)  # fmt: skip


def drop(session: Session, outbox_id: int, staff_id: int) -> int | None:
    """Give it up for good; its conversation, ``None`` if it did not fail."""
    values = {"state": Delivery.DROPPED}
    return _once(session, Outbox, outbox_id, (Outbox.state == Delivery.FAILED,), values,
                 "dropped", staff_id)  # fmt: skip


def ask_again(session: Session, inbox_id: int, staff_id: int) -> int | None:
    """Answer the customer's message after all; one attempt counts as made, so that an answer the
    bot gave then stands."""
    return _once(session, Inbox, inbox_id, _UNANSWERED, _due(1), "asked_again", staff_id)


def leave(session: Session, inbox_id: int, staff_id: int) -> int | None:
    """Leave the customer's message without an answer."""
    values = {"handled_at": clock.now()}
    return _once(session, Inbox, inbox_id, _UNANSWERED, values, "left", staff_id)


def _due(attempts: int) -> dict[str, Any]:
    return {
        "due_at": clock.now(), "leased_until": None, "attempts": attempts, "last_error": None
    }  # fmt: skip


def _once(
    session: Session,
    table: type[Any],
    row_id: int,
    dead: tuple[ColumnElement[bool], ...],
    values: dict[str, Any],
    event: str,
    staff_id: int,
) -> int | None:
    if session.get(table, row_id) is None:
        raise NotFound(f"letter {row_id}")
    conversation_id: int | None = session.scalar(
        update(table)
        .where(table.id == row_id, *dead)
        .values(**values)
        .returning(table.conversation_id),
        execution_options={"synchronize_session": False},
    )
    if conversation_id is not None:
        conversations.append(
            session,
            session.get_one(Conversation, conversation_id),
            Author.SYSTEM,
            event,
            kind=Kind.EVENT,
            audience=Audience.STAFF,
            staff_id=staff_id,
        )
    return conversation_id


def _letters(
    session: Session,
    table: type[Any],
    dead: tuple[ColumnElement[bool], ...],
    channel: str,
    before: int | None,
    limit: int,
) -> Sequence[Letter]:
    found = _joined(select(table, Message, Conversation, Customer), table).where(*dead)
    found = found.join(Message, Message.id == table.message_id)
    if channel:
        found = found.where(Customer.channel == channel)
    if before is not None:
        found = found.where(table.id < before)
    rows = session.execute(found.order_by(table.id.desc()).limit(limit))
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _joined(statement: Any, table: type[Any]) -> Any:
    return statement.join(Conversation, Conversation.id == table.conversation_id).join(
        Customer, Customer.id == Conversation.customer_id
    )
