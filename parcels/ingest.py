"""Parcels and scans in bulk: all of a batch or nothing, in whatever order, however often.

What a batch says that cannot be used is told line by line (``Refused``), and then nothing of it is
stored. ``take_…`` look at the whole batch first and store it in parts, a transaction and a few
statements each: SQLite has one writer, and customers do not wait for a batch's end. Killed in
between, nothing was acknowledged: the sender sends again, and what is stored already is known.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy.orm import Session

from parcels import history, notices, path_repository, repository
from parcels.goods import Goods
from parcels.models import OWN, GoodsClass, Status
from parcels.schemas import ParcelIn, ScanEvent, ScanIn
from store import clock
from store.engine import Database
from store.errors import Invalid

MOST = 10_000
"""Rows of a batch."""
PART = 1_000
"""Rows of a transaction: about 10 ms of SQLite's only writer on a quiet machine."""
SKEW = timedelta(minutes=10)
"""So far ahead of ours a sender's clock may go; a scan of a later time is refused."""
MOST_FAULTS = 100
"""Faults that are told of one batch; their number is always told."""
TWICE = "comes twice with different content"
_NEW = {"status": Status.INFO_RECEIVED, "goods_class": GoodsClass.GENERAL, "demo": False}
"""What a parcel is of which nothing more is said."""
Row = TypeVar("Row")


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


def take_scans(
    database: Database, given: Sequence[ScanEvent], source: str = OWN, *, pause: float = 0
) -> Stored:
    """A whole batch of scans in transactions of its own. Refused if one cannot be used.

    ``pause``: seconds between two parts. Writers of this process take turns with it anyway; those
    of another one only find SQLite free when they happen to look.
    """
    with database.read() as session:
        shipments, fresh = _usable(session, given, source)
    new = 0
    for part in _parts(fresh, pause):
        with database.write() as session:
            new += _store(session, source, shipments, part)
    with database.read() as session:
        return _told(session, given, source, len(fresh), new)


def scans(session: Session, given: Sequence[ScanEvent], source: str = OWN) -> Stored:
    """The same within the caller's transaction: for the few scans of a push or a seed."""
    shipments, fresh = _usable(session, given, source)
    new = _store(session, source, shipments, fresh)
    return _told(session, given, source, len(fresh), new)


def check(session: Session, given: Sequence[ScanEvent], source: str = OWN) -> list[Fault]:
    """What would be refused, with nothing stored or held."""
    return list(_unusable(given, *_record(session, given, source)))


def event(waybill_no: str, scan: ScanIn) -> ScanEvent:
    """A parcel's scan; one without an id of its own is known again by what it says."""
    event_id = scan.event_id or f"{waybill_no}:{scan.at.isoformat()}:{scan.status}:{scan.place}"
    given = scan.model_dump(exclude_unset=True) | {"event_id": event_id[:80]}
    return ScanEvent(waybill_no=waybill_no, **given)


def take_parcels(
    database: Database, given: Sequence[ParcelIn], goods: Goods, *, pause: float = 0
) -> Stored:
    """Add parcels, or change what is given of those known. Refused if a number comes twice."""
    first: dict[str, ParcelIn] = {}
    if faults := [
        Fault(line, "waybill_no", TWICE)
        for line, parcel in enumerate(given, 1)
        if first.setdefault(parcel.waybill_no, parcel) != parcel
    ]:
        raise Refused(faults)
    rows = [_given(parcel, goods) for _, parcel in sorted(first.items())]
    known = 0
    for part in _parts(rows, pause):
        with database.write() as session:
            known += _add_or_change(session, part)
    return Stored(new=len(rows) - known, known=len(given) - len(rows) + known)


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


def _parts(rows: Sequence[Row], pause: float) -> Iterator[Sequence[Row]]:
    for begin in range(0, len(rows), PART):
        yield rows[begin : begin + PART]
        time.sleep(pause)


def _usable(
    session: Session, given: Sequence[ScanEvent], source: str
) -> tuple[Mapping[str, int], Sequence[ScanEvent]]:
    """The ids of the scans' shipments by number, and the scans not known yet. Refused if one cannot
    be used.

    In one order everywhere, or two batches of the same scans could wait for each other.
    """
    shipments, known = _record(session, given, source)
    if faults := list(_unusable(given, shipments, known)):
        raise Refused(faults)
    fresh = {scan.event_id: scan for scan in given if scan.event_id not in known}
    return shipments, [scan for _, scan in sorted(fresh.items())]


def _store(
    session: Session, source: str, shipments: Mapping[str, int], given: Sequence[ScanEvent]
) -> int:
    """Insert scans and let their parcels follow; how many were new."""
    rows = [_columns(scan, source, shipments[scan.waybill_no]) for scan in given]
    touched = {row["shipment_id"] for row in rows}
    repository.hold(session, touched)
    with history.recounted(session, touched):
        new = repository.add_scans(session, rows)
        repository.follow_scans(session, touched)
    path_repository.queue(session, touched)
    notices.after_scans(session, source, {scan.event_id: scan.waybill_no for scan in given})
    return new


def _told(
    session: Session, given: Sequence[ScanEvent], source: str, expected: int, new: int
) -> Stored:
    """Fewer new ones than expected: another batch told of them meanwhile. If that was of other
    parcels, these lines are Refused, as if the other had come before."""
    if new < expected and (faults := check(session, given, source)):
        raise Refused(faults)
    return Stored(new, known=len(given) - new)


def _record(
    session: Session, given: Sequence[ScanEvent], source: str
) -> tuple[dict[str, int], dict[str, int]]:
    """What the record has of these scans' parcels and events: ids of shipments by both."""
    return (
        repository.ids(session, {scan.waybill_no for scan in given}),
        repository.known_events(session, source, {scan.event_id for scan in given}),
    )


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
        before = seen.setdefault(scan.event_id, scan)
        if before is not scan and before != scan:
            yield Fault(line, "event_id", TWICE)


def _columns(scan: ScanEvent, source: str, shipment_id: int) -> dict[str, Any]:
    """A scan's columns: its fields, with the shipment in the number's place."""
    fields = vars(scan) | {"source": source, "shipment_id": shipment_id}
    del fields["waybill_no"]
    return fields


def _add_or_change(session: Session, rows: Sequence[dict[str, Any]]) -> int:
    """Insert parcels, or change the columns given of those known; how many were known."""
    known = repository.ids(session, {row["waybill_no"] for row in rows})
    repository.hold(session, known.values())
    alike: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        alike[frozenset(row)].append(row)
    new = _NEW | {"created_at": clock.now()}
    with history.recounted(session, known.values()):
        for names, some in alike.items():
            changed = names - {"waybill_no"}
            repository.add_or_change_shipments(session, [new | row for row in some], changed)
    return len(known)


def _given(parcel: ParcelIn, goods: Goods) -> dict[str, Any]:
    """The columns a parcel speaks of. A class of goods left out follows from the goods."""
    fields = {name: getattr(parcel, name) for name in parcel.model_fields_set}
    if parcel.goods and "goods_class" not in fields:
        fields["goods_class"] = goods.classify(parcel.goods)
    return fields
