"""Every query on shipments and scans."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    any_,
    bindparam,
    case,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from parcels.models import ApiKey, Scan, Shipment, Status

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


def locked(session: Session, waybill_nos: Collection[str]) -> dict[str, int]:
    """The ids of the shipments of these numbers, held until the transaction ends.

    Two batches that tell of the same parcels follow each other: the second sees the first's scans.
    """
    held = _ids(session, waybill_nos).order_by(Shipment.id).with_for_update()
    return {row.waybill_no: row.id for row in session.execute(held)}


def ids(session: Session, waybill_nos: Collection[str]) -> dict[str, int]:
    """The ids of those shipments of these numbers that exist."""
    return {row.waybill_no: row.id for row in session.execute(_ids(session, waybill_nos))}


def known_events(session: Session, source: str, event_ids: Collection[str]) -> dict[str, int]:
    """Which of these scans are stored, and of which shipment."""
    rows = session.execute(
        select(Scan.event_id, Scan.shipment_id).where(
            Scan.source == source, one_of(session, Scan.event_id, event_ids)
        )
    )
    return {row.event_id: row.shipment_id for row in rows}


def add_scans(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many at once; one that another transaction has added meanwhile stays as it is."""
    if rows:
        session.execute(insert_into(session, Scan).on_conflict_do_nothing(), rows)


def add_or_change_shipments(
    session: Session, rows: Sequence[Mapping[str, Any]], changed: Collection[str]
) -> None:
    """Insert many at once; of those whose number is known only the columns ``changed`` change."""
    adding = insert_into(session, Shipment)
    number = [Shipment.waybill_no]
    if changed:
        values = {name: adding.excluded[name] for name in changed}
        adding = adding.on_conflict_do_update(index_elements=number, set_=values)
    else:
        adding = adding.on_conflict_do_nothing(index_elements=number)
    session.execute(adding, rows)


def follow_scans(session: Session, shipment_ids: Collection[int]) -> None:
    """Give these shipments the state of their newest scan that has one."""
    newest = (
        select(Scan.status)
        .where(Scan.shipment_id == Shipment.id, Scan.status.is_not(None))
        .order_by(*_NEWEST_FIRST)
        .limit(1)
        .scalar_subquery()
    )
    session.execute(
        update(Shipment)
        .where(one_of(session, Shipment.id, shipment_ids))
        .values(status=func.coalesce(newest, Shipment.status)),
        execution_options={"synchronize_session": False},
    )


def api_key(session: Session, key: str) -> ApiKey | None:
    return session.scalar(select(ApiKey).where(ApiKey.key == key))


def api_keys(session: Session) -> Sequence[ApiKey]:
    return session.scalars(select(ApiKey).order_by(ApiKey.id)).all()


def _ids(session: Session, waybill_nos: Collection[str]) -> Select[str, int]:
    wanted = one_of(session, Shipment.waybill_no, waybill_nos)
    return select(Shipment.waybill_no, Shipment.id).where(wanted)


def insert_into(session: Session, table: type[Any]) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table.__table__)


def one_of(
    session: Session, column: InstrumentedAttribute[Any], values: Iterable[Any]
) -> ColumnElement[bool]:
    """``column IN values`` as one parameter: the same statement however many there are."""
    listed = list(values)
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(bindparam(None, listed, type_=ARRAY(column.type)))
    return column.in_(select(func.json_each(json.dumps(listed)).table_valued("value").c.value))
