"""Every query on shipments and scans."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, select, update
from sqlalchemy.orm import Session

from parcels.models import ApiKey, Scan, ServiceCode, Shipment, Status
from store import bulk

_PROGRESS = case(
    {
        Status.NOT_FOUND: 0,
        Status.INFO_RECEIVED: 1,
        Status.IN_TRANSIT: 2,
        Status.EXPIRED: 3,
        Status.EXCEPTION: 4,
        Status.OUT_FOR_DELIVERY: 5,
        Status.DELIVERY_FAILURE: 6,
        Status.AVAILABLE_FOR_PICKUP: 7,
        Status.RETURNED: 8,
        Status.DELIVERED: 9,
    },
    value=Scan.status,
    else_=-1,
)
ROAD = (Scan.at, _PROGRESS, Scan.source, Scan.event_id)
"""The order of a parcel's scans, whatever the order in which they came in. Sources give whole
seconds: of scans of the same instant the one farther along the road is newer."""
_NEWEST_FIRST = tuple(column.desc() for column in ROAD)


_PAGE_STAMP = (
    select(
        *Shipment.__table__.columns,
        select(func.max(Scan.id)).where(Scan.shipment_id == Shipment.id).scalar_subquery(),
    )
    .join(ServiceCode, ServiceCode.shipment_id == Shipment.id)
    .where(ServiceCode.code == bindparam("code"))
)


def by_waybill(session: Session, waybill_no: str) -> Shipment | None:
    return session.scalar(select(Shipment).where(Shipment.waybill_no == waybill_no))


def among(session: Session, waybill_nos: Collection[str]) -> Sequence[Shipment]:
    """The shipments that exist of these numbers: one index look-up each, at any table size."""
    return session.scalars(select(Shipment).where(Shipment.waybill_no.in_(waybill_nos))).all()


def of_person(
    session: Session, name: str, digits: str, since: datetime, limit: int
) -> Sequence[Shipment]:
    """Parcels since then from or to whoever has exactly this name and a phone that ends in these
    digits, newest first."""
    ends = f"%{digits}"
    recipient = (Shipment.recipient_name == name) & Shipment.recipient_phone.like(ends)
    sender = (Shipment.sender_name == name) & Shipment.sender_phone.like(ends)
    return session.scalars(
        select(Shipment)
        .where(recipient | sender, Shipment.created_at > since)
        .order_by(Shipment.id.desc())
        .limit(limit)
    ).all()


def last_scan(session: Session, shipment_id: int) -> Scan | None:
    return session.scalar(
        select(Scan).where(Scan.shipment_id == shipment_id).order_by(*_NEWEST_FIRST).limit(1)
    )


def scans(session: Session, shipment_id: int) -> Sequence[Scan]:
    """The road so far, oldest first."""
    return session.scalars(
        select(Scan).where(Scan.shipment_id == shipment_id).order_by(*ROAD)
    ).all()


def ids(session: Session, waybill_nos: Collection[str]) -> dict[str, int]:
    """The ids of those shipments of these numbers that exist."""
    wanted = bulk.one_of(session, Shipment.waybill_no, waybill_nos)
    numbers = select(Shipment.waybill_no, Shipment.id).where(wanted)
    return dict(session.execute(numbers).all())


def hold(session: Session, shipment_ids: Collection[int]) -> None:
    """Keep these shipments to this transaction: of two batches that tell of the same parcels the
    second waits, and then sees the first's scans. On SQLite every writer is alone anyway."""
    if session.get_bind().dialect.name == "postgresql":
        held = select(Shipment.id).where(bulk.one_of(session, Shipment.id, shipment_ids))
        session.execute(held.order_by(Shipment.id).with_for_update())


def known_events(session: Session, source: str, event_ids: Collection[str]) -> dict[str, int]:
    """Which of these scans are stored, and of which shipment."""
    wanted = bulk.one_of(session, Scan.event_id, event_ids)
    known = select(Scan.event_id, Scan.shipment_id).where(Scan.source == source, wanted)
    return dict(session.execute(known).all())


def add_scans(session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert many at once, and how many were new: one that is known stays as it is."""
    return bulk.insert_rows(session, Scan, rows)


def add_or_change_shipments(
    session: Session, rows: Sequence[Mapping[str, Any]], changed: Collection[str]
) -> None:
    """Insert many at once; of those whose number is known only the columns ``changed`` change."""
    bulk.insert_rows(session, Shipment, rows, key=["waybill_no"], changed=changed)


def follow_scans(session: Session, shipment_ids: Collection[int]) -> None:
    """Give these shipments the state of their newest scan that has one."""
    newest = (
        select(Scan.status)
        .where(Scan.shipment_id == Shipment.id, Scan.status.is_not(None))
        .order_by(*_NEWEST_FIRST)
        .limit(1)
        .scalar_subquery()
    )
    chosen = bulk.one_of(session, Shipment.id, shipment_ids)
    told = select(Shipment.id, newest.label("status")).where(chosen).subquery()
    session.execute(
        update(Shipment)
        # Most scans say once more what the parcel's state is already: nothing is written then.
        .where(Shipment.id == told.c.id, Shipment.status != told.c.status)
        .values(status=told.c.status),
        execution_options={"synchronize_session": False},
    )


def service_codes(session: Session, shipment_ids: Collection[int]) -> dict[int, str]:
    """The codes of those of these shipments that have one."""
    wanted = bulk.one_of(session, ServiceCode.shipment_id, shipment_ids)
    codes = select(ServiceCode.shipment_id, ServiceCode.code).where(wanted)
    return dict(session.execute(codes).all())


def add_service_codes(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """One that another transaction has added meanwhile stays as it is."""
    bulk.insert_rows(session, ServiceCode, rows)


def by_service_code(session: Session, code: str) -> Shipment | None:
    return session.scalar(
        select(Shipment)
        .join(ServiceCode, ServiceCode.shipment_id == Shipment.id)
        .where(ServiceCode.code == code)
    )


def page_stamp(session: Session, code: str) -> tuple[Any, ...] | None:
    """Changes whenever a parcel or its scans do; None if no parcel has this code. One look-up:
    open pages ask it again and again."""
    row = session.execute(_PAGE_STAMP, {"code": code}).one_or_none()
    return None if row is None else tuple(row)


def api_key(session: Session, key: str) -> ApiKey | None:
    return session.scalar(select(ApiKey).where(ApiKey.key == key))


def api_keys(session: Session) -> Sequence[ApiKey]:
    return session.scalars(select(ApiKey).order_by(ApiKey.id)).all()
