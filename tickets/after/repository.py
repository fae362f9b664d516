"""Every query on what customers were asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from conversations.models import Audience, Author, Message
from tickets import repository as tickets
from tickets.after.models import Ask, AskKind
from tickets.models import Ticket

MOST = 8
"""Questions that one message can be the answer to."""


def hold(session: Session, ask_id: int) -> Ask:
    """Read it afresh and keep others from answering it until this transaction ends: its ticket
    first, as everybody does, so that no colleague changes that beside the answer."""
    ticket_id = session.scalar(select(Ask.ticket_id).where(Ask.id == ask_id))
    if ticket_id is not None:
        tickets.hold(session, session.get_one(Ticket, ticket_id))
    return session.get_one(Ask, ask_id, with_for_update=True, populate_existing=True)


def by_key(session: Session, key: str) -> Ask | None:
    return session.scalar(select(Ask).where(Ask.key == key))


def asked(session: Session, customer_id: int, since: datetime) -> Sequence[Ask]:
    """What this customer was asked after ``since``, newest first."""
    return session.scalars(
        select(Ask)
        .where(Ask.customer_id == customer_id, Ask.asked_at >= since)
        .order_by(Ask.asked_at.desc(), Ask.id.desc())
        .limit(MOST)
    ).all()


def of_ticket(session: Session, ticket_id: int, kind: AskKind | None = None) -> Sequence[Ask]:
    """Oldest first."""
    query = select(Ask).where(Ask.ticket_id == ticket_id).order_by(Ask.id)
    return session.scalars(query.where(Ask.kind == kind) if kind else query).all()


_SHOWN = (AskKind.FOLLOW_UP, AskKind.SCORE)


def after_ticket(session: Session, ticket_id: int) -> Sequence[Ask]:
    """The follow-ups and scores of a ticket, asked or planned, oldest first."""
    return session.scalars(
        select(Ask).where(Ask.ticket_id == ticket_id, Ask.kind.in_(_SHOWN)).order_by(Ask.id)
    ).all()


def in_conversation(session: Session, conversation_id: int) -> Sequence[Ask]:
    """The follow-ups and scores of what was talked of here, oldest first."""
    return session.scalars(
        select(Ask)
        .where(
            Ask.conversation_id == conversation_id,
            Ask.kind.in_(_SHOWN),
            Ask.asked_at.is_not(None),
        )
        .order_by(Ask.id)
    ).all()


def spoke_since(session: Session, conversation_ids: Collection[int], after: int, to: int) -> bool:
    """Whether the bot or a person said anything to the customer between two messages."""
    found = session.scalar(
        select(Message.id)
        .where(
            Message.conversation_id.in_(conversation_ids),
            Message.id > after,
            Message.id < to,
            Message.author.in_((Author.BOT, Author.AGENT)),
            Message.audience == Audience.EVERYONE,
        )
        .limit(1)
    )
    return found is not None


def anger_in(session: Session, conversation_id: int) -> int:
    """The signs of anger that were counted in a customer's messages."""
    payloads = session.scalars(
        select(Message.payload).where(
            Message.conversation_id == conversation_id, Message.author == Author.CUSTOMER
        )
    )
    return sum(int(payload.get("anger", 0)) for payload in payloads)


def count_low(session: Session, most: int = 100) -> int:
    """How many there are; ``most`` for that many or more."""
    some = select(Ask.id).where(Ask.attention).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def mark_seen(session: Session, ask_id: int, staff_id: int) -> None:
    """A supervisor has seen it; the first who did is kept."""
    session.execute(
        update(Ask).where(Ask.id == ask_id, Ask.attention).values(attention=False, seen_by=staff_id)
    )
