"""Tables of notices: who wants to be told what, and what is to be told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due


class Node(StrEnum):
    """What customers are told of without asking. ``HUB``: there, and nobody says in or out."""

    PICKED_UP = "picked_up"
    HUB_IN = "hub_in"
    HUB_OUT = "hub_out"
    HUB = "hub"
    OUT_FOR_DELIVERY = "out_for_delivery"
    AVAILABLE = "available"
    DELIVERED = "delivered"
    ATTEMPTED = "attempted"
    EXCEPTION = "exception"
    RETURNING = "returning"
    RETURNED = "returned"
    INCIDENT = "incident"


class NoticeWish(Base):
    """Whether a customer wants messages about a parcel, and at which nodes (None: those that are
    usual on his channel). ``waybill_no`` empty: what holds for parcels he proves from now on.

    Customers are customers of one channel: a wish on another channel is another row.
    """

    __tablename__ = "notice_wishes"
    __table_args__ = (UniqueConstraint("customer_id", "waybill_no"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    waybill_no: Mapped[str] = mapped_column(String(40), index=True)
    wanted: Mapped[bool]
    nodes: Mapped[list[Any] | None]
    at: Mapped[datetime]


class Notice(Due, Base):
    """A scan (or an incident) that a customer may be told of; ``message_id`` once he was.

    Many are never told: merged into a later one, not wanted, or no longer true.
    ``facts`` are what an incident's words need (parcels/notices.py:Incident).
    """

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("customer_id", "shipment_id", "scan_id"),
        UniqueConstraint("customer_id", "shipment_id", "incident_id"),
        Index("ix_notices_customer_id_message_id", "customer_id", "message_id"),
        Index(
            "ix_notices_waiting",
            "customer_id",
            "id",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipments.id"))
    scan_id: Mapped[int | None] = mapped_column(ForeignKey("scans.id"))
    incident_id: Mapped[int | None]
    facts: Mapped[dict[str, Any] | None]
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"))
    created_at: Mapped[datetime]
