"""What a batch and a look-up ask the database costs the same however many scans there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from bench.road import Road
from parcels import ingest, lookup, repository, service
from parcels.schemas import ParcelIn, ScanEvent
from store.engine import Database
from tests.conftest import MONDAY
from tests.parcels.test_ingest import GOODS

ROAD = Road(4_000, MONDAY - timedelta(days=3))
READS_ALL = {
    "sqlite": ("SCAN shipments", "SCAN scans"),
    "postgresql": ("Seq Scan on shipments", "Seq Scan on scans"),
}


@pytest.fixture
def filled(database: Database, at: Callable[..., None]) -> Database:
    for rows in ROAD.parcels():
        ingest.take_parcels(database, [ParcelIn.model_validate(row) for row in rows], GOODS)
    for rows in ROAD.scans():
        ingest.take_scans(database, [ScanEvent.model_validate(row) for row in rows])
    if not database.is_sqlite:  # its planner would take the tables for empty ones
        with database.write() as session:
            session.execute(text("ANALYZE"))
    return database


def look_up(database: Database) -> None:
    with database.read() as session:
        found = lookup.find(session, ROAD.number(7))
        assert isinstance(found, lookup.Found)
        assert service.whereabouts(session, found.shipment).place
        assert len(repository.scans(session, found.shipment.id)) == 5
        assert not isinstance(lookup.find(session, "SF99999999999"), lookup.Found)


def tell(database: Database) -> None:
    known = ScanEvent.model_validate(next(ROAD.scans())[3])
    new = known.model_copy(update={"event_id": "new", "at": MONDAY})
    assert ingest.take_scans(database, [known, new]).new == 1


def add(database: Database) -> None:
    given = [ParcelIn(waybill_no=ROAD.number(number), origin="深圳") for number in (7, 10**6)]
    assert ingest.take_parcels(database, given, GOODS).new == 1


@pytest.mark.parametrize("work", [look_up, tell, add])
def test_nothing_reads_a_whole_table(filled: Database, work: Callable[[Database], None]) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if statement.startswith(("SELECT", "INSERT", "UPDATE")):
            asked.append((statement, values[0] if isinstance(values, list) else values))

    event.listen(filled.engine, "before_cursor_execute", note)
    work(filled)
    event.remove(filled.engine, "before_cursor_execute", note)
    assert any(" scans" in statement or " shipments" in statement for statement, _ in asked)
    for plan in plans(filled, asked):
        for words in READS_ALL[filled.engine.dialect.name]:
            assert words not in plan, plan


def plans(
    database: Database, asked: list[tuple[str, Any]], *, by_index: bool = False
) -> Iterator[str]:
    """How each is answered. ``by_index``: a table is read only where no index serves, also one so
    small that PostgreSQL would rather read it."""
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    with database.engine.connect() as connection:
        if by_index and not database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, values in asked:
            told = connection.exec_driver_sql(f"{explain} {statement}", values)
            yield statement + "\n" + "\n".join(str(row[-1]) for row in told)
