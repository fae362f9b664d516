"""Shipments: storing what sources tell, saying where a parcel is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from parcels import eta, history, incidents, ingest, repository
from parcels.eta import Eta, Standing
from parcels.models import Shipment, Status
from parcels.road_models import Incident
from parcels.schemas import ShipmentIn
from store import clock

PERSONAL = frozenset(
    {"sender_name", "sender_phone", "recipient_name", "recipient_phone", "recipient_address"}
)
"""Never said without proof of identity; nor is who the courier is (``Courier``)."""
ENDED = frozenset({Status.DELIVERED, Status.RETURNED})
"""States after which nothing more comes."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What may be told of a parcel to whoever knows its number: no name, address, phone or code.

    ``due`` is the time the source promised last. What is ``late`` or stands longer than is usual
    ``needs_chasing``, unless an incident explains it that is expected to end. By ``next_by`` nine
    of ten parcels had reached the next place; only where the source does not say (``next_at``).
    """

    waybill_no: str
    status: Status
    place: str | None
    at: datetime | None
    next_place: str | None
    next_at: datetime | None
    reason: str | None
    due: datetime | None
    late: bool
    needs_chasing: bool
    next_by: datetime | None
    standing: Standing | None
    incident: Incident | None
    eta: Eta | None


@dataclass(frozen=True, slots=True)
class Courier:
    """Who is on the way with a parcel; of the phone no more than tells one courier from another."""

    name: str
    phone: str | None


def whereabouts(session: Session, shipment: Shipment) -> Whereabouts:
    """The last scan and what comes next, why it stands still, and when it comes."""
    now = clock.now()
    scan = repository.last_scan(session, shipment.id)
    due = shipment.eta_to
    late = shipment.status not in ENDED and due is not None and due < now
    standing = eta.standing(session, shipment, now)
    incident = incidents.for_shipment(session, shipment, now)
    explained = incident is not None and incident.expected_until > now
    unusual = standing is not None and standing.unusual
    return Whereabouts(
        waybill_no=shipment.waybill_no,
        status=shipment.status,
        place=scan.place if scan else None,
        at=scan.at if scan else None,
        next_place=scan.next_place if scan else None,
        next_at=scan.next_at if scan else None,
        reason=scan.reason if scan else None,
        due=due,
        late=late,
        needs_chasing=(late or unusual) and not explained,
        next_by=eta.next_stop(session, shipment, now),
        standing=standing,
        incident=incident,
        eta=eta.window(session, shipment, now),
    )


def courier(session: Session, shipment: Shipment) -> Courier | None:
    """Who brings it, once it is out for delivery. To be told to a proven customer only."""
    if shipment.status != Status.OUT_FOR_DELIVERY:
        return None
    named = [scan for scan in repository.scans(session, shipment.id) if scan.courier_name]
    who = named[-1] if named else shipment
    if not who.courier_name:
        return None
    return Courier(who.courier_name, masked(who.courier_phone))


def masked(phone: str | None) -> str | None:
    """``138****1234``; of a number that is none of China's mobiles only the last four digits."""
    digits = "".join(sign for sign in phone or "" if sign.isascii() and sign.isdigit())
    if len(digits) < 7:
        return None
    mobile = re.fullmatch(r"(?:86)?(1\d{2})\d{4}(\d{4})", digits)
    return f"{mobile[1]}****{mobile[2]}" if mobile else f"****{digits[-4:]}"


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
