"""Tables of shipments and what was scanned of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base


class Status(StrEnum):
    """The one status vocabulary; carriers' own words are kept beside it."""

    NOT_FOUND = "NotFound"
    INFO_RECEIVED = "InfoReceived"
    IN_TRANSIT = "InTransit"
    EXPIRED = "Expired"
    AVAILABLE_FOR_PICKUP = "AvailableForPickup"
    OUT_FOR_DELIVERY = "OutForDelivery"
    DELIVERY_FAILURE = "DeliveryFailure"
    DELIVERED = "Delivered"
    EXCEPTION = "Exception"
    RETURNED = "Returned"


class GoodsClass(StrEnum):
    MEDICINE = "medicine"
    PERISHABLE = "perishable"
    DOCUMENT = "document"
    VALUABLE = "valuable"
    FRAGILE = "fragile"
    GENERAL = "general"


class Shipment(Base):
    """A parcel from order to delivery. Money in yuan."""

    __tablename__ = "shipments"

    id: Mapped[int] = mapped_column(primary_key=True)
    waybill_no: Mapped[str] = mapped_column(String(40), unique=True)
    carrier: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[Status] = mapped_column(String(24), default=Status.INFO_RECEIVED)
    origin: Mapped[str | None] = mapped_column(String(80))
    destination: Mapped[str | None] = mapped_column(String(80))
    sender_name: Mapped[str | None] = mapped_column(String(80))
    sender_phone: Mapped[str | None] = mapped_column(String(24))
    recipient_name: Mapped[str | None] = mapped_column(String(80))
    recipient_phone: Mapped[str | None] = mapped_column(String(24))
    recipient_address: Mapped[str | None] = mapped_column(String(200))
    goods: Mapped[str | None] = mapped_column(String(80))
    goods_class: Mapped[GoodsClass] = mapped_column(String(12), default=GoodsClass.GENERAL)
    declared_value: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    freight: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    eta_from: Mapped[datetime | None]
    eta_to: Mapped[datetime | None]
    courier_name: Mapped[str | None] = mapped_column(String(40))
    courier_phone: Mapped[str | None] = mapped_column(String(24))
    pickup_place: Mapped[str | None] = mapped_column(String(120))
    pickup_code: Mapped[str | None] = mapped_column(String(24))
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Scan(Base):
    """One node of a parcel's road. ``event_id`` is the source's own; a repeat changes nothing."""

    __tablename__ = "scans"
    __table_args__ = (Index("ix_scans_shipment_id_at", "shipment_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipments.id"))
    event_id: Mapped[str] = mapped_column(String(80), unique=True)
    at: Mapped[datetime]
    status: Mapped[Status] = mapped_column(String(24))
    place: Mapped[str | None] = mapped_column(String(120))
    words: Mapped[str | None] = mapped_column(String(300))
    next_place: Mapped[str | None] = mapped_column(String(120))
    next_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(200))
