"""``./courier import``: a courier's CSV of parcels or of scans, all of it or nothing.

The file is read twice: once to check every line, once to store it, in batches. What is refused goes
to a file of its own with the reasons, and by default nothing is stored then. Should the machine
stop in between, the same command goes on from there: a line stored before changes nothing.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from bot.seed import SCAN_NAMES, SHIPMENT_NAMES, known_fields
from parcels import ingest
from parcels.goods import Goods
from parcels.ingest import TWICE, Fault, Stored
from parcels.schemas import ParcelIn, ScanEvent, ScanIn
from store.engine import Database
from store.errors import Invalid

PAUSE = 0.01
"""Seconds that a service running beside us finds the database free, after each part of a batch."""
Row = ParcelIn | ScanEvent
Batch = list[tuple[int, Row]]


@dataclass(slots=True)
class Checked:
    """What a file holds: how many lines, which of them are refused, names that mean nothing."""

    lines: int = 0
    refused: set[int] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


class Import:
    """One file. Its head line tells whether it holds scans (they have a time) or parcels."""

    def __init__(self, path: Path, database: Database, goods: Goods, zone: ZoneInfo) -> None:
        self._path = path
        self._database = database
        self._goods = goods
        self._zone = zone
        self._seen: dict[int, int] = {}
        self._checked = Checked()
        self._progress = Progress(console=Console(stderr=True), transient=True)
        try:
            with path.open(encoding="utf-8-sig", newline="") as opened:
                head = next(csv.reader(opened), [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise Invalid(f"{path}: {_why(error)}") from error
        self.scans = "at" in {SCAN_NAMES.get(name, name) for name in head}
        names = SHIPMENT_NAMES | SCAN_NAMES if self.scans else SHIPMENT_NAMES
        columns = Counter(names.get(name, name) for name in head if name)
        if "waybill_no" not in columns:
            raise Invalid(f"{path}: the first line names the columns; waybill_no is missing")
        if twice := [name for name, count in columns.items() if count > 1]:
            raise Invalid(f"{path}: several columns are {', '.join(twice)}; leave one of each")

    def check(self, refused: Path) -> Checked:
        """Read every line and store nothing. ``refused`` is written only if there is a need."""
        faulty: list[tuple[list[Fault], Mapping[str, Any]]] = []
        batch: Batch = []
        rows: dict[int, Mapping[str, Any]] = {}
        faults: list[Fault] = []
        for line, row in self._lines("Checking"):
            self._checked.lines += 1
            rows[line] = row
            faults += self._read(line, row, batch)
            if len(rows) == ingest.MOST:
                faulty += self._settle(batch, rows, faults)
                batch, rows, faults = [], {}, []
        faulty += self._settle(batch, rows, faults)
        if faulty:
            _write(refused, faulty)
        return self._checked

    def store(self) -> Stored:
        """Store the lines that were not refused."""
        new = known = 0
        for batch in self._batches():
            given: Any = [row for _, row in batch]
            stored = (
                ingest.take_scans(self._database, given, pause=PAUSE)
                if self.scans
                else ingest.take_parcels(self._database, given, self._goods, pause=PAUSE)
            )
            new, known = new + stored.new, known + stored.known
        return Stored(new, known)

    def _batches(self) -> Iterator[Batch]:
        batch: Batch = []
        for line, row in self._lines("Storing"):
            if line not in self._checked.refused:
                self._read(line, row, batch)
            if len(batch) == ingest.MOST:
                yield batch
                batch = []
        if batch:
            yield batch

    def _lines(self, doing: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Every line with its number in the file; one that is no CSV has no fields."""
        with (
            self._progress as progress,
            progress.open(
                self._path, "r", encoding="utf-8-sig", newline="", description=doing
            ) as opened,
        ):
            reader = csv.DictReader(opened, strict=True)  # or a quote not closed eats what follows
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error:
                    yield reader.line_num + 1, {}
                except (OSError, UnicodeDecodeError) as error:
                    raise Invalid(f"{self._path}: {_why(error)}") from error
                else:
                    yield reader.line_num, row

    def _read(self, line: int, row: Mapping[str, Any], batch: Batch) -> list[Fault]:
        """The line as one of ours, into ``batch``; or why not."""
        if not row or None in row:
            unread = "a cell too long, or a quote that is not closed"
            return [Fault(line, "", unread if not row else "more cells than columns")]
        plain = {name: cell for name, cell in row.items() if cell not in ("", None)}
        try:
            read = self._scan(plain) if self.scans else self._parcel(plain)
        except ValidationError as error:
            return [
                Fault(line, fault.field, fault.reason)
                for fault in ingest.faults_of(error, single=True)
            ]
        batch.append((line, read))
        return []

    def _parcel(self, plain: Mapping[str, Any]) -> ParcelIn:
        return ParcelIn.model_validate(
            self._known(plain, SHIPMENT_NAMES, set(ParcelIn.model_fields))
        )

    def _scan(self, plain: Mapping[str, Any]) -> ScanEvent:
        fields = self._known(plain, SHIPMENT_NAMES | SCAN_NAMES, set(ScanEvent.model_fields))
        number = fields.pop("waybill_no", "")
        return ingest.event(number, ScanIn.model_validate(fields))

    def _known(
        self, plain: Mapping[str, Any], names: Mapping[str, str], wanted: set[str]
    ) -> dict[str, Any]:
        return known_fields(plain, names, wanted, self._zone, self._checked.ignored)

    def _settle(
        self, batch: Batch, rows: Mapping[int, Mapping[str, Any]], faults: list[Fault]
    ) -> list[tuple[list[Fault], Mapping[str, Any]]]:
        """The lines of a batch that are refused: by themselves, by the record, by earlier lines."""
        if self.scans and batch:
            scans = [row for _, row in batch if isinstance(row, ScanEvent)]
            with self._database.read() as session:
                found = ingest.check(session, scans)
            faults += [Fault(batch[f.line - 1][0], f.field, f.reason) for f in found]
        for line, row in batch:
            name = "event_id" if isinstance(row, ScanEvent) else "waybill_no"
            content = hash(row.model_dump_json())
            # Fingerprints, not rows: a file of a million lines is remembered in 100 MB.
            if self._seen.setdefault(hash(getattr(row, name)), content) != content:
                faults.append(Fault(line, name, TWICE))
        by_line: dict[int, list[Fault]] = {}
        for fault in faults:
            if fault not in by_line.setdefault(fault.line, []):
                by_line[fault.line].append(fault)
        self._checked.refused |= by_line.keys()
        return [(found, rows[line]) for line, found in sorted(by_line.items())]


def _write(path: Path, faulty: list[tuple[list[Fault], Mapping[str, Any]]]) -> None:
    """The refused lines as they came, each with its number, its fields and the reasons."""
    names = list(dict.fromkeys(name for _, row in faulty for name in row if name))
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, ["line", "field", "reason", *names], extrasaction="ignore")
        writer.writeheader()
        for faults, row in faulty:
            told = {
                "line": faults[0].line,
                "field": "; ".join(fault.field for fault in faults),
                "reason": "; ".join(fault.reason for fault in faults),
            }
            writer.writerow({**row, **told})


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8; save it as CSV UTF-8"
    return getattr(error, "strerror", None) or str(error)
