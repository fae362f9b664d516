"""Shapes at the edge: shipments and scans as other people's files and programs give them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from parcels.lookup import canonical
from parcels.models import GoodsClass, Status


class ScanIn(BaseModel):
    """A node of a parcel's road."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime
    status: Status = Status.IN_TRANSIT
    event_id: Annotated[str | None, Field(max_length=80)] = None
    place: Annotated[str | None, Field(max_length=120)] = None
    words: Annotated[str | None, Field(max_length=300)] = None
    next_place: Annotated[str | None, Field(max_length=120)] = None
    next_at: AwareDatetime | None = None
    reason: Annotated[str | None, Field(max_length=200)] = None


class ShipmentIn(BaseModel):
    """A shipment with its scans; only the number is required."""

    model_config = ConfigDict(extra="forbid")

    waybill_no: Annotated[str, Field(min_length=6, max_length=40)]
    carrier: Annotated[str | None, Field(max_length=40)] = None
    status: Status | None = None
    origin: Annotated[str | None, Field(max_length=80)] = None
    destination: Annotated[str | None, Field(max_length=80)] = None
    sender_name: Annotated[str | None, Field(max_length=80)] = None
    sender_phone: Annotated[str | None, Field(max_length=24)] = None
    recipient_name: Annotated[str | None, Field(max_length=80)] = None
    recipient_phone: Annotated[str | None, Field(max_length=24)] = None
    recipient_address: Annotated[str | None, Field(max_length=200)] = None
    goods: Annotated[str | None, Field(max_length=80)] = None
    goods_class: GoodsClass = GoodsClass.GENERAL
    declared_value: Annotated[Decimal | None, Field(ge=0, max_digits=12, decimal_places=2)] = None
    freight: Annotated[Decimal | None, Field(ge=0, max_digits=12, decimal_places=2)] = None
    eta_from: AwareDatetime | None = None
    eta_to: AwareDatetime | None = None
    courier_name: Annotated[str | None, Field(max_length=40)] = None
    courier_phone: Annotated[str | None, Field(max_length=24)] = None
    pickup_place: Annotated[str | None, Field(max_length=120)] = None
    pickup_code: Annotated[str | None, Field(max_length=24)] = None
    scans: list[ScanIn] = []

    @field_validator("waybill_no")
    @classmethod
    def _canonical(cls, value: str) -> str:
        number = canonical(value)
        if len(number) < 6:
            raise ValueError("a waybill number has at least 6 letters and digits")
        return number

    def latest(self) -> datetime | None:
        """When the newest scan was taken."""
        return max((scan.at for scan in self.scans), default=None)
