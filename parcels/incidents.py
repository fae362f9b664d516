"""Incidents: why parcels stand still somewhere. Entered by a supervisor, ended by hand."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from parcels import repository, road_repository
from parcels.models import Shipment, Status
from parcels.road_models import Incident, Scope

_ARRIVED = frozenset({Status.DELIVERED, Status.RETURNED, Status.AVAILABLE_FOR_PICKUP})


def for_shipment(session: Session, shipment: Shipment, now: datetime) -> Incident | None:
    """The open incident that explains where this parcel is, the newest if several do.

    It lies on the place of the parcel's newest scan that names one, or on the leg from there: to
    the next place, or, where the source names none, to the shipment's destination.
    """
    if shipment.status in _ARRIVED:
        return None
    known = road_repository.open_incidents(session, now)
    if not known:
        return None
    placed = [scan for scan in repository.scans(session, shipment.id) if scan.place]
    here = placed[-1].place if placed else shipment.origin
    then = (placed[-1].next_place if placed else None) or shipment.destination
    return next((found for found in known if _lies_on(found, here or "", then or "")), None)


def _lies_on(incident: Incident, here: str, then: str) -> bool:
    match incident.scope:
        case Scope.ROUTE:
            return _in(incident.place, here) and _in(incident.to_place or "", then)
        case _:
            return _in(incident.place, here) or _in(incident.place, then)


def _in(named: str, place: str) -> bool:
    """Whether a place is the one named or lies in it: 济南 names 济南转运中心, too."""
    return bool(named) and named.casefold() in place.casefold()
