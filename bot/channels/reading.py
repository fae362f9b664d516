"""What a customer may read of the record, and the state of his conversation.

A message of ours is readable once the outbox has sent it, in the record's order: one that is still
on its way holds back those behind it, so that a reader who asks for "everything after message N"
misses nothing. A message that was given up is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from conversations import attachments
from conversations import repository as record
from conversations import service as conversations
from conversations.models import (
    Audience,
    Author,
    Conversation,
    Customer,
    Delivery,
    Holder,
    Inbox,
    Kind,
    Message,
    Outbox,
)
from conversations.schemas import Attached, Button
from handoff import repository as cases
from handoff.models import CaseState, Staff


@dataclass(frozen=True, slots=True)
class Words:
    """One readable message. ``outside_id`` is the customer's own id of what he wrote."""

    id: int
    conversation_id: int
    author: Author
    name: str | None
    text: str
    buttons: tuple[Button, ...]
    at: datetime
    outside_id: str | None
    files: tuple[Attached, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Who speaks: ``place`` in the queue counts from 1 and ``contact_by`` is the time promised
    while a person is awaited, ``agent`` is the display name of the person who has it."""

    holder: Holder
    typing: bool
    agent: str | None = None
    place: int | None = None
    contact_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the customer's own words have come, as message ids: ``delivered`` to whoever answers,
    ``read`` by the bot or a person. 0: none of this episode."""

    delivered: int = 0
    read: int = 0


QUIET = State(Holder.BOT, typing=False)
"""The state of somebody who has written nothing yet."""


_QUEUED = (
    select(Outbox.id)
    .where(
        Outbox.conversation_id == bindparam("conversation_id"),
        Outbox.message_id > bindparam("after"),
        Outbox.state == Delivery.QUEUED,
    )
    .limit(1)
)


def after(session: Session, customer: Customer, message_id: int, limit: int) -> list[Words]:
    """The first ``limit`` messages after ``message_id``, oldest first."""
    rows = session.execute(
        _readable(customer.id).where(Message.id > message_id).order_by(Message.id).limit(limit)
    )
    return _until_one_on_its_way(session, [tuple(row) for row in rows])


def latest(
    session: Session, customer: Customer, limit: int, *, before: int | None = None
) -> tuple[list[Words], bool]:
    """The last ``limit`` messages (before ``before``), oldest first; whether there are earlier."""
    query = _readable(customer.id)
    if before is not None:
        query = query.where(Message.id < before)
    rows = [tuple(r) for r in session.execute(query.order_by(Message.id.desc()).limit(limit + 1))]
    return _until_one_on_its_way(session, rows[:limit][::-1]), len(rows) > limit


def last_id(session: Session, customer: Customer) -> int:
    """The id of this customer's newest message of any kind; 0 if there is none."""
    return (
        session.scalar(
            select(func.max(Message.id))
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(Conversation.customer_id == customer.id)
        )
        or 0
    )


def on_its_way(session: Session, conversation_id: int, after_message: int = 0) -> bool:
    """Whether something is queued for the customer behind this message."""
    asked = {"conversation_id": conversation_id, "after": after_message}
    return session.scalar(_QUEUED, asked) is not None


def state(session: Session, conversation: Conversation | None) -> State:
    """Who speaks at present, and whether an answer is being made."""
    if conversation is None:
        return QUIET
    match Holder(conversation.holder):
        case Holder.WAITING:
            case = cases.open_case(session, conversation.id)
            if case is None or case.state != CaseState.WAITING:
                return State(Holder.WAITING, typing=False)
            place = cases.waiting_before(session, case) + 1
            return State(Holder.WAITING, False, place=place, contact_by=case.contact_by)
        case Holder.AGENT:
            person = session.get(Staff, conversation.staff_id) if conversation.staff_id else None
            return State(Holder.AGENT, typing=False, agent=person.name if person else None)
        case Holder.BOT:
            typing = _unhandled(session, conversation.id) or on_its_way(session, conversation.id)
            return State(Holder.BOT, typing=typing)


def progress(session: Session, conversation: Conversation | None) -> Progress:
    """What a customer may know about the words he wrote last."""
    if conversation is None:
        return Progress()
    delivered = session.scalar(
        select(Inbox.message_id)
        .where(Inbox.conversation_id == conversation.id, Inbox.handled_at.is_not(None))
        .order_by(Inbox.id.desc())
        .limit(1)
    )
    read = session.scalar(
        select(Message.id)
        .where(
            Message.conversation_id == conversation.id,
            # A person's note, or that he took the case, shows as well that he has read.
            or_(Message.author == Author.BOT, Message.staff_id.is_not(None)),
        )
        .order_by(Message.id.desc())
        .limit(1)
    )
    return Progress(delivered or 0, read or 0)


def unconfirmed(session: Session, customer: Customer, arrived: int, seen: int) -> bool:
    """Whether ``confirm`` would change anything: a look that takes no lock."""
    return (
        session.scalar(
            select(Outbox.id)
            .join(Conversation, Conversation.id == Outbox.conversation_id)
            .where(
                Conversation.customer_id == customer.id,
                or_(*(_before(step, up_to) for step, up_to in _steps(arrived, seen))),
            )
            .limit(1)
        )
        is not None
    )


def confirm(session: Session, customer: Customer, arrived: int, seen: int) -> list[int]:
    """What was sent has reached the customer's device up to message ``arrived``, and his eyes up to
    ``seen``; the conversations changed."""
    mine = select(Conversation.id).where(Conversation.customer_id == customer.id)
    changed: set[int] = set()
    for step, up_to in _steps(arrived, seen):
        changed |= set(
            session.scalars(
                update(Outbox)
                .where(Outbox.conversation_id.in_(mine), _before(step, up_to))
                .values(state=step)
                .returning(Outbox.conversation_id),
                execution_options={"synchronize_session": False},
            )
        )
    return sorted(changed)


def _steps(arrived: int, seen: int) -> tuple[tuple[Delivery, int], ...]:
    return (Delivery.READ, seen), (Delivery.DELIVERED, arrived)


def _before(step: Delivery, up_to: int) -> ColumnElement[bool]:
    """Rows up to a message that have not come so far yet."""
    earlier = (Delivery.SENT, Delivery.DELIVERED) if step is Delivery.READ else (Delivery.SENT,)
    return and_(Outbox.message_id <= up_to, Outbox.state.in_(earlier))


def visitor(
    session: Session, channel: str, account: str, address: str
) -> tuple[Customer, Conversation | None] | None:
    """The customer behind an address with his latest episode; ``None`` before his first words."""
    customer = record.customer(session, channel, account, address)
    if customer is None:
        return None
    return customer, record.latest_conversation(session, customer.id)


def _unhandled(session: Session, conversation_id: int) -> bool:
    return (
        session.scalar(
            select(Inbox.id)
            .where(
                Inbox.conversation_id == conversation_id,
                Inbox.handled_at.is_(None),
                Inbox.due_at.is_not(None),
            )
            .limit(1)
        )
        is not None
    )


def _readable(customer_id: int) -> Select[Message, Delivery, str, str]:
    return (
        select(Message, Outbox.state, Inbox.outside_id, Staff.name)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .outerjoin(Outbox, Outbox.message_id == Message.id)
        .outerjoin(Inbox, Inbox.message_id == Message.id)
        .outerjoin(Staff, Staff.id == Message.staff_id)
        .where(
            Conversation.customer_id == customer_id,
            Message.audience == Audience.EVERYONE,
            Message.kind.not_in((Kind.EVENT, Kind.NOTE)),
            or_(Message.author == Author.CUSTOMER, Outbox.state != Delivery.FAILED),
        )
    )


def _until_one_on_its_way(session: Session, rows: list[tuple[Any, ...]]) -> list[Words]:
    found: list[Words] = []
    beside = attachments.beside(session, [row[0] for row in rows])
    for message, delivery, outside_id, name in rows:
        if delivery == Delivery.QUEUED:
            break
        found.append(
            Words(
                id=message.id,
                conversation_id=message.conversation_id,
                author=Author(message.author),
                name=name,
                text=message.text,
                buttons=conversations.buttons_of(message),
                at=message.created_at,
                outside_id=outside_id,
                files=beside.get(message.id, ()),
            )
        )
    return found
