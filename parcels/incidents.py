"""Incidents: why parcels stand still somewhere. Entered by a supervisor, ended by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from parcels import notices, repository, road_repository
from parcels.models import Shipment, Status
from parcels.road_models import DELAY, Incident, IncidentKind, Scope
from store import clock
from store.errors import BadIncident, NotFound

ARRIVED = frozenset({Status.DELIVERED, Status.RETURNED, Status.AVAILABLE_FOR_PICKUP})
AT_BRANCH = ARRIVED | {Status.OUT_FOR_DELIVERY, Status.DELIVERY_FAILURE}
"""States of a parcel whose last place is the branch that brings it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What staff say of an incident (parcels/road_models.py:Incident)."""

    kind: IncidentKind
    scope: Scope
    place: str
    to_place: str | None
    began_at: datetime
    expected_until: datetime
    words_zh: str = ""
    words_en: str = ""
    concerns: str = DELAY


def enter(session: Session, key: str, given: Report, staff_id: int) -> Incident:
    """A new incident, told to whoever follows a parcel that it holds up; or the one of this ``key``
    if it was entered before."""
    known = road_repository.incident_by_key(session, key)
    if known is not None:
        return known
    if not given.place or (given.scope is Scope.ROUTE and not given.to_place):
        raise BadIncident("no place")
    if given.expected_until <= given.began_at:
        raise BadIncident("over before it begins")
    to_place = given.to_place if given.scope is Scope.ROUTE else None
    incident = Incident(**asdict(given) | {"to_place": to_place}, key=key, created_by=staff_id)
    session.add(incident)
    session.flush()
    if incident.concerns != DELAY:
        return incident
    words = {"zh": incident.words_zh, "en": incident.words_en}
    told = notices.Incident(
        id=incident.id,
        affected=lambda parcel: road_repository.held_up(parcel, incident, ARRIVED),
        reason=incident.kind,
        place=incident.place,
        until=incident.expected_until,
        words={language: said for language, said in words.items() if said},
    )
    notices.tell_of_incident(session, told)
    return incident


def prolong(session: Session, incident_id: int, until: datetime) -> bool:
    """It lasts longer, or shorter, than was thought; False if it is over already."""
    incident = _known(session, incident_id)
    if until <= incident.began_at:
        raise BadIncident("over before it begins")
    if incident.ended_at is None:
        incident.expected_until = until
    return incident.ended_at is None


def end(session: Session, incident_id: int, staff_id: int) -> bool:
    """It is over; False if somebody has said so before."""
    _known(session, incident_id)
    return road_repository.end_incident(session, incident_id, staff_id, clock.now())


def mark_seen(session: Session, incident_id: int, staff_id: int) -> None:
    """A supervisor knows how many it concerns; the first who does is kept."""
    incident = _known(session, incident_id)
    incident.alarm_seen_by = incident.alarm_seen_by or staff_id


def listed(session: Session, ended: int) -> tuple[Sequence[Incident], Sequence[Incident]]:
    """All that nobody has ended, the newest first; and so many that are over."""
    return road_repository.unended(session), road_repository.ended_incidents(session, ended)


def _known(session: Session, incident_id: int) -> Incident:
    incident = session.get(Incident, incident_id)
    if incident is None:
        raise NotFound(f"incident {incident_id}")
    return incident


def for_shipment(session: Session, shipment: Shipment, now: datetime) -> Incident | None:
    """The open incident that explains where this parcel is, the newest if several do.

    It lies on the place of the parcel's newest scan that names one, or on the leg from there: to
    the next place, or, where the source names none, to the shipment's destination.
    """
    if shipment.status in ARRIVED:
        return None
    known = _known_of(session, DELAY, now)
    return _first(known, *leg(session, shipment)) if known else None


def on_leg(session: Session, here: str, then: str, now: datetime, concerns: str) -> Incident | None:
    """The open incident of such complaints about parcels that are here on the way there."""
    return _first(_known_of(session, concerns, now), here, then)


def _known_of(session: Session, concerns: str, now: datetime) -> list[Incident]:
    return [
        found
        for found in road_repository.unended(session)
        if found.concerns == concerns and found.began_at <= now
    ]


def _first(known: Sequence[Incident], here: str, then: str) -> Incident | None:
    return next((found for found in known if _lies_on(found, here, then)), None)


def leg(session: Session, shipment: Shipment) -> tuple[str, str]:
    """Where a parcel is, and where it goes next; empty where nothing says so."""
    placed = [scan for scan in repository.scans(session, shipment.id) if scan.place]
    here = placed[-1].place if placed else shipment.origin
    then = (placed[-1].next_place if placed else None) or shipment.destination
    return here or "", then or ""


def _lies_on(incident: Incident, here: str, then: str) -> bool:
    match incident.scope:
        case Scope.ROUTE:
            return lies_in(incident.place, here) and lies_in(incident.to_place or "", then)
        case _:
            return lies_in(incident.place, here) or lies_in(incident.place, then)


def lies_in(named: str, place: str) -> bool:
    """Whether a place is the one named or lies in it: 济南 names 济南转运中心, too."""
    return bool(named) and named.casefold() in place.casefold()
