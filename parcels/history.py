"""The history of legs: how long delivered parcels took from one node of their road to another.

A parcel adds to it what its own stored scans say, and only once it is delivered. So neither the
order in which scans come nor their repetition makes a difference, and a scan that comes late puts
right what was counted before. The table holds bars of histograms and not parcels: it grows with
places, never with scans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import accumulate, groupby, zip_longest
from operator import attrgetter

from sqlalchemy.orm import Session

from parcels import road_repository
from parcels.models import Status
from parcels.road_models import Ends
from parcels.road_repository import Bar, Leg, Node

HOUR = timedelta(hours=1)
MOST_HOURS = 30 * 24
"""A leg that took longer counts as one of so many hours: its histogram stays small."""
ENOUGH = 20
"""Parcels from which a window of 80 % can be told: two of them lie outside at either end."""


@contextmanager
def recounted(session: Session, shipment_ids: Collection[int]) -> Iterator[None]:
    """Around every change of what the history reads of these parcels: their scans, status, carrier,
    origin and destination. The caller holds them (``repository.hold``)."""
    before = _counted(session, shipment_ids)
    yield
    change = _counted(session, shipment_ids)
    change.subtract(before)
    road_repository.add_to_history(session, change)


def _counted(session: Session, shipment_ids: Collection[int]) -> Counter[Bar]:
    roads = groupby(road_repository.travelled(session, shipment_ids), key=attrgetter("parcel"))
    return Counter(bar for _, road in roads for bar in legs(road))


def legs(road: Iterable[Node]) -> Iterator[Bar]:
    """What the road of one delivered parcel adds. Of several scans in the same place and state the
    first is when it got there; whatever comes after the first delivery is no road any more."""
    nodes: dict[tuple[str, Status], Node] = {}
    states: dict[Status, Node] = {}
    for end in road:
        if end.status == Status.DELIVERED:
            break
        states.setdefault(end.status, end)
        if end.place:
            nodes.setdefault((end.place, end.status), end)
    else:
        return
    reached = list(nodes.values())
    for node, then in zip_longest(reached, reached[1:]):
        leg = partial(Leg, node.carrier, node.place, node.status)
        yield Bar(leg(Ends.NEXT, then.place if then else ""), _hours(node, then or end))
        yield Bar(leg(Ends.DELIVERED, end.destination), _hours(node, end))
    picked_up = next((n for n in states.values() if n.status != Status.INFO_RECEIVED), None)
    if picked_up and end.origin and end.destination:
        whole = Leg("", end.origin, Status.IN_TRANSIT, Ends.ROUTE, end.destination)
        yield Bar(whole, _hours(picked_up, end))
    for status, first in states.items():
        yield Bar(Leg(first.carrier, "", status, Ends.DELIVERED, ""), _hours(first, end))


def _hours(since: Node, until: Node) -> int:
    return min((until.at - since.at) // 3600, MOST_HOURS)


@dataclass(frozen=True, slots=True)
class Spread:
    """How long ``parcels`` of them took, as the histogram knows it: to the hour."""

    low: timedelta
    median: timedelta
    high: timedelta
    parcels: int


def route(
    session: Session, origins: Collection[str], destinations: Collection[str]
) -> Spread | None:
    """How long parcels took from pickup to delivery between places that are called so; None where
    ENOUGH of them are not known."""
    return spread(road_repository.histogram_of_route(session, origins, destinations))


def spread(bars: Mapping[int, int], since: timedelta = timedelta(0)) -> Spread | None:
    """Median and the window of the middle 80 %; None where ENOUGH parcels are not known.

    Of a parcel that has been on its way for ``since``, only those that took at least as long can
    say anything.
    """
    passed = since // HOUR
    left = [(hour, parcels) for hour, parcels in sorted(bars.items()) if hour >= passed]
    total = sum(parcels for _, parcels in left)
    if total < ENOUGH:
        return None

    def reached(share: float) -> timedelta:
        sums = accumulate(parcels for _, parcels in left)
        bar = next(i for i, count in enumerate(sums) if count >= share * total)
        return left[bar][0] * HOUR

    return Spread(reached(0.1), reached(0.5) + HOUR / 2, reached(0.9) + HOUR, total)
