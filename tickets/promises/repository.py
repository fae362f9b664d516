"""Every query on promises."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from conversations.models import Conversation
from tickets.models import Ticket
from tickets.promises.models import Promise, PromiseKind, PromiseState

_NEXT_DUE = (
    select(func.min(Promise.by))
    .where(
        Promise.ticket_id == Ticket.id,
        Promise.state == PromiseState.OPEN,
        Promise.left.is_(None),
    )
    .scalar_subquery()
)


def made_to(session: Session, conversation_ids: Collection[int]) -> Sequence[Promise]:
    """Everything promised in these conversations, in order."""
    return session.scalars(
        select(Promise).where(Promise.conversation_id.in_(conversation_ids)).order_by(Promise.id)
    ).all()


def to_customer(
    session: Session, customer_id: int, *, open_only: bool = False, limit: int = 50
) -> Sequence[Promise]:
    """The last promises to a customer in any of his conversations, newest first."""
    query = (
        select(Promise)
        .join(Conversation, Conversation.id == Promise.conversation_id)
        .where(Conversation.customer_id == customer_id)
    )
    if open_only:
        query = query.where(Promise.state == PromiseState.OPEN)
    return session.scalars(query.order_by(Promise.id.desc()).limit(limit)).all()


def by_message(session: Session, message_id: int) -> Sequence[Promise]:
    """What somebody promised in this message."""
    return session.scalars(
        select(Promise)
        .where(Promise.message_id == message_id, Promise.kind == PromiseKind.WORD)
        .order_by(Promise.id)
    ).all()


def of_ticket(session: Session, ticket_id: int) -> Sequence[Promise]:
    return session.scalars(
        select(Promise).where(Promise.ticket_id == ticket_id).order_by(Promise.id)
    ).all()


def held_open(
    session: Session,
    kinds: Collection[PromiseKind],
    *,
    ticket_id: int | None = None,
    conversation_id: int | None = None,
) -> Sequence[Promise]:
    """Open promises of a ticket or in a conversation, held until this transaction ends.

    Read afresh: whatever broke or was kept a moment ago is not among them.
    """
    mine = (
        Promise.ticket_id == ticket_id
        if ticket_id is not None
        else Promise.conversation_id == conversation_id
    )
    return session.scalars(
        select(Promise)
        .where(mine, Promise.kind.in_(kinds), Promise.state == PromiseState.OPEN)
        .order_by(Promise.id)
        .with_for_update(),
        execution_options={"populate_existing": True},
    ).all()


def hold(session: Session, promise_id: int) -> Promise:
    """Read afresh and kept from others until this transaction ends."""
    return session.get_one(Promise, promise_id, populate_existing=True, with_for_update=True)


def policy_of(session: Session, ticket_id: int) -> int | None:
    """The version of the policy under which a ticket was promised its first time."""
    return session.scalar(
        select(Promise.policy_id)
        .where(Promise.ticket_id == ticket_id, Promise.policy_id.is_not(None))
        .order_by(Promise.id)
        .limit(1)
    )


def note_next_due(session: Session, ticket_id: int) -> None:
    """Keep the ticket's ``next_due_at``. Not a change of the ticket: its version stays."""
    table: Any = Ticket.__table__
    session.execute(update(table).where(table.c.id == ticket_id).values(next_due_at=_NEXT_DUE))


def count_for_attention(session: Session, most: int = 100) -> int:
    """How many there are; ``most`` for that many or more."""
    some = select(Promise.id).where(Promise.attention).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def mark_seen(session: Session, promise_id: int, staff_id: int) -> None:
    """A supervisor has seen that it broke; the first who did is kept."""
    session.execute(
        update(Promise)
        .where(Promise.id == promise_id, Promise.attention)
        .values(attention=False, seen_by=staff_id)
    )


def open_after(session: Session, after: int, limit: int) -> Sequence[Promise]:
    """Open promises with an id above ``after``, in order: to leaf through all of them."""
    return session.scalars(
        select(Promise)
        .where(Promise.id > after, Promise.state == PromiseState.OPEN)
        .order_by(Promise.id)
        .limit(limit)
        .with_for_update()
    ).all()
