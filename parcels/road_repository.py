"""Every query on the history of legs and on incidents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    case,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from parcels.models import Scan, Shipment, Status
from parcels.repository import insert, one_of
from parcels.road_models import Ends, Incident, LegHours

MOST_HOURS = 30 * 24
"""A leg that took longer counts as one of so many hours: its histogram stays small."""
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


def travelled(session: Session, shipment_ids: Collection[int]) -> Counter[Bar]:
    """The legs of those of these parcels that are delivered: what they add to the history.

    Says the same whatever order scans came in, because it reads what is stored and nothing else.
    """
    counted: Counter[Bar] = Counter()
    if shipment_ids:
        for *leg, hour, parcels in session.execute(_travelled(session, shipment_ids)):
            counted[Bar(Leg(*leg), hour)] += parcels
    return counted


def add_to_history(session: Session, change: Mapping[Bar, int]) -> None:
    """Raise or lower bars. In one order everywhere, so that two batches cannot deadlock."""
    rows = [
        {**bar.leg._asdict(), "hour": bar.hour, "parcels": parcels}
        for bar, parcels in sorted(change.items())
        if parcels
    ]
    if rows:
        adding = insert(session, LegHours)
        more = {"parcels": LegHours.parcels + adding.excluded.parcels}
        key = list(LegHours.__table__.primary_key)
        session.execute(adding.on_conflict_do_update(index_elements=key, set_=more), rows)


def histogram(session: Session, leg: Leg) -> dict[int, int]:
    """Parcels by the whole hours they took for a leg, fewest hours first."""
    return _bars(session, leg, LegHours.toward == leg.toward)


def histogram_of_stay(session: Session, leg: Leg) -> dict[int, int]:
    """The same, wherever they went from there."""
    return _bars(session, leg)


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


def _travelled(session: Session, shipment_ids: Collection[int]) -> Select[Any]:
    """Every parcel's nodes in the order in which it first came to them, the legs between them and
    from each of them to the recipient (the node without a place); how many of them are alike."""
    delivered = Status.DELIVERED.value
    seen = (
        select(
            Scan.shipment_id,
            func.coalesce(Shipment.carrier, "").label("carrier"),
            func.coalesce(Shipment.destination, "").label("destination"),
            case((Scan.status == delivered, ""), else_=Scan.place).label("place"),
            Scan.status,
            Scan.at,
        )
        .join(Shipment, Shipment.id == Scan.shipment_id)
        .where(
            one_of(session, Shipment.id, shipment_ids),
            Shipment.status == delivered,
            Scan.status.in_([*NODES, delivered]),
            or_(Scan.status == delivered, Scan.place != ""),
        )
        .subquery()
    )
    node = [column for column in seen.c if column.key != "at"]
    nodes = select(*node, func.min(seen.c.at).label("at")).group_by(*node).subquery()
    parcel = nodes.c.shipment_id
    order = (nodes.c.at, nodes.c.place, nodes.c.status)
    done = case((nodes.c.status == delivered, nodes.c.at))
    road = select(
        nodes,
        func.lead(nodes.c.place).over(partition_by=parcel, order_by=order).label("next_place"),
        func.lead(nodes.c.at).over(partition_by=parcel, order_by=order).label("next_at"),
        func.min(done).over(partition_by=parcel).label("delivered_at"),
    ).cte("road")
    way = select().where(road.c.place != "", road.c.at <= road.c.delivered_at)
    of = road.c
    to_next = way.add_columns(
        of.carrier, of.place, of.status, _text(Ends.NEXT), of.next_place, _hours(of.next_at, of.at)
    ).where(of.next_at.is_not(None))
    to_door = way.add_columns(
        of.carrier, of.place, of.status, _text(Ends.DELIVERED), of.destination,
        _hours(of.delivered_at, of.at),
    )  # fmt: skip
    from_anywhere = way.add_columns(
        of.carrier, _text(""), of.status, _text(Ends.DELIVERED), _text(""),
        _hours(of.delivered_at, func.min(of.at)),
    ).group_by(of.shipment_id, of.carrier, of.status, of.delivered_at)  # fmt: skip
    legs = union_all(to_next, to_door, from_anywhere).subquery()
    return select(*legs.c, func.count()).group_by(*legs.c)


def _text(value: str) -> ColumnElement[str]:
    return literal(str(value), String)


def _hours(until: ColumnElement[Any], since: ColumnElement[Any]) -> ColumnElement[int]:
    """Whole hours from one instant to another, at most MOST_HOURS."""
    seconds = cast(extract("epoch", until), Integer) - cast(extract("epoch", since), Integer)
    hours = seconds // 3600
    return case((hours > MOST_HOURS, MOST_HOURS), else_=hours)


def open_incidents(session: Session, now: datetime) -> Sequence[Incident]:
    """Those that have begun and that nobody has ended, the newest first."""
    return session.scalars(
        select(Incident)
        .where(Incident.ended_at.is_(None), Incident.began_at <= now)
        .order_by(Incident.began_at.desc(), Incident.id.desc())
    ).all()
