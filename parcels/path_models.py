"""Scans on their way to WeChat, where the sender ordered the parcel in a mini program."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due


class PathState(StrEnum):
    """``skipped``: WeChat has no name for this state. ``failed``: given up, ``last_error`` says
    why."""

    QUEUED = "queued"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"


class PathUpdate(Due, Base):
    """One scan to be told to WeChat once; those of a parcel leave in order."""

    __tablename__ = "path_updates"
    __table_args__ = (Index("ix_path_updates_shipment_id_id", "shipment_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipments.id"))
    scan_id: Mapped[int] = mapped_column(ForeignKey("scans.id"), unique=True)
    state: Mapped[PathState] = mapped_column(String(8), default=PathState.QUEUED)
    sent_at: Mapped[datetime | None]
