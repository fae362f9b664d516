"""Shipments and branches from a person's file: forgiving about names, strict about values."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import ValidationError
from sqlalchemy.orm import Session

from parcels import points
from parcels import service as parcels
from parcels.goods import Goods
from parcels.models import Status
from parcels.schemas import ScanIn, ShipmentIn
from store.errors import Invalid

SHIPMENT_NAMES = {
    "waybill": "waybill_no",
    "tracking_no": "waybill_no",
    "tracking_number": "waybill_no",
    "number": "waybill_no",
    "from": "origin",
    "to": "destination",
    "eta": "eta_to",
    "phone": "recipient_phone",
    "receiver_name": "recipient_name",
    "receiver_phone": "recipient_phone",
    "receiver_address": "recipient_address",
    "address": "recipient_address",
    "value": "declared_value",
    "events": "scans",
    "nodes": "scans",
}
SCAN_NAMES = {
    "time": "at",
    "timestamp": "at",
    "location": "place",
    "node": "place",
    "description": "words",
    "text": "words",
    "id": "event_id",
    "next": "next_place",
}
_TIMES = {"at", "next_at", "eta_from", "eta_to"}


@dataclass(frozen=True, slots=True)
class Seeded:
    """How many shipments were stored, and the names of fields that mean nothing to us."""

    count: int
    ignored: tuple[str, ...]


def from_file(session: Session, path: Path, goods: Goods, zone: ZoneInfo) -> Seeded:
    """Store the shipments of a JSON list or of a CSV with a head line (docs/seeding.md).

    Times without a zone are ``zone``'s; a class of goods left out follows from the goods. Invalid
    names shipment and field of the first mistake, and then nothing is stored.
    """
    ignored: set[str] = set()
    rows = _rows(path, "shipments")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise Invalid(f"{path}: shipment {number} is not a table of fields")
        try:
            given = ShipmentIn.model_validate(_shipment(row, zone, ignored))
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"]))
            raise Invalid(f"{path}: shipment {number}, {place}: {fault['msg']}") from error
        if given.goods and "goods_class" not in given.model_fields_set:
            given = given.model_copy(update={"goods_class": goods.classify(given.goods)})
            given.model_fields_set.add("goods_class")
        parcels.store_shipment(session, given)
    return Seeded(len(rows), tuple(sorted(ignored)))


def branches(session: Session, path: Path, *, demo: bool = False) -> int:
    """Store the service points of a YAML list or of a CSV with a head line; how many they are.

    Invalid names the row and the field of the first mistake, and then nothing is stored.
    """
    given = []
    for number, row in enumerate(_rows(path, "branches"), 1):
        try:
            given.append(points.PointIn.model_validate(_without_blanks(row)))
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"]))
            raise Invalid(f"{path}: branch {number}, {place}: {fault['msg']}") from error
    points.store(session, given, demo=demo)
    return len(given)


def _without_blanks(row: Any) -> Any:
    """A CSV's empty cells are left out."""
    if not isinstance(row, dict):
        return row
    return {key: value for key, value in row.items() if value not in ("", None)}


def _rows(path: Path, what: str) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return list(csv.DictReader(text.splitlines()))
        yml = path.suffix.lower() in {".yml", ".yaml"}
        rows: Any = yaml.safe_load(text) if yml else json.loads(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise Invalid(f"{path}: {error}") from error
    if isinstance(rows, dict):
        rows = rows.get(what, [rows])
    if not isinstance(rows, list):
        raise Invalid(f"{path}: a list of {what} is expected")
    return rows


def _shipment(row: Mapping[str, Any], zone: ZoneInfo, ignored: set[str]) -> dict[str, Any]:
    plain = {key: value for key, value in row.items() if key and value not in ("", None)}
    flat = {key[5:]: plain.pop(key) for key in list(plain) if key.startswith("scan_")}
    known = known_fields(plain, SHIPMENT_NAMES, set(ShipmentIn.model_fields), zone, ignored)
    scans = known.get("scans", [flat] if flat else [])
    if isinstance(scans, list):
        known["scans"] = [
            known_fields(scan, SCAN_NAMES, set(ScanIn.model_fields), zone, ignored)
            if isinstance(scan, dict)
            else scan
            for scan in scans
        ]
    return known


def known_fields(
    fields: Mapping[str, Any],
    names: Mapping[str, str],
    wanted: set[str],
    zone: ZoneInfo,
    ignored: set[str],
) -> dict[str, Any]:
    """The fields we know, under our names; the others' names go to ``ignored``."""
    known: dict[str, Any] = {}
    for key, value in fields.items():
        name = names.get(key, key)
        if name not in wanted:
            ignored.add(key)
            continue
        read = _READ.get(name)
        known[name] = read(value, zone) if read else value
    return known


def _time(value: Any, zone: ZoneInfo) -> Any:
    """An instant; without a zone, the company's wall clock. What is no time is refused later."""
    try:
        at = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return value
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _status(value: Any, _: ZoneInfo) -> Any:
    """``in_transit`` and ``IN TRANSIT`` are ``InTransit``."""
    folded = "".join(filter(str.isalnum, str(value))).lower()
    return next((s for s in Status if s.lower() == folded), value)


_READ: dict[str, Callable[[Any, ZoneInfo], Any]] = {
    **dict.fromkeys(_TIMES, _time),
    "status": _status,
    "waybill_no": lambda value, _: str(value),
    "recipient_phone": lambda value, _: str(value),
    "sender_phone": lambda value, _: str(value),
    "courier_phone": lambda value, _: str(value),
}
