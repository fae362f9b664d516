"""Every query on tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tickets.models import FINISHED, Promise, Ticket, TicketCounter, TicketEvent


def by_number(session: Session, number: str) -> Ticket | None:
    return session.scalar(select(Ticket).where(Ticket.number == number))


def by_idempotency_key(session: Session, key: str) -> Ticket | None:
    return session.scalar(select(Ticket).where(Ticket.idempotency_key == key))


def open_like(
    session: Session, kind: str, *, waybill_no: str | None, conversation_id: int
) -> Ticket | None:
    """The unfinished ticket of this class and waybill; without a waybill, of this conversation."""
    same = (
        Ticket.waybill_no == waybill_no
        if waybill_no
        else or_(Ticket.waybill_no.is_(None)) & (Ticket.conversation_id == conversation_id)
    )
    return session.scalar(
        select(Ticket)
        .where(same, Ticket.kind == kind, Ticket.state.not_in(FINISHED))
        .order_by(Ticket.id.desc())
        .limit(1)
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


def open_of_conversation(session: Session, conversation_id: int) -> Ticket | None:
    """The newest unfinished ticket that was opened in this conversation."""
    return session.scalar(
        select(Ticket)
        .where(Ticket.conversation_id == conversation_id, Ticket.state.not_in(FINISHED))
        .order_by(Ticket.id.desc())
        .limit(1)
    )


def of_customer(session: Session, customer_id: int, limit: int = 20) -> Sequence[Ticket]:
    """This customer's tickets, newest first."""
    return session.scalars(
        select(Ticket)
        .where(Ticket.customer_id == customer_id)
        .order_by(Ticket.id.desc())
        .limit(limit)
    ).all()


def move(session: Session, from_customer: int, to_customer: int) -> None:
    """Two customers turned out to be one."""
    session.execute(
        update(Ticket).where(Ticket.customer_id == from_customer).values(customer_id=to_customer)
    )


def promises_to(session: Session, conversation_ids: Sequence[int]) -> Sequence[Promise]:
    return session.scalars(
        select(Promise).where(Promise.conversation_id.in_(conversation_ids)).order_by(Promise.id)
    ).all()


def events(session: Session, ticket_id: int) -> Sequence[TicketEvent]:
    return session.scalars(
        select(TicketEvent).where(TicketEvent.ticket_id == ticket_id).order_by(TicketEvent.id)
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
