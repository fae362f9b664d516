"""Shapes at the edge: shipments and scans as other people's files and programs give them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from parcels.models import GoodsClass, Status, SubStatus
from parcels.waybills import canonical


def _waybill_no(typed: str) -> str:
    number = canonical(typed)
    if not 6 <= len(number) <= 40:  # again: a sign may stand for three
        raise ValueError("a waybill number has 6 to 40 letters and digits")
    return number


def _in_our_time(at: datetime) -> datetime:
    if not 2000 <= at.year < 2200:
        raise ValueError("a year from 2000 to 2199")
    return at


WaybillNo = Annotated[str, Field(min_length=6, max_length=40), AfterValidator(_waybill_no)]

When = Annotated[AwareDatetime, AfterValidator(_in_our_time)]
"""Other years are a clock that was never set, or cannot be turned into UTC."""
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""PostgreSQL keeps every character but this one."""


class ScanIn(BaseModel):
    """A node of a parcel's road. ``status`` follows from ``sub_status`` where only that is given;
    null means that the state is not known and stays as it was. ``code`` is the source's own."""

    model_config = ConfigDict(extra="forbid")

    at: When
    status: Status | None = Status.IN_TRANSIT
    sub_status: SubStatus | None = None
    code: Annotated[Text | None, Field(max_length=40)] = None
    event_id: Annotated[Text | None, Field(max_length=80)] = None
    place: Annotated[Text | None, Field(max_length=120)] = None
    words: Annotated[Text | None, Field(max_length=300)] = None
    next_place: Annotated[Text | None, Field(max_length=120)] = None
    next_at: When | None = None
    reason: Annotated[Text | None, Field(max_length=200)] = None
    courier_name: Annotated[Text | None, Field(max_length=40)] = None
    courier_phone: Annotated[Text | None, Field(max_length=24)] = None

    @model_validator(mode="after")
    def _one_state(self) -> Self:
        if self.sub_status is not None and self.sub_status.status != self.status:
            if "status" in self.model_fields_set:
                raise ValueError("sub_status belongs to another status")
            self.status = self.sub_status.status
        return self


class ScanEvent(ScanIn):
    """A scan as the API takes it. ``event_id`` is the sender's own and makes a repeat harmless."""

    waybill_no: WaybillNo
    event_id: Annotated[Text, Field(min_length=1, max_length=80)]


class ParcelIn(BaseModel):
    """What is known of a parcel besides its scans; only the number is required."""

    model_config = ConfigDict(extra="forbid")

    waybill_no: WaybillNo
    carrier: Annotated[Text | None, Field(max_length=40)] = None
    origin: Annotated[Text | None, Field(max_length=80)] = None
    destination: Annotated[Text | None, Field(max_length=80)] = None
    sender_name: Annotated[Text | None, Field(max_length=80)] = None
    sender_phone: Annotated[Text | None, Field(max_length=24)] = None
    recipient_name: Annotated[Text | None, Field(max_length=80)] = None
    recipient_phone: Annotated[Text | None, Field(max_length=24)] = None
    recipient_address: Annotated[Text | None, Field(max_length=200)] = None
    goods: Annotated[Text | None, Field(max_length=80)] = None
    goods_class: GoodsClass = GoodsClass.GENERAL
    declared_value: Annotated[Decimal | None, Field(ge=0, max_digits=12, decimal_places=2)] = None
    freight: Annotated[Decimal | None, Field(ge=0, max_digits=12, decimal_places=2)] = None
    eta_from: When | None = None
    eta_to: When | None = None
    courier_name: Annotated[Text | None, Field(max_length=40)] = None
    courier_phone: Annotated[Text | None, Field(max_length=24)] = None
    pickup_place: Annotated[Text | None, Field(max_length=120)] = None
    pickup_code: Annotated[Text | None, Field(max_length=24)] = None
    wechat_token: Annotated[Text | None, Field(min_length=1, max_length=128)] = None


class ShipmentIn(ParcelIn):
    """A parcel with its scans; without a status the newest scan decides."""

    status: Status | None = None
    scans: list[ScanIn] = []

    def latest(self) -> datetime | None:
        """When the newest scan was taken."""
        return max((scan.at for scan in self.scans), default=None)
