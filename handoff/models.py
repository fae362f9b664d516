"""Tables of the people: staff, their sign-ins, and the cases handed to them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base


class Role(StrEnum):
    AGENT = "agent"
    SUPERVISOR = "supervisor"


class Staff(Base):
    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    role: Mapped[Role] = mapped_column(String(12))
    team: Mapped[str] = mapped_column(String(40))
    password_hash: Mapped[str] = mapped_column(String(200))
    wrong_passwords: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class StaffSession(Base):
    """A signed-in browser. Only the fingerprint of its secret is kept."""

    __tablename__ = "staff_sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    csrf: Mapped[str] = mapped_column(String(48))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    expires_at: Mapped[datetime]


class CaseState(StrEnum):
    WAITING = "waiting"
    TAKEN = "taken"
    RESOLVED = "resolved"
    RETURNED = "returned"


class Case(Base):
    """One handoff of a conversation to people, from the request to the end."""

    __tablename__ = "cases"
    __table_args__ = (
        Index("ix_cases_state_urgency_rank_id", "state", "urgency_rank", "id"),
        Index("ix_cases_conversation_id_id", "conversation_id", "id"),
        # A conversation has one open case, whoever asks for it at the same moment.
        Index(
            "uq_cases_open",
            "conversation_id",
            unique=True,
            sqlite_where=text("state IN ('waiting', 'taken')"),
            postgresql_where=text("state IN ('waiting', 'taken')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    state: Mapped[CaseState] = mapped_column(String(10), default=CaseState.WAITING)
    reason: Mapped[str] = mapped_column(String(40))
    rule: Mapped[str] = mapped_column(String(60))
    urgency: Mapped[str] = mapped_column(String(8))
    urgency_rank: Mapped[int]
    team: Mapped[str] = mapped_column(String(40))
    packet: Mapped[dict[str, Any]]
    queued_at: Mapped[datetime]
    contact_by: Mapped[datetime]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    taken_at: Mapped[datetime | None]
    first_reply_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
