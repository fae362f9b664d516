"""Every query on the history of legs and on incidents."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    cast,
    extract,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from parcels.models import Scan, Shipment, Status
from parcels.repository import ROAD
from parcels.road_models import Ends, Incident, LegHours, Scope
from store import bulk

NODES = (
    Status.INFO_RECEIVED,
    Status.IN_TRANSIT,
    Status.EXPIRED,
    Status.EXCEPTION,
    Status.OUT_FOR_DELIVERY,
    Status.DELIVERY_FAILURE,
)
"""The states from which a parcel goes on to its recipient."""


class Leg(NamedTuple):
    """What a histogram is kept of (parcels/road_models.py:LegHours)."""

    carrier: str
    place: str
    status: Status
    ends: Ends
    toward: str


class Bar(NamedTuple):
    """One bar: parcels that took ``hour`` whole hours for a leg."""

    leg: Leg
    hour: int


class Node(NamedTuple):
    """A scan of a parcel that is delivered. ``at``: whole seconds since 1970."""

    parcel: int
    carrier: str
    destination: str
    place: str
    status: Status
    at: int
    origin: str


def travelled(session: Session, shipment_ids: Collection[int]) -> Iterator[Node]:
    """The roads of those of these parcels that are delivered, each parcel's from its beginning."""
    if not shipment_ids:
        return
    at = cast(extract("epoch", Scan.at), Integer).label("epoch")
    for row in session.execute(
        select(
            Scan.shipment_id,
            func.coalesce(Shipment.carrier, ""),
            func.coalesce(Shipment.destination, ""),
            func.coalesce(Scan.place, ""),
            Scan.status,
            at,
            func.coalesce(Shipment.origin, ""),
        )
        .join(Shipment, Shipment.id == Scan.shipment_id)
        .where(
            bulk.one_of(session, Shipment.id, shipment_ids),
            Shipment.status == Status.DELIVERED,
            Scan.status.in_([*NODES, Status.DELIVERED]),
        )
        .order_by(Scan.shipment_id, *ROAD)
    ):
        yield Node._make(row)


def add_to_history(session: Session, change: Mapping[Bar, int]) -> None:
    """Raise or lower bars. In one order everywhere, so that two batches cannot deadlock."""
    rows = [
        {**bar.leg._asdict(), "hour": bar.hour, "parcels": parcels}
        for bar, parcels in sorted(change.items())
        if parcels
    ]
    if rows:
        adding = bulk.insert(session, LegHours)
        more = {"parcels": LegHours.parcels + adding.excluded.parcels}
        key = list(LegHours.__table__.primary_key)
        session.execute(adding.on_conflict_do_update(index_elements=key, set_=more), rows)


def histogram(session: Session, leg: Leg) -> dict[int, int]:
    """Parcels by the whole hours they took for a leg, fewest hours first."""
    return _bars(session, leg, LegHours.toward == leg.toward)


def histogram_of_stay(session: Session, leg: Leg) -> dict[int, int]:
    """The same, wherever they went from there."""
    return _bars(session, leg)


def histogram_of_route(
    session: Session, origins: Collection[str], destinations: Collection[str]
) -> dict[int, int]:
    """Parcels by the whole hours they took from one of these places to one of those."""
    bars = session.execute(
        select(LegHours.hour, func.sum(LegHours.parcels))
        .where(
            LegHours.carrier == "",
            LegHours.place.in_(origins),
            LegHours.status == Status.IN_TRANSIT,
            LegHours.ends == Ends.ROUTE,
            LegHours.toward.in_(destinations),
            LegHours.parcels > 0,
        )
        .group_by(LegHours.hour)
    )
    return {hour: int(parcels) for hour, parcels in bars}


def _bars(session: Session, leg: Leg, *toward: object) -> dict[int, int]:
    bars = session.execute(
        select(LegHours.hour, func.sum(LegHours.parcels))
        .where(
            LegHours.carrier == leg.carrier,
            LegHours.place == leg.place,
            LegHours.status == leg.status,
            LegHours.ends == leg.ends,
            *toward,  # type: ignore[arg-type]
            LegHours.parcels > 0,
        )
        .group_by(LegHours.hour)
        .order_by(LegHours.hour)
    )
    return {hour: int(parcels) for hour, parcels in bars}


def unended(session: Session) -> Sequence[Incident]:
    """Those that nobody has ended, the newest first: a few, whatever there has been."""
    return session.scalars(
        select(Incident)
        .where(Incident.ended_at.is_(None))
        .order_by(Incident.began_at.desc(), Incident.id.desc())
    ).all()


def ended_incidents(session: Session, limit: int) -> Sequence[Incident]:
    """Those that were ended, the newest first."""
    return session.scalars(
        select(Incident)
        .where(Incident.ended_at.is_not(None))
        .order_by(Incident.id.desc())
        .limit(limit)
    ).all()


def held_up(parcel: Any, incident: Incident, arrived: Collection[Status]) -> ColumnElement[bool]:
    """Whether it explains a shipment, given by the columns of its row: what
    ``incidents.for_shipment`` says of one."""

    def newest(column: InstrumentedAttribute[str | None]) -> Any:
        placed = select(column).where(Scan.shipment_id == parcel.id, Scan.place.is_not(None))
        by_road = (step.desc() for step in ROAD)
        return placed.order_by(*by_road).limit(1).correlate_except(Scan).scalar_subquery()

    def lies_in(place: ColumnElement[str | None], named: str | None) -> ColumnElement[bool]:
        return func.lower(place).contains((named or "").lower(), autoescape=True)

    here = func.coalesce(newest(Scan.place), parcel.origin)
    then = func.coalesce(newest(Scan.next_place), parcel.destination)
    on_route = and_(lies_in(here, incident.place), lies_in(then, incident.to_place))
    there = or_(lies_in(here, incident.place), lies_in(then, incident.place))
    return and_(parcel.status.not_in(arrived), on_route if incident.scope is Scope.ROUTE else there)


def ended_of(session: Session, incident_ids: Collection[int]) -> frozenset[int]:
    """Which of these are over."""
    over = select(Incident.id).where(Incident.id.in_(incident_ids), Incident.ended_at.is_not(None))
    return frozenset(session.scalars(over)) if incident_ids else frozenset()


def incident_by_key(session: Session, key: str) -> Incident | None:
    return session.scalar(select(Incident).where(Incident.key == key))


def end_incident(session: Session, incident_id: int, staff_id: int, at: datetime) -> bool:
    """One conditional update: whether this is what ended it."""
    ended = session.execute(
        update(Incident)
        .where(Incident.id == incident_id, Incident.ended_at.is_(None))
        .values(ended_at=at, ended_by=staff_id)
        .returning(Incident.id)
    )
    return ended.scalar() is not None
