"""Every query on shipments and scans."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, case, select, update
from sqlalchemy.orm import Session

from parcels.models import ApiKey, Scan, Shipment, Status
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
# Sources give whole seconds: of scans of the same instant the one farther along the road is newer.
# Nothing here depends on the order in which scans came in.
_ROAD = (Scan.at, _PROGRESS, Scan.source, Scan.event_id)
_NEWEST_FIRST = tuple(column.desc() for column in _ROAD)


def by_waybill(session: Session, waybill_no: str) -> Shipment | None:
    return session.scalar(select(Shipment).where(Shipment.waybill_no == waybill_no))


def among(session: Session, waybill_nos: Collection[str]) -> Sequence[Shipment]:
    """The shipments that exist of these numbers: one index look-up each, at any table size."""
    return session.scalars(select(Shipment).where(Shipment.waybill_no.in_(waybill_nos))).all()


def last_scan(session: Session, shipment_id: int) -> Scan | None:
    return session.scalar(
        select(Scan).where(Scan.shipment_id == shipment_id).order_by(*_NEWEST_FIRST).limit(1)
    )


def scans(session: Session, shipment_id: int) -> Sequence[Scan]:
    """The road so far, oldest first."""
    return session.scalars(
        select(Scan).where(Scan.shipment_id == shipment_id).order_by(*_ROAD)
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
    return bulk.insert(session, cast(Table, Scan.__table__), rows)


def add_or_change_shipments(
    session: Session, rows: Sequence[Mapping[str, Any]], changed: Collection[str]
) -> None:
    """Insert many at once; of those whose number is known only the columns ``changed`` change."""
    table = cast(Table, Shipment.__table__)
    bulk.insert(session, table, rows, key=["waybill_no"], changed=changed)


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


def api_key(session: Session, key: str) -> ApiKey | None:
    return session.scalar(select(ApiKey).where(ApiKey.key == key))


def api_keys(session: Session) -> Sequence[ApiKey]:
    return session.scalars(select(ApiKey).order_by(ApiKey.id)).all()
