"""Shipments from a person's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot import seed
from parcels import repository
from parcels.goods import Goods
from parcels.models import GoodsClass, Shipment, Status
from store.engine import Database
from store.errors import Invalid
from tests.rooms import POLICIES, SHANGHAI

Write = Callable[[str, str], seed.Seeded]
SCAN = {"time": "2026-03-01 08:00", "status": "in_transit", "location": "嘉兴"}


@pytest.fixture
def write(database: Database, tmp_path: Path) -> Write:
    goods = Goods.from_file(POLICIES / "goods.yml")

    def written(name: str, text: str) -> seed.Seeded:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        with database.write() as session:
            return seed.from_file(session, path, goods, SHANGHAI)

    return written


def stored(database: Database, number: str) -> Shipment:
    with database.read() as session:
        found = repository.by_waybill(session, number)
        assert found is not None
        return found


def test_json_with_other_peoples_names(write: Write, database: Database) -> None:
    rows = [{"tracking_no": "sf 123456", "goods": "护照", "events": [SCAN], "colour": "blue"}]
    assert write("a.json", json.dumps(rows)) == seed.Seeded(1, ("colour",))
    shipment = stored(database, "SF123456")
    assert (shipment.goods_class, shipment.status) == (GoodsClass.DOCUMENT, Status.IN_TRANSIT)
    with database.read() as session:
        scan = repository.last_scan(session, shipment.id)
        assert scan is not None
        assert scan.at.astimezone(SHANGHAI).hour == 8


def test_csv_with_one_scan(write: Write, database: Database) -> None:
    head = "waybill_no,goods,scan_at,scan_place,scan_status"
    text = f"{head}\nYT998877,花瓶,2026-03-01T08:00:00Z,济南,\n"
    assert write("a.csv", text).count == 1
    assert stored(database, "YT998877").goods_class == GoodsClass.FRAGILE


def test_a_second_time_changes_and_adds_nothing_twice(write: Write, database: Database) -> None:
    rows = [{"waybill_no": "SF123456", "scans": [SCAN]}]
    for _ in range(2):
        write("a.json", json.dumps(rows))
    with database.read() as session:
        assert len(repository.scans(session, stored(database, "SF123456").id)) == 1


BAD_STATUS = '[{"waybill_no": "SF123456", "scans": [{"at": "2026-03-01", "status": "?"}]}]'


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "{", "Expecting"),
        ("a.json", "3", "list of shipments"),
        ("a.json", "[3]", "shipment 1"),
        ("a.json", '[{"goods": "x"}]', "waybill_no"),
        ("a.json", '[{"waybill_no": "SF123456", "eta": "soon"}]', "eta_to"),
        ("a.json", BAD_STATUS, "status"),
        ("a.csv", "waybill_no\n1\n", "waybill_no"),
    ],
)
def test_a_mistake_is_named_and_stores_nothing(
    write: Write, database: Database, name: str, content: str, told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        write(name, content)
    with database.read() as session:
        assert session.query(Shipment).count() == 0


def test_a_good_row_before_a_bad_one_is_not_stored(write: Write, database: Database) -> None:
    rows: list[dict[str, Any]] = [{"waybill_no": "SF123456"}, {"waybill_no": "?"}]
    with pytest.raises(Invalid, match="shipment 2"):
        write("a.json", json.dumps(rows))
    with database.read() as session:
        assert session.query(Shipment).count() == 0
