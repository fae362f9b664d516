"""Parcels and scans in bulk: all of a batch or nothing, in whatever order, however often.

A batch is one transaction of the caller's and a fixed number of statements. What a batch says that
cannot be used is told line by line (``Refused``), and then nothing of it is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from parcels import history, path_repository, repository
from parcels.goods import Goods
from parcels.models import OWN, GoodsClass, Status
from parcels.schemas import ParcelIn, ScanEvent, ScanIn
from store import clock
from store.errors import Invalid

MOST = 10_000
"""Rows of a batch."""
SKEW = timedelta(minutes=10)
"""So far ahead of ours a sender's clock may go; a scan of a later time is refused."""
MOST_FAULTS = 100
"""Faults that are told of one batch; their number is always told."""
TWICE = "comes twice with different content"
_NEW = {"status": Status.INFO_RECEIVED, "goods_class": GoodsClass.GENERAL, "demo": False}
"""What a parcel is of which nothing more is said."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line (from 1) cannot be used. Says nothing that stands in the line."""

    line: int
    field: str
    reason: str


class Refused(Invalid):
    """A batch of which nothing was stored, and why. HTTP shows ``facts`` beside the sentence."""

    code = "refused"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(
            f"{len(faults)} faults",
            count=len(faults),
            faults=[asdict(fault) for fault in faults[:MOST_FAULTS]],
        )
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Stored:
    """How many rows of a batch were new, and how many of them were known before."""

    new: int
    known: int


def scans(session: Session, given: Sequence[ScanEvent], source: str = OWN) -> Stored:
    """Store the scans not known yet and let their parcels follow. Refused if one cannot be used."""
    shipments = repository.locked(session, {scan.waybill_no for scan in given})
    known = repository.known_events(session, source, {scan.event_id for scan in given})
    if faults := list(_unusable(given, shipments, known)):
        raise Refused(faults)
    fresh = {scan.event_id: scan for scan in given if scan.event_id not in known}
    rows = [
        {"source": source, "shipment_id": shipments[scan.waybill_no], **_columns(scan)}
        # In one order everywhere, or two batches of the same scans could wait for each other.
        for _, scan in sorted(fresh.items())
    ]
    touched = {row["shipment_id"] for row in rows}
    with history.recounted(session, touched):
        repository.add_scans(session, rows)
        repository.follow_scans(session, touched)
    path_repository.queue(session, touched)
    return Stored(new=len(rows), known=len(given) - len(rows))


def check(session: Session, given: Sequence[ScanEvent], source: str = OWN) -> list[Fault]:
    """What ``scans`` would refuse, with nothing stored or held."""
    shipments = repository.ids(session, {scan.waybill_no for scan in given})
    known = repository.known_events(session, source, {scan.event_id for scan in given})
    return list(_unusable(given, shipments, known))


def event(waybill_no: str, scan: ScanIn) -> ScanEvent:
    """A parcel's scan; one without an id of its own is known again by what it says."""
    event_id = scan.event_id or f"{waybill_no}:{scan.at.isoformat()}:{scan.status}:{scan.place}"
    given = scan.model_dump(exclude_unset=True) | {"event_id": event_id[:80]}
    return ScanEvent(waybill_no=waybill_no, **given)


def parcels(session: Session, given: Sequence[ParcelIn], goods: Goods) -> Stored:
    """Add parcels, or change what is given of those known. Refused if a number comes twice."""
    first: dict[str, ParcelIn] = {}
    if faults := [
        Fault(line, "waybill_no", TWICE)
        for line, parcel in enumerate(given, 1)
        if first.setdefault(parcel.waybill_no, parcel) != parcel
    ]:
        raise Refused(faults)
    known = repository.locked(session, first)
    alike: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for _, parcel in sorted(first.items()):
        fields = _given(parcel, goods)
        alike[frozenset(fields)].append(_NEW | {"created_at": clock.now()} | fields)
    with history.recounted(session, known.values()):
        for names, rows in alike.items():
            repository.add_or_change_shipments(session, rows, changed=names - {"waybill_no"})
    return Stored(new=len(first) - len(known), known=len(given) - len(first) + len(known))


def faults_of(error: ValidationError, *, single: bool = False) -> list[Fault]:
    """What pydantic found wrong in a list of rows, or in a ``single`` one."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        Fault(
            line=1 if single or not fault["loc"] else int(fault["loc"][0]) + 1,
            field=".".join(map(str, fault["loc"] if single else fault["loc"][1:])),
            reason=fault["msg"],
        )
        for fault in found
    ]


def _unusable(
    given: Sequence[ScanEvent], shipments: dict[str, int], known: dict[str, int]
) -> Iterator[Fault]:
    latest = clock.now() + SKEW
    seen: dict[str, ScanEvent] = {}
    for line, scan in enumerate(given, 1):
        shipment = shipments.get(scan.waybill_no)
        if shipment is None:
            yield Fault(line, "waybill_no", "no parcel has this number; tell us of it first")
        elif known.get(scan.event_id, shipment) != shipment:
            yield Fault(line, "event_id", "is that of another parcel's scan")
        if scan.at > latest:
            yield Fault(line, "at", "lies in the future")
        if seen.setdefault(scan.event_id, scan) != scan:
            yield Fault(line, "event_id", TWICE)


def _columns(scan: ScanEvent) -> dict[str, Any]:
    """A scan's own columns: its fields but for the number, which is the shipment's."""
    fields = dict(scan)
    del fields["waybill_no"]
    return fields


def _given(parcel: ParcelIn, goods: Goods) -> dict[str, Any]:
    """The columns a parcel speaks of. A class of goods left out follows from the goods."""
    fields = {name: getattr(parcel, name) for name in parcel.model_fields_set}
    if parcel.goods and "goods_class" not in fields:
        fields["goods_class"] = goods.classify(parcel.goods)
    return fields
