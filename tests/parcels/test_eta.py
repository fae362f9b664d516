"""ETA from the history of the same leg: what is counted, what is said, and what is not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select, text

from parcels import (
    eta,
    history,
    incidents,
    ingest,
    notices,
    orders,
    repository,
    road_repository,
    service,
)
from parcels.change_models import OrderKind
from parcels.eta import Basis
from parcels.goods import Goods
from parcels.incidents import Report
from parcels.models import Scan, Shipment, Status, SubStatus
from parcels.notice_models import Notice
from parcels.road_models import Ends, IncidentKind, LegHours, Scope
from parcels.road_repository import Bar, Leg
from parcels.schemas import ParcelIn, ScanEvent, ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from store.orders import Receipt, Result
from tests import rooms
from tests.conftest import MONDAY

GOODS = Goods.from_file(rooms.POLICIES / "goods.yml")
MINE = "SF1000000000001"
HOUR = timedelta(hours=1)
JINAN, BEIJING = "济南转运中心", "北京顺义转运中心"

Road = Sequence[tuple[float, Status | None, str | None]]
"""Hours after the parcel's first scan, state, place."""


def tell(database: Database, waybill_no: str, began: datetime, road: Road) -> None:
    """The parcel and its scans."""
    given = ParcelIn(waybill_no=waybill_no, carrier="yto", destination="北京")
    ingest.take_parcels(database, [given], GOODS)
    ingest.take_scans(database, scans(waybill_no, began, road))


def scans(waybill_no: str, began: datetime, road: Road) -> list[ScanEvent]:
    return [
        ScanEvent(
            waybill_no=waybill_no,
            event_id=f"{waybill_no}-{n}",
            at=began + hours * HOUR,
            status=status,
            place=place,
        )
        for n, (hours, status, place) in enumerate(road)
    ]


def delivered(database: Database, took: Iterable[float], place: str = JINAN) -> None:
    """Parcels of long ago that came from ``place`` to Beijing's doors in so many hours."""
    began = MONDAY - timedelta(days=60)
    for n, hours in enumerate(took):
        road: Road = [
            (0, Status.IN_TRANSIT, place),
            (hours / 2, Status.IN_TRANSIT, BEIJING),
            (hours, Status.DELIVERED, "门口"),
        ]
        tell(database, f"OLD{place == JINAN:d}{n:08}", began + n * timedelta(minutes=1), road)


def mine(database: Database, ago: float = 2, place: str = JINAN, **more: object) -> Shipment:
    """A parcel that reached ``place`` so many hours ago."""
    with database.write() as session:
        at = clock.now() - ago * HOUR
        road = [ScanIn(at=at, place=place, status=Status.IN_TRANSIT)]
        told: dict[str, object] = {"carrier": "yto", "destination": "北京", "scans": road} | more
        return service.store_shipment(session, ShipmentIn(waybill_no=MINE, **told))  # type: ignore[arg-type]


def window(database: Database, shipment: Shipment) -> eta.Eta | None:
    with database.read() as session:
        return eta.window(session, shipment, clock.now())


def bars(database: Database) -> dict[Bar, int]:
    with database.read() as session:
        rows = session.scalars(select(LegHours).where(LegHours.parcels != 0)).all()
    return {
        Bar(Leg(r.carrier, r.place, r.status, r.ends, r.toward), r.hour): r.parcels for r in rows
    }


def test_a_delivered_parcel_adds_every_leg_of_its_road(database: Database, at: object) -> None:
    road: Road = [
        (0, Status.IN_TRANSIT, JINAN),
        (3, Status.IN_TRANSIT, JINAN),  # still there: its stay began with the first scan
        (10.5, Status.IN_TRANSIT, BEIJING),
        (20, Status.OUT_FOR_DELIVERY, BEIJING),
        (23.9, Status.DELIVERED, "门口"),
    ]
    began = MONDAY - timedelta(days=3)
    tell(database, MINE, began, road[:-1])
    assert bars(database) == {}  # nothing is known before the end
    with database.write() as session:
        ingest.scans(session, scans(MINE, began, road)[-1:])

    def leg(place: str, status: Status, ends: Ends, toward: str, hour: int) -> Bar:
        return Bar(Leg("yto", place, status, ends, toward), hour)

    moving, out = Status.IN_TRANSIT, Status.OUT_FOR_DELIVERY
    assert bars(database) == dict.fromkeys(
        (
            leg(JINAN, moving, Ends.NEXT, BEIJING, 10),
            leg(BEIJING, moving, Ends.NEXT, BEIJING, 9),
            leg(BEIJING, out, Ends.NEXT, "", 3),
            leg(JINAN, moving, Ends.DELIVERED, "北京", 23),
            leg(BEIJING, moving, Ends.DELIVERED, "北京", 13),
            leg(BEIJING, out, Ends.DELIVERED, "北京", 3),
            leg("", moving, Ends.DELIVERED, "", 23),
            leg("", out, Ends.DELIVERED, "", 3),
        ),
        1,
    )


def test_what_was_no_delivery_after_all_is_taken_back(database: Database, at: object) -> None:
    delivered(database, [5])
    assert bars(database)
    with database.write() as session:
        back = ScanEvent(
            waybill_no="OLD100000000", event_id="back", at=MONDAY, status=Status.RETURNED
        )
        ingest.scans(session, [back])
    assert bars(database) == {}


STATES = [Status.IN_TRANSIT, Status.OUT_FOR_DELIVERY, Status.DELIVERED, Status.RETURNED, None]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["SF2000000000001", "SF2000000000002", "SF2000000000003"]),
        # Few different times: scans of the same instant are what order could decide.
        st.integers(0, 4).map(lambda n: n * 0.75),
        st.sampled_from(STATES),
        st.sampled_from([JINAN, BEIJING, None]),
    ),
    min_size=1,
    max_size=12,
)


@given(steps=STEPS, data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_and_repetition_gives_the_same_history(
    database: Database,
    steps: list[tuple[str, float, Status | None, str | None]],
    data: st.DataObject,
) -> None:
    events = [
        ScanEvent(
            waybill_no=number,
            event_id=str(n),
            at=MONDAY - timedelta(days=2) + hours * HOUR,
            status=status,
            place=place,
        )
        for n, (number, hours, status, place) in enumerate(steps)
    ]
    numbers = sorted({number for number, *_ in steps})
    told = []
    for _ in range(2):
        with database.write() as session:
            for table in (Scan, Shipment, LegHours):
                session.execute(delete(table))
        plain = [ParcelIn(waybill_no=number) for number in numbers]
        ingest.take_parcels(database, plain, GOODS)
        repeated = data.draw(st.permutations(events + events))
        cut = data.draw(st.integers(0, len(repeated)))
        # The carrier and the destination become known before, between or after the scans.
        known = data.draw(st.integers(0, 2))
        for part, given_scans in enumerate((repeated[:cut], repeated[cut:], [])):
            if part == known:
                more = [
                    ParcelIn(waybill_no=number, carrier="yto", destination="北京")
                    for number in numbers
                ]
                ingest.take_parcels(database, more, GOODS)
            ingest.take_scans(database, given_scans)
        told.append(bars(database))
    assert told[0] == told[1]
    assert all(count > 0 for count in told[0].values())
    with database.read() as session:
        ids = repository.ids(session, numbers).values()
        stored = list(road_repository.travelled(session, ids))
    roads = [[node for node in stored if node.parcel == parcel] for parcel in ids]
    assert told[0] == Counter(bar for road in roads for bar in history.legs(road))


def test_batches_side_by_side_are_counted_once(database: Database, at: object) -> None:
    numbers = [f"SF4{n:012}" for n in range(12)]
    given = [ParcelIn(waybill_no=number, carrier="yto") for number in numbers]
    ingest.take_parcels(database, given, GOODS)
    road: Road = [
        (0, Status.IN_TRANSIT, JINAN),
        (5, Status.OUT_FOR_DELIVERY, BEIJING),
        (7, Status.DELIVERED, "门口"),
    ]
    began = MONDAY - timedelta(days=1)
    told = [scan for number in numbers for scan in scans(number, began, road)]

    def tell_some(worker: int) -> None:
        mixed = told[worker:] + told[:worker]
        for begin in range(0, len(mixed), 5):
            with database.write() as session:
                ingest.scans(session, mixed[begin : begin + 5])

    threads = [threading.Thread(target=tell_some, args=[7 * worker]) for worker in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(bars(database).values()) == {len(numbers)}
    assert len(bars(database)) == 6


@given(st.lists(st.integers(0, 100), min_size=history.ENOUGH, max_size=200), st.integers(0, 100))
def test_the_window_holds_four_fifths_of_those_still_on_the_way(
    hours: list[int], passed: int
) -> None:
    counted = {hour: hours.count(hour) for hour in hours}
    left = [hour for hour in hours if hour >= passed]
    spread = history.spread(counted, passed * HOUR)
    if len(left) < history.ENOUGH:
        assert spread is None
        return
    assert spread is not None
    assert spread.parcels == len(left)
    assert passed * HOUR <= spread.low <= spread.median <= spread.high
    inside = sum(spread.low <= hour * HOUR <= spread.high - HOUR for hour in left)
    assert inside >= 0.8 * len(left)
    assert sum(hour * HOUR < spread.low for hour in left) <= 0.1 * len(left)
    assert sum(hour * HOUR > spread.high - HOUR for hour in left) <= 0.1 * len(left)


def test_the_window_comes_from_the_same_leg(database: Database, at: object) -> None:
    delivered(database, [20] * 5 + [24] * 10 + [30] * 5)
    delivered(database, [200] * 40, place="乌鲁木齐")
    found = window(database, mine(database, ago=2))
    reached = clock.now() - 2 * HOUR
    assert found == eta.Eta(
        earliest=reached + 20 * HOUR,
        median=reached + 24 * HOUR + HOUR / 2,
        latest=reached + 31 * HOUR,
        parcels=20,
        basis=Basis.LEG,
    )


def test_only_parcels_that_took_as_long_count(database: Database, at: object) -> None:
    delivered(database, [20] * 40 + [60] * 30)  # ten and thirty hours of it at the place
    found = window(database, mine(database, ago=25))
    assert found is not None
    assert (found.parcels, found.basis) == (30, Basis.LEG)
    assert found.earliest == clock.now() + 35 * HOUR


def test_what_stands_longer_than_nine_of_ten_did_has_no_eta(database: Database, at: object) -> None:
    delivered(database, [20] * 40)
    assert window(database, mine(database, ago=10)) is not None
    assert window(database, mine(database, ago=12, eta_to=clock.now() + HOUR)) is None


def test_what_an_incident_holds_has_no_eta(database: Database, at: object) -> None:
    delivered(database, [20] * 40)
    shipment = mine(database)
    now = clock.now()
    with database.write() as session:
        fog = Report(IncidentKind.WEATHER, Scope.HUB, JINAN, None, now, now + 3 * HOUR)
        one = incidents.enter(session, "fog", fog, 1)
    assert window(database, shipment) is None
    with database.write() as session:
        incidents.end(session, one.id, 1)
    assert window(database, shipment) is not None


def test_too_few_on_this_road_are_asked_of_the_whole_carrier(
    database: Database, at: object
) -> None:
    delivered(database, [20] * (history.ENOUGH - 1))
    delivered(database, [50] * 30, place="乌鲁木齐")
    found = window(database, mine(database))
    assert found is not None
    assert (found.parcels, found.basis) == (49, Basis.CARRIER)


def test_too_few_anywhere_leave_what_the_source_said_or_nothing(
    database: Database, at: object
) -> None:
    delivered(database, [20] * 3)
    assert window(database, mine(database)) is None
    said = clock.now() + 9 * HOUR
    assert window(database, mine(database, eta_to=said)) == eta.Eta(
        None, None, said, 0, Basis.SOURCE
    )
    assert window(database, mine(database, eta_to=clock.now() - HOUR)) is None


def test_another_carriers_parcels_say_nothing(database: Database, at: object) -> None:
    delivered(database, [20] * 60)
    assert window(database, mine(database, carrier="sto")) is None


def test_a_time_agreed_with_the_customer_goes_before_all_history(
    database: Database, at: object
) -> None:
    delivered(database, [5] * 60)
    shipment = mine(database)
    begin, end = clock.now() + 50 * HOUR, clock.now() + 52 * HOUR
    with database.write() as session:
        times = {"from": begin.isoformat(), "to": end.isoformat()}
        wish = orders.Wish(OrderKind.RESCHEDULE, MINE, times, Decimal(0))
        customer = rooms.said(session, "改期").customer_id
        order = orders.place(session, "k", customer, wish)
        orders.answered(session, order, Receipt(result=Result.ACCEPTED, receipt="R1"))
        found = repository.by_waybill(session, MINE)
        assert found is not None
        shipment = found
    assert window(database, shipment) == eta.Eta(begin, None, end, 0, Basis.PLAN)


@pytest.mark.parametrize(
    ("status", "sub", "comes"),
    [
        (Status.DELIVERED, None, False),
        (Status.RETURNED, None, False),
        (Status.AVAILABLE_FOR_PICKUP, None, False),
        (Status.EXCEPTION, SubStatus.LOST, False),
        (Status.EXCEPTION, SubStatus.DELAYED, True),
        (Status.DELIVERY_FAILURE, None, True),
    ],
)
def test_what_does_not_come_has_no_eta(
    database: Database, at: object, status: Status, sub: SubStatus | None, comes: bool
) -> None:
    scan = ScanIn(at=clock.now(), status=status, sub_status=sub, place=BEIJING)
    shipment = mine(database, eta_to=clock.now() + HOUR, scans=[scan])
    assert (window(database, shipment) is not None) == comes


def test_a_parcel_that_stands_is_measured_against_what_is_usual_there(
    database: Database, at: Callable[[datetime], None]
) -> None:
    shipment = mine(database, ago=0)
    with database.read() as session:
        found = eta.standing(session, shipment, clock.now())
    assert found is not None
    assert (found.usual, found.parcels, found.unusual) == (None, 0, False)
    delivered(database, [12] * 30)  # six hours at the place
    at(clock.now() + 6 * HOUR)
    for hours, unusual in ((0, False), (2, True)):
        at(clock.now() + hours * HOUR)
        with database.read() as session:
            found = eta.standing(session, shipment, clock.now())
        assert found is not None
        assert (found.parcels, found.unusual) == (30, unusual)
        assert (found.usual, found.most) == (6.5 * HOUR, 7 * HOUR)


def test_counting_costs_the_same_few_statements_however_many_scans(
    database: Database, at: object
) -> None:
    statements: list[str] = []
    numbers = [f"SF3{n:012}" for n in range(300)]
    ingest.take_parcels(database, [ParcelIn(waybill_no=number) for number in numbers], GOODS)
    began = MONDAY - timedelta(days=1)
    road: Road = [(0, Status.IN_TRANSIT, JINAN), (5, Status.DELIVERED, "门口")]
    batch = [scan for number in numbers for scan in scans(number, began, road)]
    event.listen(database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    with database.write() as session:
        ingest.scans(session, batch)
    assert sum("leg_hours" in said or "lead(" in said for said in statements) <= 3
    assert sum(bars(database).values()) == 3 * len(numbers)


def test_looking_reads_one_leg_of_the_table(database: Database, at: object) -> None:
    if not database.is_sqlite:
        pytest.skip("the plan is read on SQLite")
    with database.read() as session:
        plan = session.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT hour, sum(parcels) FROM leg_hours WHERE carrier = 'a' "
                "AND place = 'b' AND status = 'c' AND ends = 'next' GROUP BY hour"
            )
        ).all()
        assert "USING INDEX sqlite_autoindex_leg_hours_1" in str(plan)
        assert session.scalar(select(func.count()).select_from(LegHours)) == 0


def test_whoever_follows_a_parcel_is_told_of_the_incident_that_holds_it(
    database: Database, at: object
) -> None:
    now = clock.now()

    def entered(scope: Scope, place: str, to_place: str | None = None) -> set[str]:
        """The numbers whose followers are told."""
        given = Report(IncidentKind.WEATHER, scope, place, to_place, now, now + timedelta(hours=5))
        with database.write() as session:
            found = incidents.enter(session, f"{scope}{place}", given, 1)
            held = session.scalars(
                select(Shipment).join(Notice).where(Notice.incident_id == found.id)
            ).all()
            assert all(incidents.for_shipment(session, shipment, now) for shipment in held)
            return {shipment.waybill_no for shipment in held}

    roads = {
        "YTA001": ("济南转运中心", "北京"),
        "YTA002": ("上海", "济南"),
        "YTA003": ("上海", "北京"),
    }
    with database.write() as session:
        customer = rooms.said(session, "你好").customer_id
        for number, (here, then) in roads.items():
            scan = ScanIn(at=now, status=Status.IN_TRANSIT, place=here, next_place=then)
            service.store_shipment(session, ShipmentIn(waybill_no=number, scans=[scan]))
            if number != "YTA003":
                notices.follow(session, customer, number)
    assert entered(Scope.CITY, "济南") == {"YTA001", "YTA002"}
    assert entered(Scope.ROUTE, "上海", "济南") == {"YTA002"}
    assert entered(Scope.HUB, "广州") == set()


def test_the_migration_counts_the_routes_of_parcels_that_were_delivered_before(
    database: Database,
) -> None:
    began = MONDAY - timedelta(days=60)
    for n, hours in enumerate((5.5, 30, 30.9, 900)):
        number = f"OLD{n:09}"
        given = ParcelIn(waybill_no=number, carrier="yto", origin="济南", destination="北京")
        ingest.take_parcels(database, [given], GOODS)
        road: Road = [
            (0, Status.INFO_RECEIVED, None),
            (3, Status.IN_TRANSIT, JINAN),
            (3 + hours, Status.DELIVERED, "门口"),
        ]
        ingest.take_scans(database, scans(number, began, road))
    of_route = (LegHours.ends == Ends.ROUTE,)
    chosen = select(LegHours.place, LegHours.toward, LegHours.hour, LegHours.parcels)
    with database.write() as session:
        before = session.execute(chosen.where(*of_route).order_by(LegHours.hour)).all()
        session.execute(delete(LegHours).where(*of_route))
    migration = import_module("store.migrations.versions.20261125_routes")
    with database.engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            migration.upgrade()
    with database.read() as session:
        after = session.execute(chosen.where(*of_route).order_by(LegHours.hour)).all()
    assert [tuple(row) for row in after] == [tuple(row) for row in before]
    assert [tuple(row) for row in after] == [
        ("济南", "北京", 5, 1),
        ("济南", "北京", 30, 2),
        ("济南", "北京", 720, 1),
    ]
