"""The least that storing can cost: the driver's own executemany, into the same tables.

No key, no HTTP, nothing checked, rows ready in memory, no parcel follows; the same indexes, the
same batches, a commit after each, as the engine's manual has it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime

import psycopg
from sqlalchemy import make_url

from bench.road import Road
from parcels import ingest
from parcels.goods import Goods
from parcels.schemas import ParcelIn, ScanEvent
from store.engine import Database

_COLUMNS = ["shipment_id", "source", "event_id", "at", "status", "sub_status", "code", "place"]
_COLUMNS += ["words", "next_place"]
Row = tuple[int | str | datetime | None, ...]


def seconds(database: Database, road: Road, goods: Goods) -> float:
    """How long the scans of a road take, its parcels being there."""
    for parcels in road.parcels():
        ingest.take_parcels(database, [ParcelIn.model_validate(row) for row in parcels], goods)
    spend = _sqlite if database.is_sqlite else _postgresql
    # The first parcel of an empty table has the id 1, and batches follow each other in order.
    return spend(database, (_rows(road, batch, database.is_sqlite) for batch in road.scans()))


def _rows(road: Road, batch: list[dict[str, object]], as_text: bool) -> list[Row]:
    scans = [ScanEvent.model_validate(row) for row in batch]
    return [
        (
            int(scan.waybill_no[2:]) - 10**12 + 1,
            "own",
            scan.event_id,
            scan.at.isoformat(" ") if as_text else scan.at,
            scan.status,
            scan.sub_status,
            scan.code,
            scan.place,
            scan.words,
            scan.next_place,
        )
        for scan in scans
    ]


def _sqlite(database: Database, batches: Iterator[list[Row]]) -> float:
    marks = ", ".join("?" * len(_COLUMNS))
    path = make_url(str(database.engine.url)).database
    connection = sqlite3.connect(path or "", isolation_level=None)
    spent = 0.0
    try:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        for rows in batches:
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT OR IGNORE INTO scans ({', '.join(_COLUMNS)}) VALUES ({marks})", rows
            )
            connection.execute("COMMIT")
            spent += time.perf_counter() - began
    finally:
        connection.close()
    return spent


def _postgresql(database: Database, batches: Iterator[list[Row]]) -> float:
    address = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    marks = ", ".join(["%s"] * len(_COLUMNS))
    statement = f"INSERT INTO scans ({', '.join(_COLUMNS)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
    spent = 0.0
    with psycopg.connect(address) as connection:
        for rows in batches:
            began = time.perf_counter()
            with connection.cursor() as cursor:
                cursor.executemany(statement.encode(), rows)
            connection.commit()
            spent += time.perf_counter() - began
    return spent
