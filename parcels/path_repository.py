"""Every query on scans that are told to WeChat."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Integer, String, exists, literal, select
from sqlalchemy.orm import Session

from parcels import repository
from parcels.models import Scan, Shipment
from parcels.path_models import PathState, PathUpdate
from store import bulk, clock
from store.base import Instant


def queue(session: Session, shipment_ids: Collection[int]) -> None:
    """Have every scan of these parcels told that is not yet, of those WeChat knows: one statement,
    whatever their number."""
    columns = ["shipment_id", "scan_id", "state", "due_at", "attempts"]
    untold = (
        select(
            Scan.shipment_id,
            Scan.id,
            literal(PathState.QUEUED, String),
            literal(clock.now(), Instant()),
            literal(0, Integer),
        )
        .join(Shipment, Shipment.id == Scan.shipment_id)
        .where(
            bulk.one_of(session, Shipment.id, shipment_ids),
            Shipment.wechat_token.is_not(None),
            ~exists().where(PathUpdate.scan_id == Scan.id),
        )
        .order_by(*repository.ROAD)
    )
    insert = bulk.insert(session, PathUpdate).from_select(columns, untold)
    session.execute(insert.on_conflict_do_nothing())


def told(session: Session, row: PathUpdate) -> tuple[Shipment, Scan]:
    """What a row is about."""
    return session.get_one(Shipment, row.shipment_id), session.get_one(Scan, row.scan_id)


def of_shipment(session: Session, shipment_id: int) -> dict[int, PathUpdate]:
    """How each scan of a parcel stands with WeChat, by the scan's id."""
    rows = session.scalars(select(PathUpdate).where(PathUpdate.shipment_id == shipment_id))
    return {row.scan_id: row for row in rows}
