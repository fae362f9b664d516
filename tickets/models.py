"""Tables of complaints: the ticket, what happened to it, what belongs to it."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due


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
_OPEN = "state NOT IN ('closed', 'followed_up', 'cancelled')"


def _where(condition: str) -> dict[str, Any]:
    """An index of some rows only, on both engines."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


BY_HAND = "by_hand"
"""Stands for a rule where a person chose the team."""


class WaitingFor(StrEnum):
    """Whose turn it is while we can do nothing: our own working time pauses."""

    CUSTOMER = "customer"
    DEPOT = "depot"
    BRANCH = "branch"


class Ticket(Base):
    """A complaint. ``kind`` is the report_* intent it came from: its class.

    ``version`` counts every change: who writes over one he has not seen is told (``Outdated``).
    While ``waiting_for`` is set the state stands still until ``waiting_until``. ``next_due_at`` is
    when the first of its open promises runs out: the promises keep it, lists order by it.
    """

    __tablename__ = "tickets"
    __table_args__ = (
        Index("ix_tickets_waybill_no_kind", "waybill_no", "kind"),
        Index("ix_tickets_conversation_id", "conversation_id"),
        Index("ix_tickets_customer_id", "customer_id"),
        # Lists: most urgent first, or what runs out first, of all or of one team.
        Index("ix_tickets_open", "urgency_rank", "id", **_where(_OPEN)),
        Index("ix_tickets_team_open", "team", "urgency_rank", "id", **_where(_OPEN)),
        Index("ix_tickets_state", "state", "urgency_rank", "id"),
        Index("ix_tickets_state_id", "state", "id"),
        Index("ix_tickets_staff", "staff_id", "state", "id"),
        Index("ix_tickets_due", "next_due_at", "id", **_where(_OPEN)),
        Index("ix_tickets_team_due", "team", "next_due_at", "id", **_where(_OPEN)),
        Index("ix_tickets_waiting_until", "waiting_until", **_where("waiting_until IS NOT NULL")),
        # One open ticket per waybill and class, whoever opens it at the same moment.
        Index(
            "uq_tickets_open",
            "waybill_no",
            "kind",
            unique=True,
            **_where(f"waybill_no IS NOT NULL AND {_OPEN}"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    idempotency_key: Mapped[str] = mapped_column(String(80), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    urgency: Mapped[Urgency] = mapped_column(String(8))
    urgency_rank: Mapped[int]
    urgency_rule: Mapped[str] = mapped_column(String(40))
    state: Mapped[TicketState] = mapped_column(String(12), default=TicketState.RECEIVED)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    team: Mapped[str] = mapped_column(String(40))
    team_rule: Mapped[str] = mapped_column(String(40), default="")
    """Of teams.yml, by which it is with its team; or who decided otherwise (tickets/routing.py)."""
    staff_id: Mapped[int | None]
    waiting_for: Mapped[WaitingFor | None] = mapped_column(String(8))
    waiting_until: Mapped[datetime | None]
    waiting_why: Mapped[str | None]
    next_due_at: Mapped[datetime | None]
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


class What(StrEnum):
    """What an event says. Each changes the ticket or tells of it; clocks hang on them."""

    OPENED = "opened"
    CONTACT = "contact"
    """the customer came back about the same thing"""
    TOLD = "told"
    """a further fact from the customer"""
    EVIDENCE = "evidence"
    URGENCY = "urgency"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    PROPOSED = "proposed"
    AGREED = "agreed"
    DECLINED = "declined"
    """the customer does not agree: it is accepted again, to be proposed anew"""
    CLOSED = "closed"
    FOLLOWED_UP = "followed_up"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    WAITING = "waiting"
    RESUMED = "resumed"
    COMMENT = "comment"
    """among colleagues and programs: the customer never hears of it"""
    MERGED = "merged"
    SPLIT = "split"
    LINKED = "linked"
    WAYBILL = "waybill"
    """the number of its parcel became known"""
    INCIDENT = "incident"
    """many tickets have its cause: ``details`` say which, until when, and by when it is solved"""
    INCIDENT_OVER = "incident_over"
    OVERDUE = "overdue"
    """a promise was broken: ``details`` say which, and by when it was"""
    LIABILITY = "liability"
    """we answer for it: the time to pay runs"""
    GRANTED = "granted"
    """compensation was granted, or asked for; ``details`` say what, as in all that follow"""
    GRANT_APPROVED = "grant_approved"
    GRANT_REFUSED = "grant_refused"
    AGREEMENT_SIGNED = "agreement_signed"
    PAID = "paid"
    UNPAID = "unpaid"
    PAY_AGAIN = "pay_again"
    REMEDY = "remedy"
    """ordered of the depot"""
    COURIER_CALLED = "courier_called"


class ActorKind(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    SYSTEM = "system"
    API = "api"


class TicketEvent(Base):
    """What happened to a ticket: appended, never changed; the database refuses both other ways.

    ``details`` holds what belongs to ``what`` (from, to, team, until, other …), ``key`` makes an
    event from outside happen once, ``conversation_id`` is where a customer said it.
    """

    __tablename__ = "ticket_events"
    __table_args__ = (
        Index("ix_ticket_events_ticket_id_id", "ticket_id", "id"),
        Index("ix_ticket_events_conversation_id", "conversation_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    key: Mapped[str | None] = mapped_column(String(128), unique=True)
    at: Mapped[datetime]
    actor: Mapped[ActorKind] = mapped_column(String(24))
    actor_name: Mapped[str | None] = mapped_column(String(60))
    staff_id: Mapped[int | None]
    api_key_id: Mapped[int | None]
    what: Mapped[What] = mapped_column(String(40))
    why: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    conversation_id: Mapped[int | None]


class TicketFile(Base):
    """A photo, voice or file as evidence of a ticket: it lies beside a message of the record."""

    __tablename__ = "ticket_files"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    attachment_id: Mapped[int] = mapped_column(
        ForeignKey("attachments.id"), primary_key=True, index=True
    )


class WebhookDelivery(Due, Base):
    """An event on its way to another system. ``public_id`` is the same at every attempt, and so is
    ``body``. Not due and not delivered: a dead letter."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("system", "event_id"),
        Index(
            "ix_webhook_deliveries_dead",
            "due_at",  # null in all of them: SQLite would take the index of due_at alone
            "id",
            **_where("due_at IS NULL AND delivered_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    system: Mapped[str] = mapped_column(String(26))
    event_id: Mapped[int] = mapped_column(ForeignKey("ticket_events.id"))
    body: Mapped[str]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class LinkKind(StrEnum):
    """What ``ticket_id`` is to ``other_id``."""

    RELATED = "related"
    MERGED = "merged"
    SPLIT = "split"


class TicketLink(Base):
    """Two tickets that belong together."""

    __tablename__ = "ticket_links"
    __table_args__ = (
        UniqueConstraint("ticket_id", "other_id"),
        Index("ix_ticket_links_other_id", "other_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    other_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    kind: Mapped[LinkKind] = mapped_column(String(8))


class TicketCounter(Base):
    """The last number given on a day."""

    __tablename__ = "ticket_counters"

    day: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int]


IS_OPEN = text(f"tickets.{_OPEN}")
"""As the indexes of open tickets say it: SQLite takes them for nothing else."""
