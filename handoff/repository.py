"""Every query on staff and cases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from conversations.models import Author, Conversation, Customer, Message
from handoff.models import Case, CaseState, Staff, StaffSession

OPEN = (CaseState.WAITING, CaseState.TAKEN)


def staff_by_login(session: Session, login: str) -> Staff | None:
    return session.scalar(select(Staff).where(Staff.login == login))


def staff_names(session: Session) -> dict[int, str]:
    return {row.id: row.name for row in session.execute(select(Staff.id, Staff.name))}


def everybody(session: Session) -> Sequence[Staff]:
    """All who work at the desk, by team and name."""
    return session.scalars(select(Staff).order_by(Staff.team, Staff.name)).all()


def move_cases(session: Session, from_ticket: int, to_ticket: int) -> None:
    """A ticket went on in another: so do the conversations people have about it."""
    session.execute(update(Case).where(Case.ticket_id == from_ticket).values(ticket_id=to_ticket))


def taken_about(session: Session, ticket_id: int) -> bool:
    """Whether a person talks with a customer about this ticket at present."""
    found = session.scalar(
        select(Case.id).where(Case.state == CaseState.TAKEN, Case.ticket_id == ticket_id).limit(1)
    )
    return found is not None


def staff_session(session: Session, fingerprint: str, at: datetime) -> StaffSession | None:
    return session.scalar(
        select(StaffSession).where(
            StaffSession.fingerprint == fingerprint, StaffSession.expires_at > at
        )
    )


def open_case(session: Session, conversation_id: int) -> Case | None:
    """The case that people have with this conversation at present."""
    return session.scalar(
        select(Case)
        .where(Case.conversation_id == conversation_id, Case.state.in_(OPEN))
        .order_by(Case.id.desc())
        .limit(1)
    )


def latest_case(session: Session, conversation_id: int) -> Case | None:
    return session.scalar(
        select(Case)
        .where(Case.conversation_id == conversation_id)
        .order_by(Case.id.desc())
        .limit(1)
    )


def waiting_before(session: Session, case: Case) -> int:
    """How many waiting cases are served before this one."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Case)
            .where(
                Case.state == CaseState.WAITING,
                or_(
                    Case.urgency_rank < case.urgency_rank,
                    (Case.urgency_rank == case.urgency_rank) & (Case.id < case.id),
                ),
            )
        )
        or 0
    )


def take_if_free(session: Session, case_id: int, staff_id: int, at: datetime) -> bool:
    """One conditional update: true for exactly one caller."""
    taken = session.execute(
        update(Case)
        .where(Case.id == case_id, Case.state == CaseState.WAITING)
        .values(state=CaseState.TAKEN, staff_id=staff_id, taken_at=at)
        .returning(Case.id)
    ).scalar_one_or_none()
    return taken is not None


def queue(
    session: Session, *, states: Collection[CaseState] = OPEN, limit: int = 200
) -> Sequence[tuple[Case, Conversation, Customer]]:
    """Open cases with their conversation and customer, most urgent and oldest first."""
    query = (
        select(Case, Conversation, Customer)
        .join(Conversation, Conversation.id == Case.conversation_id)
        .join(Customer, Customer.id == Conversation.customer_id)
        .order_by(Case.urgency_rank, Case.id)
        .limit(limit)
    )
    # A state at a time: the index has each in order, of several at once all would be sorted.
    rows = [
        (case, conversation, customer)
        for state in states
        for case, conversation, customer in session.execute(query.where(Case.state == state))
    ]
    return sorted(rows, key=lambda row: (row[0].urgency_rank, row[0].id))[:limit]


def last_words(session: Session, conversation_ids: Collection[int]) -> dict[int, Message]:
    """The customer's last message of each conversation, in one query."""
    if not conversation_ids:
        return {}
    newest = (
        select(func.max(Message.id))
        .where(
            Message.conversation_id.in_(conversation_ids),
            Message.author == Author.CUSTOMER,
        )
        .group_by(Message.conversation_id)
    )
    rows = session.scalars(select(Message).where(Message.id.in_(newest)))
    return {message.conversation_id: message for message in rows}


def recent_conversations(
    session: Session, *, before: int | None = None, limit: int = 50
) -> Sequence[tuple[Conversation, Customer]]:
    """All conversations, newest first: what a supervisor leafs through."""
    query = select(Conversation, Customer).join(Customer, Customer.id == Conversation.customer_id)
    if before is not None:
        query = query.where(Conversation.id < before)
    rows = session.execute(query.order_by(Conversation.id.desc()).limit(limit))
    return [(conversation, customer) for conversation, customer in rows]


def conversations_by_id(
    session: Session, ids: Collection[int]
) -> dict[int, tuple[Conversation, Customer]]:
    rows = session.execute(
        select(Conversation, Customer)
        .join(Customer, Customer.id == Conversation.customer_id)
        .where(Conversation.id.in_(ids))
    )
    return {conversation.id: (conversation, customer) for conversation, customer in rows}


def taken_by(session: Session) -> dict[int, int]:
    """How many open cases each person has."""
    rows = session.execute(
        select(Case.staff_id, func.count())
        .where(Case.state == CaseState.TAKEN)
        .group_by(Case.staff_id)
    )
    return {staff_id: count for staff_id, count in rows if staff_id is not None}
