"""How far each customer service account has been read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due


class WecomAccount(Due, Base):
    """A customer service account (``open_kfid``). It falls due when WeCom says that something was
    written; the lease makes one puller of all processes.

    ``cursor`` is up to where its messages are stored. ``notes`` counts what WeCom said, so that a
    note during a pull is not lost. ``ticket`` is WeCom's word that lets us ask at once, for ten
    minutes. ``prefix`` begins the ids of what we send: no other database has it.
    """

    __tablename__ = "wecom_accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    open_kfid: Mapped[str] = mapped_column(String(64), unique=True)
    cursor: Mapped[str] = mapped_column(String(128), default="")
    notes: Mapped[int] = mapped_column(default=1)
    ticket: Mapped[str] = mapped_column(String(256), default="")
    ticket_until: Mapped[datetime | None]
    prefix: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime]
