"""Shipments: storing what sources tell, saying where a parcel is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from parcels import history, ingest, repository
from parcels.models import Shipment, Status
from parcels.schemas import ShipmentIn
from store import clock

PERSONAL = frozenset(
    {"sender_name", "sender_phone", "recipient_name", "recipient_phone", "recipient_address"}
)
"""Never said without proof of identity."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What may be told of a parcel to whoever knows its number: no name, address, phone or code."""

    waybill_no: str
    status: Status
    place: str | None
    at: datetime | None
    next_place: str | None
    next_at: datetime | None
    reason: str | None
    eta_from: datetime | None
    eta_to: datetime | None
    late: bool


def whereabouts(session: Session, shipment: Shipment) -> Whereabouts:
    """The last scan and what comes next."""
    scan = repository.last_scan(session, shipment.id)
    done = shipment.status in {Status.DELIVERED, Status.RETURNED}
    return Whereabouts(
        waybill_no=shipment.waybill_no,
        status=shipment.status,
        place=scan.place if scan else None,
        at=scan.at if scan else None,
        next_place=scan.next_place if scan else None,
        next_at=scan.next_at if scan else None,
        reason=scan.reason if scan else None,
        eta_from=shipment.eta_from,
        eta_to=shipment.eta_to,
        late=bool(not done and shipment.eta_to and shipment.eta_to < clock.now()),
    )


def store_shipment(session: Session, given: ShipmentIn, *, demo: bool = False) -> Shipment:
    """Add a shipment or change the one of this number; scans already known stay as they are."""
    shipment = repository.by_waybill(session, given.waybill_no)
    if shipment is None:
        shipment = Shipment(waybill_no=given.waybill_no, created_at=clock.now(), demo=demo)
        session.add(shipment)
        session.flush()
    with history.recounted(session, [shipment.id]):
        for name, value in given.model_dump(exclude={"waybill_no", "scans", "status"}).items():
            if name in given.model_fields_set:
                setattr(shipment, name, value)
        session.flush()
    ingest.scans(session, [ingest.event(given.waybill_no, scan) for scan in given.scans])
    session.refresh(shipment)
    if given.status:
        with history.recounted(session, [shipment.id]):
            shipment.status = given.status
            session.flush()
    return shipment
