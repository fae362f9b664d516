"""The table of promises: what was promised to whom, by when, and the clock that watches it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due
from tickets.models import Urgency


class PromiseKind(StrEnum):
    """What is promised. ``word`` is free: what somebody wrote to the customer."""

    CONTACT = "contact"
    REPLY = "reply"
    NEXT_STEP = "next_step"
    CAUSE = "cause"
    SOLUTION = "solution"
    PAYOUT = "payout"
    COURIER_CALL = "courier_call"
    WORD = "word"


class PromiseState(StrEnum):
    """``withdrawn``: replaced by a nearer time or by its incident's, or its ticket came to an end
    without it."""

    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"


class Topic(StrEnum):
    """What words promise."""

    MONEY = "money"
    DELIVERY = "delivery"
    SOLUTION = "solution"
    NEWS = "news"
    """that somebody gets in touch"""


class Promise(Due, Base):
    """A time given to a customer. ``by`` is that time; ``message_id`` the message that gave it and
    ``words`` what it says, where somebody wrote it (``staff_id``; null: the bot).

    ``due_at`` is when the clock looks at the row next: at ``warn_at``, then at ``by``. While
    ``left`` is set the clock stands still and that much working time is left. ``step`` counts the
    times that were promised for the same thing before, each broken. ``attention`` stands until a
    supervisor has seen that it broke.
    """

    __tablename__ = "promises"
    __table_args__ = (
        Index("ix_promises_conversation_id", "conversation_id"),
        Index("ix_promises_ticket_id", "ticket_id"),
        Index("ix_promises_message_id", "message_id"),
        Index(
            "ix_promises_attention",
            "id",
            sqlite_where=text("attention = 1"),  # as it is asked there, else it is not used
            postgresql_where=text("attention"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"))
    policy_id: Mapped[int | None] = mapped_column(ForeignKey("policy_versions.id"))
    kind: Mapped[PromiseKind] = mapped_column(String(16))
    urgency: Mapped[Urgency] = mapped_column(String(8))
    state: Mapped[PromiseState] = mapped_column(String(10), default=PromiseState.OPEN)
    step: Mapped[int] = mapped_column(default=0)
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"))
    staff_id: Mapped[int | None]
    words: Mapped[str | None]
    waybill_no: Mapped[str | None] = mapped_column(String(40))
    """The parcel, where its delivery is what was promised."""
    made_at: Mapped[datetime]
    by: Mapped[datetime]
    warn_at: Mapped[datetime]
    warned_at: Mapped[datetime | None]
    left: Mapped[timedelta | None]
    ended_at: Mapped[datetime | None]
    attention: Mapped[bool] = mapped_column(default=False)
    seen_by: Mapped[int | None]

    @property
    def kept_at(self) -> datetime | None:
        return self.ended_at if self.state == PromiseState.KEPT else None
