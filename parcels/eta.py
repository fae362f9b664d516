"""When a parcel comes, as a window with how sure it is; how long it has stood and what is usual."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from parcels import change_repository, incidents, repository, road_repository
from parcels.history import HOUR, spread
from parcels.models import Scan, Shipment, Status, SubStatus
from parcels.road_models import Ends
from parcels.road_repository import NODES, Leg


class Basis(StrEnum):
    """What an ETA rests on."""

    PLAN = "plan"
    """A time agreed with the customer, or, once it is out for delivery, the courier's window."""
    LEG = "leg"
    """Parcels of this carrier from the same place, in the same state, to the same destination."""
    CARRIER = "carrier"
    """All of this carrier's parcels, from the time they first had this state."""
    SOURCE = "source"
    """What the carrier said; nobody has counted how often that is right."""


@dataclass(frozen=True, slots=True)
class Eta:
    """For LEG and CARRIER: of ``parcels`` that had been on their way as long as this one, 80 %
    came from ``earliest`` to ``latest``, half of them by ``median``.

    Else ``parcels`` is 0, there is no ``median``, and ``earliest`` only if the source gave it.
    """

    earliest: datetime | None
    median: datetime | None
    latest: datetime
    parcels: int
    basis: Basis


@dataclass(frozen=True, slots=True)
class Standing:
    """How long a parcel has been at its node. ``usual`` is the median stay of ``parcels`` there,
    ``most`` what nine of ten stayed at most; None where too few are known."""

    place: str
    since: datetime
    stood: timedelta
    usual: timedelta | None
    most: timedelta | None
    parcels: int

    @property
    def unusual(self) -> bool:
        return self.most is not None and self.stood > self.most


@dataclass(frozen=True, slots=True)
class _Road:
    """Where a parcel is: its newest scan of a known state, since when it has been at that node,
    and since when in that state."""

    node: Scan
    status: Status
    at_node: datetime
    in_state: datetime


def window(session: Session, shipment: Shipment, now: datetime) -> Eta | None:
    """When it comes; None if it does not come any more, or if nothing can honestly be said.

    So while an incident holds it, and while it stands longer than nine of ten did at its place: of
    such parcels the history knows too little, and what anybody planned before is not kept.
    """
    road = _road(session, shipment)
    if not _comes(shipment, road) or incidents.for_shipment(session, shipment, now):
        return None
    stay = _standing(session, shipment, road, now)
    if stay is not None and stay.unusual:
        return None
    return (
        _planned(session, shipment, now)
        or (_from_history(session, shipment, road, now) if road else None)
        or _from_source(shipment, now)
    )


def standing(session: Session, shipment: Shipment, now: datetime) -> Standing | None:
    """How long it has been at its node; None if it is at none, or in the courier's hands."""
    return _standing(session, shipment, _road(session, shipment), now)


def _standing(
    session: Session, shipment: Shipment, road: _Road | None, now: datetime
) -> Standing | None:
    if road is None or not road.node.place or road.status == Status.OUT_FOR_DELIVERY:
        return None
    leg = Leg(shipment.carrier or "", road.node.place, road.status, Ends.NEXT, "")
    stay = spread(road_repository.histogram_of_stay(session, leg))
    return Standing(
        place=road.node.place,
        since=road.at_node,
        stood=now - road.at_node,
        usual=stay.median if stay else None,
        most=stay.high if stay else None,
        parcels=stay.parcels if stay else 0,
    )


def next_stop(session: Session, shipment: Shipment, now: datetime) -> datetime | None:
    """By when nine of ten parcels had reached the next place, of those that took as long as this
    one; None if the source says it better, or too few are known."""
    road = _road(session, shipment)
    if road is None or not road.node.place or not road.node.next_place or road.node.next_at:
        return None
    leg = Leg(shipment.carrier or "", road.node.place, road.status, Ends.NEXT, road.node.next_place)
    took = spread(road_repository.histogram(session, leg), now - road.at_node)
    return _rounded(road.at_node + took.high, down=False) if took else None


def _road(session: Session, shipment: Shipment) -> _Road | None:
    """None before the first scan of a known state, and once the parcel has arrived somewhere."""
    if shipment.status not in NODES:
        return None
    scans = [s for s in repository.scans(session, shipment.id) if s.status in NODES]
    if not scans:
        return None
    node = scans[-1]
    alike = [scan for scan in scans if scan.status == node.status]
    return _Road(
        node=node,
        status=Status(str(node.status)),
        at_node=min(scan.at for scan in alike if scan.place == node.place),
        in_state=alike[0].at,
    )


def _comes(shipment: Shipment, road: _Road | None) -> bool:
    """Of what ran into a problem only the late still come; before the first scan all of it does."""
    if shipment.status == Status.EXCEPTION:
        return road is not None and road.node.sub_status == SubStatus.DELAYED
    return shipment.status in NODES


def _planned(session: Session, shipment: Shipment, now: datetime) -> Eta | None:
    begin, end = shipment.eta_from, shipment.eta_to
    if begin is None or end is None or end < now:
        return None
    out = shipment.status == Status.OUT_FOR_DELIVERY
    if not out and change_repository.agreed_until(session, shipment.waybill_no) != end:
        return None
    return Eta(begin, None, end, 0, Basis.PLAN)


def _from_history(session: Session, shipment: Shipment, road: _Road, now: datetime) -> Eta | None:
    carrier, place = shipment.carrier or "", road.node.place or ""
    toward = shipment.destination or ""
    exact = Leg(carrier, place, road.status, Ends.DELIVERED, toward)
    wide = Leg(carrier, "", road.status, Ends.DELIVERED, "")
    for leg, since, basis in (
        (exact, road.at_node, Basis.LEG),
        (wide, road.in_state, Basis.CARRIER),
    ):
        took = spread(road_repository.histogram(session, leg), now - since)
        if took is not None:
            return Eta(
                earliest=_rounded(since + took.low, down=True),
                median=_rounded(since + took.median, down=True) + HOUR / 2,
                latest=_rounded(since + took.high, down=False),
                parcels=took.parcels,
                basis=basis,
            )
    return None


def _from_source(shipment: Shipment, now: datetime) -> Eta | None:
    if shipment.eta_to is None or shipment.eta_to < now:
        return None
    return Eta(shipment.eta_from, None, shipment.eta_to, 0, Basis.SOURCE)


def _rounded(at: datetime, *, down: bool) -> datetime:
    """To the hour: nobody knows minutes."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return hour if down or hour == at else hour + HOUR
