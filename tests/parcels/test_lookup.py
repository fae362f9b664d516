"""A typed number: exact, repaired in shape, asked about, or unknown; never guessed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from bot.settings import ROOT
from parcels import lookup, repository, service
from parcels.goods import Goods
from parcels.models import GoodsClass, Status
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database

KNOWN = "SF1234567890123"


@pytest.fixture
def session(database: Database, at: object) -> Iterator[Session]:
    with database.write() as opened:
        service.store_shipment(opened, ShipmentIn(waybill_no=KNOWN))
        service.store_shipment(opened, ShipmentIn(waybill_no="SF1234567890777"))
        yield opened


@pytest.mark.parametrize(
    "typed",
    [
        KNOWN,
        "sf1234567890123",
        "SF 1234 5678 90123",
        "ＳＦ１２３４５６７８９０１２３",
        "SF-1234567890123",
    ],
)
def test_a_change_of_shape_finds_the_parcel(session: Session, typed: str) -> None:
    found = lookup.find(session, typed)
    assert isinstance(found, lookup.Found)
    assert found.shipment.waybill_no == KNOWN


@pytest.mark.parametrize(
    "typed",
    [
        "SF1234567890124",  # a wrong digit
        "SF1234567890132",  # two swapped
        "SF123456789123",  # one lost
        "SF12345678901223",  # one doubled
        "SFI23456789O123",  # I and O
    ],
)
def test_a_slip_is_asked_about_and_never_guessed(session: Session, typed: str) -> None:
    found = lookup.find(session, typed)
    assert isinstance(found, lookup.Proposals)
    assert [s.waybill_no for s in found.shipments] == [KNOWN]


@pytest.mark.parametrize("typed", ["SF9999999999999", "", "12", "没有", "X" * 200])
def test_what_is_not_near_is_unknown(session: Session, typed: str) -> None:
    assert isinstance(lookup.find(session, typed), lookup.Unknown)


def test_scans_come_in_any_order_and_twice(session: Session) -> None:
    at = clock.now()
    late = ScanIn(at=at, place="杭州", status=Status.OUT_FOR_DELIVERY, event_id="2")
    early = ScanIn(at=at.replace(hour=0), place="嘉兴", event_id="1")
    shipment = service.store_shipment(session, ShipmentIn(waybill_no=KNOWN, scans=[late]))
    service.store_shipment(session, ShipmentIn(waybill_no=KNOWN, scans=[early, late]))
    assert len(repository.scans(session, shipment.id)) == 2
    told = service.whereabouts(session, shipment)
    assert (told.place, told.status) == ("杭州", Status.OUT_FOR_DELIVERY)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("大闸蟹", GoodsClass.PERISHABLE),
        ("胰岛素", GoodsClass.MEDICINE),
        ("护照", GoodsClass.DOCUMENT),
        ("passports", GoodsClass.DOCUMENT),
        ("pasport", GoodsClass.DOCUMENT),
        ("a vase", GoodsClass.FRAGILE),
        ("iPhone 15", GoodsClass.VALUABLE),
        ("连衣裙", GoodsClass.GENERAL),
        ("dress", GoodsClass.GENERAL),
    ],
)
def test_goods_have_a_class(named: str, expected: GoodsClass) -> None:
    assert Goods.from_file(ROOT / "policies" / "goods.yml").classify(named) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我妈的胰岛素三天了还没到", GoodsClass.MEDICINE),
        ("my passport is stuck since Monday", GoodsClass.DOCUMENT),
        ("I live on the ninth floor, ring me", GoodsClass.GENERAL),
        ("我的连衣裙呢", GoodsClass.GENERAL),
    ],
)
def test_time_critical_goods_are_seen_in_a_whole_message(text: str, expected: GoodsClass) -> None:
    assert Goods.from_file(ROOT / "policies" / "goods.yml").mentioned(text) is expected


def test_a_number_whose_check_digit_is_wrong_is_known_to_be_mistyped(session: Session) -> None:
    right, wrong = lookup.find(session, "RR123456785CN"), lookup.find(session, "RR123456784CN")
    assert right == lookup.Unknown("RR123456785CN", mistyped=False)
    assert wrong == lookup.Unknown("RR123456784CN", mistyped=True)
