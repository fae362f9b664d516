"""What the sweep asks costs the same however many tickets there have been."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from bench.tickets_data import fill
from parcels import incidents
from parcels.incidents import Report
from parcels.road_models import IncidentKind, Scope
from store import bulk, clock
from store.engine import Database
from tests.parcels.test_plans import plans
from tests.tickets.incidents_house import House
from tickets.incidents.models import IncidentTicket, TicketPlace

Move = Callable[[datetime], None]
READS_ALL = {
    "sqlite": ("SCAN ticket_places", "SCAN incident_tickets", "SCAN tickets"),
    "postgresql": (
        "Seq Scan on ticket_places",
        "Seq Scan on incident_tickets",
        "Seq Scan on tickets",
    ),
}
PLACES = 400


@pytest.fixture
def house(database: Database, at: Move) -> House:
    return House(database)


def grown(house: House, first: int, last: int) -> None:
    """So many tickets of the last four weeks, at many hubs."""
    now, span = clock.now(), timedelta(days=28)
    fill(house.database, house.rooms.tickets.clocks, last)
    rows = [
        {
            "ticket_id": number,
            "scope": scope,
            "concerns": "delay",
            "place": f"{number % PLACES}号转运中心",
            "to_place": "北京转运中心" if scope == "route" else "",
            "at": now - span * ((number - first) / (last - first)),
        }
        for number in range(first, last + 1)
        for scope in ("hub", "route")
    ]
    kind, scope = IncidentKind.ROAD, Scope.HUB
    report = Report(kind, scope, "旧转运中心", None, now - span, now + span)
    with house.database.write() as session:
        bulk.insert_rows(session, TicketPlace, rows)
        old = incidents.enter(session, f"old{first}", report, 1)
        incidents.end(session, old.id, 1)
        members = [
            {"incident_id": old.id, "ticket_id": number, "attempts": 0}
            for number in range(first + 200, last)  # whatever came before the window
        ]
        bulk.insert_rows(session, IncidentTicket, members)
    with house.database.write() as session:
        session.execute(text("ANALYZE"))


def asked(house: House, work: Callable[[], object]) -> Iterator[str]:
    told: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if statement.startswith(("SELECT", "INSERT", "UPDATE")):
            told.append((statement, values[0] if isinstance(values, list) else values))

    event.listen(house.database.engine, "before_cursor_execute", note)
    work()
    event.remove(house.database.engine, "before_cursor_execute", note)
    assert told
    yield from plans(house.database, told)


def test_nothing_reads_a_whole_table(house: House) -> None:
    grown(house, 1, 20_000)
    house.many(5)

    def work() -> None:
        house.loop.sweep()
        house.complain()
        house.loop.sweep()
        house.confirm()
        house.settle()

    for plan in asked(house, work):
        for words in READS_ALL[house.database.engine.dialect.name]:
            assert words not in plan, plan
    assert len(house.told()) == 6


def test_a_sweep_costs_the_same_when_the_table_has_grown(house: House, at: Move) -> None:
    """The window holds as many tickets before and after: only the past has become ten times it."""

    def sweep() -> float:
        took = []
        for _ in range(15):
            began = time.perf_counter()
            house.loop.sweep()
            took.append(time.perf_counter() - began)
        return sorted(took)[len(took) // 2]

    grown(house, 1, 2_000)
    few = sweep()
    at(clock.now() + timedelta(days=29))
    grown(house, 2_001, 4_000)
    for number in range(2, 10):  # the past: ten times as much
        with house.database.write() as session:
            session.execute(
                text(
                    "INSERT INTO ticket_places (ticket_id, scope, concerns, place, to_place, at) "
                    "SELECT ticket_id, :scope, concerns, place, to_place, at FROM ticket_places "
                    "WHERE scope = 'hub' AND ticket_id <= 2000"
                ),
                {"scope": f"old{number}"},
            )
    many = sweep()
    assert many < 3 * few + 0.005, (few, many)
