"""Scans and parcels in bulk: any order, any repetition, all or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select
from sqlalchemy.exc import DataError

from parcels import ingest, repository
from parcels.goods import Goods
from parcels.ingest import Fault, Refused, Stored
from parcels.models import GoodsClass, Scan, Shipment, Status, SubStatus
from parcels.schemas import ParcelIn, ScanEvent
from store import clock
from store.engine import Database
from tests.conftest import MONDAY
from tests.rooms import POLICIES

GOODS = Goods.from_file(POLICIES / "goods.yml")
ONE, OTHER = "SF1000000000001", "SF1000000000002"


@pytest.fixture(autouse=True)
def two_parcels(database: Database, at: Callable[[datetime], None]) -> None:
    ingest.take_parcels(database, [ParcelIn(waybill_no=ONE), ParcelIn(waybill_no=OTHER)], GOODS)


def scan(event_id: str, minutes: int = 0, waybill_no: str = ONE, **more: object) -> ScanEvent:
    at = MONDAY - timedelta(hours=5) + timedelta(minutes=minutes)
    return ScanEvent(waybill_no=waybill_no, event_id=event_id, at=at, **more)  # type: ignore[arg-type]


def tell(database: Database, *scans: ScanEvent, source: str = "own") -> Stored:
    return ingest.take_scans(database, scans, source)


def parcel(database: Database, waybill_no: str = ONE) -> Shipment:
    with database.read() as session:
        found = repository.by_waybill(session, waybill_no)
        assert found is not None
        return found


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Scan)) or 0


def faults(database: Database, *scans: ScanEvent) -> list[Fault]:
    with pytest.raises(Refused) as refused:
        tell(database, *scans)
    return list(refused.value.faults)


def test_a_scan_moves_its_parcel_and_a_repeat_changes_nothing(database: Database) -> None:
    out = scan("1", status=Status.OUT_FOR_DELIVERY, code="PJ", words="派件中")
    assert tell(database, out) == Stored(new=1, known=0)
    assert tell(database, out) == Stored(new=0, known=1)
    assert parcel(database).status == Status.OUT_FOR_DELIVERY
    assert parcel(database, OTHER).status == Status.INFO_RECEIVED
    with database.read() as session:
        stored = repository.last_scan(session, parcel(database).id)
    assert stored is not None
    assert (stored.code, stored.words, stored.source) == ("PJ", "派件中", "own")


def test_an_older_scan_that_comes_later_moves_nothing(database: Database) -> None:
    tell(database, scan("late", minutes=60, status=Status.DELIVERED))
    tell(database, scan("early", minutes=0, status=Status.OUT_FOR_DELIVERY))
    assert parcel(database).status == Status.DELIVERED


def test_an_unknown_state_says_where_and_leaves_the_state(database: Database) -> None:
    tell(database, scan("1", status=Status.OUT_FOR_DELIVERY))
    tell(database, scan("2", minutes=9, status=None, code="777", place="嘉兴"))
    assert parcel(database).status == Status.OUT_FOR_DELIVERY
    with database.read() as session:
        newest = repository.last_scan(session, parcel(database).id)
    assert newest is not None
    assert (newest.place, newest.status, newest.code) == ("嘉兴", None, "777")


def test_a_sub_status_gives_the_status_and_may_not_contradict_it(database: Database) -> None:
    assert scan("1", sub_status="Delivered_Signed").status == Status.DELIVERED
    with pytest.raises(ValueError, match="another status"):
        scan("1", status="InTransit", sub_status="Delivered_Signed")


def test_every_sub_status_belongs_to_a_status() -> None:
    assert {sub.status for sub in SubStatus} <= set(Status)


EVENTS = st.lists(
    st.builds(
        lambda number, minutes, status, waybill_no: (minutes, status, waybill_no),
        st.integers(),
        # Few different minutes: scans of the same instant are what order could decide.
        st.integers(0, 3),
        st.sampled_from([*Status, None]),
        st.sampled_from([ONE, OTHER]),
    ),
    min_size=1,
    max_size=8,
)


@given(events=EVENTS, data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_and_repetition_gives_the_same_state(
    database: Database, events: list[tuple[int, Status | None, str]], data: st.DataObject
) -> None:
    scans = [
        scan(str(i), minutes, number, status=status)
        for i, (minutes, status, number) in enumerate(events)
    ]
    told: list[tuple[object, ...]] = []
    for _ in range(2):
        with database.write() as session:
            session.execute(delete(Scan))
            for shipment in session.scalars(select(Shipment)):
                shipment.status = Status.INFO_RECEIVED
        repeated = data.draw(st.permutations(scans + scans))
        cut = data.draw(st.integers(0, len(repeated)))
        for part in (repeated[:cut], repeated[cut:]):
            tell(database, *part)
        told.append((*(state(database, number) for number in (ONE, OTHER)), count(database)))
    assert told[0] == told[1]
    assert told[0][-1] == len(scans)


def state(database: Database, waybill_no: str) -> Sequence[object]:
    found = parcel(database, waybill_no)
    with database.read() as session:
        road = [row.event_id for row in repository.scans(session, found.id)]
        newest = repository.last_scan(session, found.id)
    assert (newest.event_id if newest else None) == (road[-1] if road else None)
    return found.status, tuple(road)


def test_a_batch_with_one_fault_stores_nothing_and_names_it(database: Database) -> None:
    good = scan("good")
    found = faults(
        database,
        good,
        scan("2", waybill_no="SF9999999999999"),
        scan("3", minutes=6 * 60),
        scan("good", minutes=1),
    )
    assert [(fault.line, fault.field) for fault in found] == [
        (2, "waybill_no"),
        (3, "at"),
        (4, "event_id"),
    ]
    assert count(database) == 0


def test_a_clock_a_little_ahead_is_borne(database: Database) -> None:
    ahead = ScanEvent(waybill_no=ONE, event_id="1", at=clock.now() + timedelta(minutes=9))
    assert tell(database, ahead).new == 1


def test_an_event_id_of_another_parcel_is_refused_and_of_another_source_is_another(
    database: Database,
) -> None:
    tell(database, scan("1"))
    assert faults(database, scan("1", waybill_no=OTHER)) == [
        Fault(1, "event_id", "is that of another parcel's scan")
    ]
    assert tell(database, scan("1", waybill_no=OTHER), source="17track").new == 1


def test_a_parcel_told_again_changes_only_what_is_told(database: Database) -> None:
    told = ParcelIn(waybill_no=ONE, goods="护照", recipient_phone="13800006789")
    assert ingest.take_parcels(database, [told], GOODS) == Stored(new=0, known=1)
    tell(database, scan("1", status=Status.DELIVERED))
    new = ParcelIn(waybill_no="SF1000000000003", origin="深圳")
    again = ParcelIn(waybill_no=ONE, origin="深圳")
    assert ingest.take_parcels(database, [again, new], GOODS) == Stored(new=1, known=1)
    found = parcel(database)
    assert (found.goods_class, found.origin) == (GoodsClass.DOCUMENT, "深圳")
    assert (found.recipient_phone, found.status) == ("13800006789", Status.DELIVERED)


def test_a_number_twice_in_one_batch_is_refused(database: Database) -> None:
    rows = [ParcelIn(waybill_no="SF77 7777"), ParcelIn(waybill_no="sf777777", origin="深圳")]
    with pytest.raises(Refused) as refused:
        ingest.take_parcels(database, rows, GOODS)
    assert refused.value.faults == [Fault(2, "waybill_no", ingest.TWICE)]


def test_ten_thousand_scans_take_a_few_statements_and_short_transactions(
    database: Database,
) -> None:
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    assert tell(database, *(scan(str(i), i % 50) for i in range(ingest.MOST))).new == ingest.MOST
    assert len(commits) == ingest.MOST / ingest.PART
    assert len(statements) <= 9 * len(commits) + 6  # one asks who follows these


def test_a_batch_broken_off_is_completed_when_it_is_sent_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "PART", 4)
    scans = [scan(str(i), i, status=status) for i, status in enumerate(Status)]

    parts: list[str] = []

    def second_fails(*said: Any) -> None:
        if said[2].startswith("INSERT INTO scans"):
            parts.append(said[2])
            if len(parts) == 2:
                raise InterruptedError

    event.listen(database.engine, "before_cursor_execute", second_fails)
    with pytest.raises(InterruptedError):
        tell(database, *scans)
    assert count(database) == 4
    assert tell(database, *scans) == Stored(new=len(scans) - 4, known=4)
    assert parcel(database).status == scans[-1].status


def test_of_two_batches_at_one_moment_that_give_one_id_to_two_parcels_the_second_is_refused(
    database: Database,
) -> None:
    rival = scan("3", waybill_no=OTHER)
    # The second batch has been looked at, and is about to be stored.
    event.listen(database.engine, "rollback", lambda _: tell(database, rival), once=True)
    assert faults(database, *(scan(str(i)) for i in range(5))) == [
        Fault(4, "event_id", "is that of another parcel's scan")
    ]
    with database.read() as session:
        owner = repository.known_events(session, "own", ["3"])["3"]
    assert owner == parcel(database, OTHER).id


def test_two_batches_of_the_same_scans_at_one_moment_count_them_once(database: Database) -> None:
    same = [scan(str(i)) for i in range(5)]
    event.listen(database.engine, "rollback", lambda _: tell(database, *same[:3]), once=True)
    assert tell(database, *same) == Stored(new=2, known=3)


def test_what_is_too_long_for_its_column_is_never_cut(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite's columns have no length")
    row = {"shipment_id": parcel(database).id, "source": "own", "event_id": "1", "at": MONDAY}
    with database.write() as session, pytest.raises(DataError):
        repository.add_scans(session, [row | {"words": "x" * 301}])


def test_two_batches_side_by_side_leave_the_newest_state(database: Database) -> None:
    """Each sees the other's scans or waits for it: neither overwrites a later state."""
    batches = [
        [scan(f"{worker}-{i}", minutes=i, status=status) for i in range(worker, 200, 2)]
        for worker, status in enumerate((Status.OUT_FOR_DELIVERY, Status.DELIVERED))
    ]
    threads = [
        threading.Thread(target=lambda batch=batch: [tell(database, one) for one in batch])
        for batch in batches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(database) == 200
    assert parcel(database).status == Status.DELIVERED
