"""Every query on tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, case, exists, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from conversations.models import Attachment, Author, Message
from tickets.models import (
    IS_OPEN,
    LinkKind,
    Ticket,
    TicketCounter,
    TicketEvent,
    TicketFile,
    TicketLink,
    WaitingFor,
)
from tickets.promises.models import Promise

_PAGE_STAMP = select(
    Ticket.version,
    Ticket.next_due_at,
    select(func.max(TicketEvent.id)).where(TicketEvent.ticket_id == Ticket.id).scalar_subquery(),
    select(func.max(Promise.id)).where(Promise.ticket_id == Ticket.id).scalar_subquery(),
    select(func.max(Promise.ended_at)).where(Promise.ticket_id == Ticket.id).scalar_subquery(),
).where(Ticket.number == bindparam("number"))


def by_number(session: Session, number: str) -> Ticket | None:
    return session.scalar(select(Ticket).where(Ticket.number == number))


def by_idempotency_key(session: Session, key: str) -> Ticket | None:
    return session.scalar(select(Ticket).where(Ticket.idempotency_key == key))


def hold(session: Session, ticket: Ticket) -> None:
    """Read it afresh and keep others from changing it until this transaction ends."""
    session.refresh(ticket, with_for_update=True)


def event_by_key(session: Session, key: str) -> TicketEvent | None:
    return session.scalar(select(TicketEvent).where(TicketEvent.key == key))


def open_like(
    session: Session, kind: str, *, waybill_no: str | None, conversation_id: int
) -> Ticket | None:
    """The unfinished ticket of this class and waybill; without a waybill, of this conversation."""
    same = (
        Ticket.waybill_no == waybill_no
        if waybill_no
        else Ticket.waybill_no.is_(None) & (Ticket.conversation_id == conversation_id)
    )
    return session.scalar(
        select(Ticket).where(same, Ticket.kind == kind, IS_OPEN).order_by(Ticket.id.desc()).limit(1)
    )


def of_conversation(session: Session, conversation_id: int) -> Sequence[Ticket]:
    return session.scalars(
        select(Ticket).where(Ticket.conversation_id == conversation_id).order_by(Ticket.id)
    ).all()


def of_waybill(session: Session, waybill_no: str, limit: int) -> Sequence[Ticket]:
    """All tickets about a parcel, newest first."""
    return session.scalars(
        select(Ticket)
        .where(Ticket.waybill_no == waybill_no)
        .order_by(Ticket.id.desc())
        .limit(limit)
    ).all()


def open_about(session: Session, conversation_id: int) -> Ticket | None:
    """The unfinished ticket that was opened or joined in this conversation: one that waits for the
    customer before others, else the newest."""
    joined = select(TicketEvent.ticket_id).where(TicketEvent.conversation_id == conversation_id)
    return session.scalar(
        select(Ticket)
        .where(Ticket.id.in_(joined), IS_OPEN)
        .order_by(case((Ticket.waiting_for == WaitingFor.CUSTOMER, 0), else_=1), Ticket.id.desc())
        .limit(1)
    )


def loose_files(session: Session, conversation_id: int) -> Sequence[int]:
    """The customer's files of a conversation that are evidence of no ticket yet."""
    return session.scalars(
        select(Attachment.id)
        .join(Message, Message.id == Attachment.message_id)
        .where(
            Message.conversation_id == conversation_id,
            Message.author == Author.CUSTOMER,
            ~exists().where(TicketFile.attachment_id == Attachment.id),
        )
        .order_by(Attachment.id)
    ).all()


def of_customer(session: Session, customer_id: int, limit: int = 20) -> Sequence[Ticket]:
    """This customer's tickets, newest first."""
    return session.scalars(
        select(Ticket)
        .where(Ticket.customer_id == customer_id)
        .order_by(Ticket.id.desc())
        .limit(limit)
    ).all()


def events(session: Session, ticket_id: int) -> Sequence[TicketEvent]:
    return session.scalars(
        select(TicketEvent).where(TicketEvent.ticket_id == ticket_id).order_by(TicketEvent.id)
    ).all()


def page_stamp(session: Session, number: str) -> tuple[Any, ...] | None:
    """Changes whenever a ticket, what happened to it, or what is promised of it does. One look-up:
    open pages ask it again and again."""
    row = session.execute(_PAGE_STAMP, {"number": number}).one_or_none()
    return None if row is None else tuple(row)


def links(session: Session, ticket_id: int) -> Sequence[TicketLink]:
    """Both ways, oldest first."""
    return session.scalars(
        select(TicketLink)
        .where(or_(TicketLink.ticket_id == ticket_id, TicketLink.other_id == ticket_id))
        .order_by(TicketLink.id)
    ).all()


def file_ids(session: Session, ticket_id: int) -> Sequence[int]:
    """The attachments that are evidence of a ticket, in the order they came."""
    return session.scalars(
        select(TicketFile.attachment_id)
        .where(TicketFile.ticket_id == ticket_id)
        .order_by(TicketFile.attachment_id)
    ).all()


def of_file(session: Session, attachment_id: int) -> Ticket | None:
    """The newest ticket that a file is evidence of."""
    return session.scalar(
        select(Ticket)
        .join(TicketFile, TicketFile.ticket_id == Ticket.id)
        .where(TicketFile.attachment_id == attachment_id)
        .order_by(Ticket.id.desc())
        .limit(1)
    )


def merged_into(session: Session, ticket_id: int) -> Ticket | None:
    """The ticket that a merged one went on in."""
    return session.scalar(
        select(Ticket)
        .join(TicketLink, TicketLink.other_id == Ticket.id)
        .where(TicketLink.ticket_id == ticket_id, TicketLink.kind == LinkKind.MERGED)
    )


def waited_out(session: Session, at: datetime, limit: int) -> Sequence[int]:
    """Tickets that wait for somebody whose time is over, those first that waited longest."""
    return session.scalars(
        select(Ticket.id)
        .where(Ticket.waiting_until <= at)
        .order_by(Ticket.waiting_until)
        .limit(limit)
    ).all()


def next_number_of(session: Session, day: date) -> int:
    """Count the day's tickets up by one, in one statement."""
    insert: Any = (
        postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    )
    statement = (
        insert(TicketCounter)
        .values(day=day, last=1)
        .on_conflict_do_update(index_elements=["day"], set_={"last": TicketCounter.last + 1})
        .returning(TicketCounter.last)
    )
    number: int = session.execute(statement).scalar_one()
    return number
