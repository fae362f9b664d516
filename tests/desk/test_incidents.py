"""Incidents: entered by a supervisor, seen by all, ended by hand, and what they explain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from parcels import incidents
from parcels.incidents import Report
from parcels.models import Status
from parcels.road_models import Incident, IncidentKind, Scope
from parcels.schemas import ScanIn, ShipmentIn
from parcels.service import store_shipment
from store import clock
from store.errors import BadIncident, NotFound
from tests.desk.world import World

HERE = "/desk/incidents"
JINAN, BEIJING = "济南转运中心", "北京顺义转运中心"


def form(**more: str) -> dict[str, str]:
    """What a supervisor types; times are Shanghai's."""
    return {
        "key": "one-incident", "kind": "weather", "scope": "hub", "place": JINAN,
        "since": "2026-03-02T08:00", "until": "2026-03-02T20:00",
        "words_zh": "济南暴雪，高速封了。", "words_en": "",
    } | more  # fmt: skip


def stored(world: World) -> list[Incident]:
    with world.database.read() as session:
        return list(session.query(Incident).order_by(Incident.id))


@pytest.mark.usefixtures("at")
def test_a_supervisor_enters_it_once_and_agents_see_it(world: World) -> None:
    chen = world.signed_in("chen")
    for _ in range(2):
        answer = chen.press(HERE, True, **form())
        assert answer.status_code == 200
    (fog,) = stored(world)
    assert (fog.kind, fog.scope, fog.place, fog.to_place) == ("weather", "hub", JINAN, None)
    assert fog.began_at.isoformat() == "2026-03-02T00:00:00+00:00"
    assert fog.expected_until.isoformat() == "2026-03-02T12:00:00+00:00"
    seen = world.signed_in("lili").get(HERE).text
    assert "济南暴雪，高速封了。" in seen
    assert "陈主管 发布" in seen
    assert "已恢复" not in seen  # the buttons are the supervisor's
    assert 'name="words_zh"' not in seen


@pytest.mark.usefixtures("at")
def test_it_is_prolonged_and_ended_once(world: World) -> None:
    chen = world.signed_in("chen")
    chen.press(HERE, True, **form())
    chen.press(f"{HERE}/1/until", until="2026-03-03T09:00")
    assert stored(world)[0].expected_until.isoformat() == "2026-03-03T01:00:00+00:00"
    first = chen.press(f"{HERE}/1/end")
    (ended,) = stored(world)
    assert (ended.ended_at, ended.ended_by) == (clock.now(), 3)
    again = chen.press(f"{HERE}/1/end")
    assert first.headers["hx-trigger"] != again.headers["hx-trigger"]
    assert stored(world)[0].ended_at == ended.ended_at
    chen.press(f"{HERE}/1/until", until="2026-03-05T09:00")
    assert stored(world)[0].expected_until.isoformat() == "2026-03-03T01:00:00+00:00"
    assert "最近结束的" in chen.get(HERE).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"place": "  "},
        {"scope": "route"},
        {"until": "2026-03-02T08:00"},
        {"until": "tomorrow"},
        {"until": "2026-03-02T20:00+08:00"},
        {"until": "0001-01-01T00:00"},
        {"kind": "strike"},
        {"key": ""},
        {"words_en": "x" * 301},
    ],
)
@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_what_cannot_be_is_refused_and_nothing_is_stored(
    world: World, wrong: dict[str, str]
) -> None:
    assert world.signed_in("chen").press(HERE, True, **form(**wrong)).status_code == 422
    assert stored(world) == []


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_one_that_does_not_exist_is_not_found(world: World) -> None:
    with world.database.write() as session:
        with pytest.raises(NotFound):
            incidents.end(session, 4711, 3)
        with pytest.raises(NotFound):
            incidents.prolong(session, 4711, clock.now())


def explained(world: World, scan: ScanIn | None, **report: object) -> bool:
    """Whether an incident so reported explains a parcel on its way to Beijing."""
    now = clock.now()
    given: dict[str, object] = {
        "kind": IncidentKind.ROAD, "scope": Scope.HUB, "place": JINAN, "to_place": None,
        "began_at": now - timedelta(hours=1), "expected_until": now + timedelta(hours=5),
    } | report  # fmt: skip
    with world.database.write() as session:
        entered = incidents.enter(session, "one", Report(**given), 3)  # type: ignore[arg-type]
        parcel = ShipmentIn(
            waybill_no="SF1000000000001", origin="青岛", destination="北京",
            scans=[scan] if scan else [],
        )  # fmt: skip
        found = incidents.for_shipment(session, store_shipment(session, parcel), now)
        session.rollback()
    assert found is None or found.key == entered.key
    return found is not None


def at_jinan(**more: object) -> ScanIn:
    return ScanIn(at=clock.now() - timedelta(hours=2), place=JINAN, **more)  # type: ignore[arg-type]


ROUTE = {"scope": Scope.ROUTE, "place": "济南", "to_place": "北京"}


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("report", "more", "expected"),
    [
        ({}, {}, True),
        ({"place": "济南", "scope": Scope.CITY}, {}, True),
        ({"place": "上海", "scope": Scope.CITY}, {}, False),
        ({"place": BEIJING}, {"next_place": BEIJING}, True),
        ({"place": "天津"}, {"next_place": BEIJING}, False),
        (ROUTE, {"next_place": BEIJING}, True),
        (ROUTE, {}, True),  # the source names no next place: the destination lies there
        (ROUTE, {"next_place": "天津"}, False),
        (ROUTE | {"place": "北京", "to_place": "济南"}, {"next_place": BEIJING}, False),
        ({}, {"status": Status.DELIVERED}, False),
    ],
)
def test_it_explains_what_is_there_or_on_the_way_through(
    world: World, report: dict[str, object], more: dict[str, object], expected: bool
) -> None:
    assert explained(world, at_jinan(**more), **report) is expected


@pytest.mark.usefixtures("at")
def test_before_the_first_scan_the_origin_counts(world: World) -> None:
    assert explained(world, None, place="青岛")


def test_one_that_begins_later_or_is_over_explains_nothing(
    world: World, at: Callable[[datetime], None]
) -> None:
    later = clock.now() + timedelta(hours=1)
    assert not explained(world, at_jinan(), began_at=later)
    with world.database.write() as session:
        now = clock.now()
        fog = Report(IncidentKind.WEATHER, Scope.HUB, JINAN, None, now, now + timedelta(hours=1))
        one = incidents.enter(session, "fog", fog, 3)
        shipment = store_shipment(
            session, ShipmentIn(waybill_no="SF1000000000002", scans=[at_jinan()])
        )
        # Past its expected end it lasts until somebody ends it.
        assert incidents.for_shipment(session, shipment, now + timedelta(hours=9)) is not None
        assert incidents.end(session, one.id, 3)
        assert not incidents.end(session, one.id, 3)
        assert incidents.for_shipment(session, shipment, now) is None
        with pytest.raises(BadIncident):
            incidents.prolong(session, one.id, now)


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_looking_for_open_ones_does_not_read_the_whole_table(world: World) -> None:
    with world.database.read() as session:
        plan = session.execute(
            text("EXPLAIN QUERY PLAN SELECT * FROM incidents WHERE ended_at IS NULL")
        ).all()
    assert "ix_incidents_open" in str(plan)
