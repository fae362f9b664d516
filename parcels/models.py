"""Tables of shipments and what was scanned of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, Numeric, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

OWN = "own"
"""The source of what the company's own systems tell."""


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


class SubStatus(StrEnum):
    """What a status means more exactly. The value begins with its status, as 17TRACK writes it."""

    NUMBER_INVALID = "NotFound_InvalidCode"
    ORDERED = "InfoReceived_Ordered"
    PICKUP_PENDING = "InfoReceived_PickupPending"
    PICKED_UP = "InTransit_PickedUp"
    DEPARTED = "InTransit_Departure"
    ARRIVED = "InTransit_Arrival"
    DESTINATION_CITY = "InTransit_DestinationCity"
    FORWARDED = "InTransit_Forwarded"
    IN_CUSTOMS = "InTransit_CustomsProcessing"
    OUT_OF_CUSTOMS = "InTransit_CustomsReleased"
    CUSTOMS_ASK = "InTransit_CustomsRequiringInformation"
    CONTACTED = "OutForDelivery_Contacted"
    APPOINTED = "OutForDelivery_Appointed"
    NOBODY_THERE = "DeliveryFailure_NoBody"
    UNSAFE = "DeliveryFailure_Security"
    REFUSED = "DeliveryFailure_Rejected"
    ADDRESS_WRONG = "DeliveryFailure_InvalidAddress"
    OUT_OF_AREA = "DeliveryFailure_OutOfArea"
    SIGNED = "Delivered_Signed"
    SIGNED_BY_OTHER = "Delivered_SignedByOther"
    COLLECTED = "Delivered_Collected"
    RETURNING = "Exception_Returning"
    UNCLAIMED = "Exception_NoBody"
    HELD = "Exception_Security"
    DAMAGED = "Exception_Damage"
    REJECTED = "Exception_Rejected"
    DELAYED = "Exception_Delayed"
    LOST = "Exception_Lost"
    DESTROYED = "Exception_Destroyed"
    CANCELLED = "Exception_Cancel"

    @property
    def status(self) -> Status:
        return _STATUS_OF[self]


_STATUS_OF = {sub: Status(sub.partition("_")[0]) for sub in SubStatus}


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
    __table_args__ = (
        # The desk finds parcels by a person; the phone lies in the index beside the name.
        Index("ix_shipments_recipient_name_recipient_phone", "recipient_name", "recipient_phone"),
        Index("ix_shipments_sender_name_sender_phone", "sender_name", "sender_phone"),
    )

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
    wechat_token: Mapped[str | None] = mapped_column(String(128))
    """Of WeChat's order event, if the parcel was ordered in a mini program: its scans go there."""
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Scan(Base):
    """One node of a parcel's road. ``event_id`` is the source's own; a repeat changes nothing.

    ``status`` is None where the source's ``code`` is in none of our tables: such a scan says where
    the parcel is, and leaves its state as it was. ``code`` and ``words`` are kept as they came.
    """

    __tablename__ = "scans"
    __table_args__ = (
        UniqueConstraint("source", "event_id"),
        Index("ix_scans_shipment_id_at", "shipment_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipments.id"))
    source: Mapped[str] = mapped_column(String(16), default=OWN, server_default=OWN)
    event_id: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    status: Mapped[Status | None] = mapped_column(String(24))
    sub_status: Mapped[SubStatus | None] = mapped_column(String(40))
    code: Mapped[str | None] = mapped_column(String(40))
    place: Mapped[str | None] = mapped_column(String(120))
    words: Mapped[str | None] = mapped_column(String(300))
    next_place: Mapped[str | None] = mapped_column(String(120))
    next_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(200))
    courier_name: Mapped[str | None] = mapped_column(String(40))
    courier_phone: Mapped[str | None] = mapped_column(String(24))


class ServiceCode(Base):
    """The unguessable code of a parcel's own page, made when somebody first needs the link.

    Kept as it is: it opens less than the parcel's row beside it tells, and the same link is given
    again and again. A row taken away makes every link to that page void.
    """

    __tablename__ = "service_codes"

    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipments.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(24), unique=True)
    created_at: Mapped[datetime]


class Scope(StrEnum):
    """What the holder of an API key may do."""

    PARCELS_WRITE = "parcels:write"
    SCANS_WRITE = "scans:write"
    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    COUPONS_REDEEM = "coupons:redeem"


class ApiKey(Base):
    """A program that may call the API. The secret itself is shown once and never stored."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(24), unique=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
