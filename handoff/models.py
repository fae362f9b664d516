"""Tables of the people: staff, their sign-ins, and the cases handed to them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due


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
    team_rule: Mapped[str] = mapped_column(String(40), default="")
    owner_id: Mapped[int | None]
    """Who has its ticket and is at work: it is his to take before others."""
    packet: Mapped[dict[str, Any]]
    queued_at: Mapped[datetime]
    contact_by: Mapped[datetime]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    taken_at: Mapped[datetime | None]
    first_reply_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class LookedAt(StrEnum):
    """What of a parcel somebody at the desk saw: its personal data, or that it is a person's."""

    DETAILS = "details"
    SEARCH = "search"


class ParcelLook(Base):
    """A look at personal data: appended, never changed. ``waybill_no`` is empty for a search that
    found nothing; what was searched for is not kept."""

    __tablename__ = "parcel_looks"
    __table_args__ = (Index("ix_parcel_looks_waybill_no_id", "waybill_no", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    waybill_no: Mapped[str] = mapped_column(String(40))
    what: Mapped[LookedAt] = mapped_column(String(8))
    at: Mapped[datetime]


class StaffLink(Base):
    """Who a person at the desk is on Telegram. Of a one-time code only the fingerprint is kept."""

    __tablename__ = "staff_links"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    code: Mapped[str | None] = mapped_column(String(64), unique=True)
    code_until: Mapped[datetime | None]


class TopicProblem(StrEnum):
    """Why a conversation cannot be shown in a group; a supervisor reads each as a sentence."""

    DELETED = "deleted"
    NOT_FORUM = "not_forum"
    NO_RIGHTS = "no_rights"
    NOT_THERE = "not_there"
    REFUSED = "refused"


class Topic(Due, Base):
    """A handed-over conversation shown in a group too, as a topic. The row falls due whenever the
    record holds more than the topic shows; what is done is noted step by step.

    ``thread`` is the topic's number in the group ``chat``, ``card`` the message with the packet of
    ``case_id``; ``shown`` is the last message of the record that stands there.
    """

    __tablename__ = "topics"
    __table_args__ = (
        UniqueConstraint("conversation_id", "chat"),
        UniqueConstraint("chat", "thread"),
        Index("ix_topics_open", "open"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    chat: Mapped[int] = mapped_column(BigInteger)
    thread: Mapped[int | None]
    open: Mapped[bool] = mapped_column(default=False)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"))
    card: Mapped[int | None]
    pinned: Mapped[bool] = mapped_column(default=False)
    shown: Mapped[int] = mapped_column(default=0)
    problem: Mapped[TopicProblem | None] = mapped_column(String(12))
    created_at: Mapped[datetime]


class TopicLine(Base):
    """What somebody wrote in a topic. ``message_id`` is what it became in the record, ``answer``
    what is still to be said to him there. ``held`` are words that put off what the customer was
    promised: ``staff_id`` was asked whether they shall go all the same."""

    __tablename__ = "topic_lines"
    __table_args__ = (UniqueConstraint("topic_id", "outside_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    topic_id: Mapped[int] = mapped_column(ForeignKey("topics.id"))
    outside_id: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"))
    answer: Mapped[str | None]
    staff_id: Mapped[int | None]
    held: Mapped[str | None]
    failure_told: Mapped[bool] = mapped_column(default=False)
