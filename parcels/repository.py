"""Every query on shipments and scans."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from parcels.models import Scan, Shipment


def by_waybill(session: Session, waybill_no: str) -> Shipment | None:
    return session.scalar(select(Shipment).where(Shipment.waybill_no == waybill_no))


def among(session: Session, waybill_nos: Collection[str]) -> Sequence[Shipment]:
    """The shipments that exist of these numbers: one index look-up each, at any table size."""
    return session.scalars(select(Shipment).where(Shipment.waybill_no.in_(waybill_nos))).all()


def last_scan(session: Session, shipment_id: int) -> Scan | None:
    return session.scalar(
        select(Scan)
        .where(Scan.shipment_id == shipment_id)
        .order_by(Scan.at.desc(), Scan.id.desc())
        .limit(1)
    )


def scans(session: Session, shipment_id: int) -> Sequence[Scan]:
    """The road so far, oldest first."""
    return session.scalars(
        select(Scan).where(Scan.shipment_id == shipment_id).order_by(Scan.at, Scan.id)
    ).all()


def known_events(session: Session, event_ids: Collection[str]) -> set[str]:
    return set(session.scalars(select(Scan.event_id).where(Scan.event_id.in_(event_ids))))
