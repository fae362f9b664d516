"""The history of legs: how long delivered parcels took from one node of their road to another.

A parcel adds to it what its own stored scans say, and only once it is delivered. So neither the
order in which scans come nor their repetition makes a difference, and a scan that comes late puts
right what was counted before. The table holds bars of histograms and not parcels: it grows with
places, never with scans.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

from sqlalchemy.orm import Session

from parcels import road_repository

HOUR = timedelta(hours=1)
ENOUGH = 20
"""Parcels from which a window of 80 % can be told: two of them lie outside at either end."""


@contextmanager
def recounted(session: Session, shipment_ids: Collection[int]) -> Iterator[None]:
    """Around every change of what the history reads of these parcels: their scans, status, carrier
    and destination. The caller holds them (``repository.locked``)."""
    before = road_repository.travelled(session, shipment_ids)
    yield
    change = road_repository.travelled(session, shipment_ids)
    change.subtract(before)
    road_repository.add_to_history(session, change)


@dataclass(frozen=True, slots=True)
class Spread:
    """How long ``parcels`` of them took, as the histogram knows it: to the hour."""

    low: timedelta
    median: timedelta
    high: timedelta
    parcels: int


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
