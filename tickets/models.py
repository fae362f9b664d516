"""Tables of complaints: the ticket, what happened to it, what was promised."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base


class Urgency(StrEnum):
    """Colours, most urgent first."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"

    @property
    def rank(self) -> int:
        """0 for red to 3 for green: the order of a queue."""
        return list(Urgency).index(self)


class TicketState(StrEnum):
    RECEIVED = "received"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    PROPOSED = "proposed"
    AGREED = "agreed"
    CLOSED = "closed"
    FOLLOWED_UP = "followed_up"
    CANCELLED = "cancelled"


FINISHED = frozenset({TicketState.CLOSED, TicketState.FOLLOWED_UP, TicketState.CANCELLED})


class Ticket(Base):
    """A complaint. ``kind`` is the report_* intent it came from: its class."""

    __tablename__ = "tickets"
    __table_args__ = (
        Index("ix_tickets_waybill_no_kind", "waybill_no", "kind"),
        Index("ix_tickets_conversation_id", "conversation_id"),
        Index("ix_tickets_customer_id", "customer_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    idempotency_key: Mapped[str] = mapped_column(String(80), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    urgency: Mapped[Urgency] = mapped_column(String(8))
    urgency_rank: Mapped[int]
    urgency_rule: Mapped[str] = mapped_column(String(40))
    state: Mapped[TicketState] = mapped_column(String(12), default=TicketState.RECEIVED)
    team: Mapped[str] = mapped_column(String(40))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    waybill_no: Mapped[str | None] = mapped_column(String(40))
    goods: Mapped[str | None] = mapped_column(String(80))
    goods_class: Mapped[str] = mapped_column(String(12), default="general")
    description: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    contacts: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class TicketEvent(Base):
    """What happened to a ticket: appended, never changed."""

    __tablename__ = "ticket_events"
    __table_args__ = (Index("ix_ticket_events_ticket_id_id", "ticket_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(24))
    staff_id: Mapped[int | None]
    what: Mapped[str] = mapped_column(String(40))
    why: Mapped[str | None]


class PromiseKind(StrEnum):
    CONTACT = "contact"
    SOLUTION = "solution"


class Promise(Base):
    """A time given to a customer, with the message that gave it."""

    __tablename__ = "promises"
    __table_args__ = (Index("ix_promises_conversation_id", "conversation_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    kind: Mapped[PromiseKind] = mapped_column(String(16))
    due_at: Mapped[datetime]
    made_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]


class TicketCounter(Base):
    """The last number given on a day."""

    __tablename__ = "ticket_counters"

    day: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int]
