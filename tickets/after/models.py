"""The table of what the house asked a customer with an answer that it knows what to do with."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due


class AskKind(StrEnum):
    PROPOSAL = "proposal"
    """what we propose: does he agree?"""
    CLOSED = "closed"
    """it is closed: he may say that it is not solved"""
    FOLLOW_UP = "follow_up"
    """some hours later: is it really solved?"""
    SCORE = "score"
    """one to five"""


class Ask(Due, Base):
    """A question to a customer and his answer. ``key`` makes it be asked once.

    ``due_at`` is when it is to be asked; once asked, when silence is taken for an answer.
    ``message_id`` is the message that asked, ``told_id`` the last of ours that belongs to it: plain
    words right after that one answer it. ``yes`` or ``score`` is the answer, ``remark`` his words
    beside it. ``staff_id`` and ``team`` had the ticket or talked with him. ``attention`` stands
    until a supervisor has seen a low score.
    """

    __tablename__ = "asks"
    __table_args__ = (
        Index("ix_asks_customer_id_asked_at", "customer_id", "asked_at"),
        Index("ix_asks_ticket_id", "ticket_id"),
        Index("ix_asks_conversation_id", "conversation_id"),
        Index(
            "ix_asks_attention",
            "id",
            sqlite_where=text("attention = 1"),  # as it is asked there, else it is not used
            postgresql_where=text("attention"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[AskKind] = mapped_column(String(10))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    staff_id: Mapped[int | None]
    team: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"))
    told_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"))
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    yes: Mapped[bool | None]
    score: Mapped[int | None]
    remark: Mapped[str | None]
    attention: Mapped[bool] = mapped_column(default=False)
    seen_by: Mapped[int | None]
