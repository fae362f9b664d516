"""What sending costs: places, quantities, and a reckoning that explains itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from parcels import quantities
from parcels.regions import Regions
from parcels.tariffs import Parcel, Tariffs
from store.errors import PolicyError
from tests import rooms
from tests.rooms import POLICIES

TARIFFS = rooms.tariffs()
REGIONS = TARIFFS.regions


@pytest.mark.parametrize(
    ("said", "origin", "destination"),
    [
        ("从北京寄到广州多少钱", "北京", "广州"),
        ("到北京，从上海寄", "上海", "北京"),
        ("杭州—兰州，8.5kg", "杭州", "兰州"),
        ("廣東深圳發瀋陽", "深圳", "沈阳"),
        ("浙江省杭州市到江苏苏州", "杭州", "苏州"),
        ("我在义乌，寄成都", "义乌", "成都"),
        ("寄到新疆多少钱", None, "新疆"),
        ("西藏加价吗", None, "西藏"),
        ("上海寄出去", "上海", None),
        ("上海南京路寄北京", "上海", "北京"),
        ("from Hong Kong to Xi'an", "香港", "西安"),
        ("how much to Shanghai", None, "上海"),
        ("寄快递多少钱", None, None),
    ],
)
def test_whence_and_whither(said: str, origin: str | None, destination: str | None) -> None:
    route = REGIONS.route(said)
    ends = (route.origin, route.destination)
    assert [end and (end.city or end.province) for end in ends] == [origin, destination]


@pytest.mark.parametrize(
    ("said", "city"),
    [("Hangzhuo", "杭州"), ("Shangai", "上海"), ("xiamen", "厦门"), ("老家", None)],
)
def test_a_slip_in_a_places_name_is_forgiven(said: str, city: str | None) -> None:
    found = REGIONS.named(said)
    assert (found.city if found else None) == city


@pytest.mark.parametrize(
    ("said", "kilograms"),
    [
        ("3公斤", "3"), ("三公斤半", "3.5"), ("十来斤", "5"), ("半斤", "0.25"), ("500克", "0.5"),
        ("二十五公斤", "25"), ("8.5kg", "8.5"), ("half a kilo", "0.5"), ("2 lbs", "0.90718474"),
        ("1,000 g", "1"), ("12元", None), ("0公斤", None), ("几公斤", None),
    ],
)  # fmt: skip
def test_weights(said: str, kilograms: str | None) -> None:
    assert quantities.weight(said) == (Decimal(kilograms) if kilograms else None)


def test_a_bare_number_is_a_weight_only_where_one_was_asked_for() -> None:
    assert quantities.weight("3") is None
    assert quantities.weight("3", bare=True) == 3


@pytest.mark.parametrize(
    ("said", "longest"),
    [
        ("60×40×30", 60), ("长60宽40高30", 60), ("60 by 40 by 30 cm", 60), ("0.6*0.4*0.3米", 60),
        ("600x400x300mm", 60), ("60×40", None),
    ],
)  # fmt: skip
def test_sizes(said: str, longest: int | None) -> None:
    found = quantities.size(said)
    assert (max(found) if found else None) == longest


@pytest.mark.parametrize(
    ("said", "yuan"),
    [
        ("保价3000", 3000), ("保5000块的价", 5000), ("买三千的保险", 3000), ("值一万二", 12000),
        ("insured for 5,000", 5000), ("worth 800 yuan", 800), ("保价10万", 100_000),
        ("insure it for 5k", 5000), ("保1.5万", 15000), ("保价费怎么收", None),
    ],
)  # fmt: skip
def test_values(said: str, yuan: int | None) -> None:
    assert quantities.value(said) == yuan


@pytest.mark.parametrize(
    ("origin", "destination", "zone"),
    [
        ("北京", "北京", "city"),
        ("杭州", "温州", "province"),
        ("浙江", "杭州", "province"),
        ("上海", "杭州", "near"),
        ("北京", "广州", "far"),
        ("拉萨", "拉萨", "city"),
        ("上海", "乌鲁木齐", "remote"),
        ("乌鲁木齐", "香港", "apart"),
    ],
)
def test_zones(origin: str, destination: str, zone: str) -> None:
    one, other = REGIONS.named(origin), REGIONS.named(destination)
    assert one is not None
    assert other is not None
    assert TARIFFS.zone(one, other) == zone == TARIFFS.zone(other, one)


def reckoning(parcel: Parcel, pickup: str = "0") -> dict[str, Decimal]:
    one, other = REGIONS.named("北京"), REGIONS.named("广州")
    assert one is not None
    assert other is not None
    quote = TARIFFS.quote(one, other, parcel, Decimal(pickup))
    assert quote.total == sum(part.yuan for part in quote.parts)
    return {part.key: part.yuan for part in quote.parts} | {"total": quote.total}


@pytest.mark.parametrize(
    ("weight", "total"),
    [("0.2", "15"), ("1", "15"), ("1.01", "21"), ("3", "27"), ("20", "129"), ("30", "179")],
)
def test_weight_goes_by_steps(weight: str, total: str) -> None:
    assert reckoning(Parcel(Decimal(weight)))["total"] == Decimal(total)


def test_the_greater_weight_counts() -> None:
    size = (Decimal(60), Decimal(40), Decimal(40))  # 16 kg by volume
    assert reckoning(Parcel(Decimal(3), size))["total"] == 15 + 15 * 6
    assert reckoning(Parcel(Decimal(20), size))["total"] == 15 + 19 * 6
    assert reckoning(Parcel(None, size))["total"] == 15 + 15 * 6


def test_insurance_and_pickup_are_lines_of_their_own() -> None:
    lines = reckoning(Parcel(Decimal(1), None, Decimal(3000)), pickup="5")
    assert [int(lines[name]) for name in ("insurance", "pickup", "total")] == [15, 5, 35]
    assert reckoning(Parcel(Decimal(1), None, Decimal(50)))["insurance_least"] == 1


@pytest.mark.parametrize(
    ("parcel", "beyond"),
    [
        (Parcel(Decimal(50)), False),
        (Parcel(Decimal("50.1")), True),
        (Parcel(Decimal(3), (Decimal(151), Decimal(1), Decimal(1))), True),
    ],
)
def test_limits_of_one_parcel(parcel: Parcel, beyond: bool) -> None:
    assert TARIFFS.too_big(parcel) is beyond


@pytest.mark.parametrize(
    ("break_", "told"),
    [
        (lambda p: p["zones"].pop("far"), "zones"),
        (lambda p: p["zones"]["far"].update(first=-1), "zones.far.first"),
        (lambda p: p["zones"]["far"].update(days=[3, 2]), "zones.far"),
        (lambda p: p["zones"]["far"]["steps"][0].update(over=3), "zones.far"),
        (lambda p: p["remote"].append("Mars"), "remote: Mars"),
        (lambda p: p["remote"].append("北京"), "北京"),
        (lambda p: p["remote"].remove("西藏"), "西藏"),
        (lambda p: p["insurance"].update(rate=5), "insurance.rate"),
        (lambda p: p.update(colour=1), "colour"),
    ],
)
def test_a_wrong_tariff_is_refused_with_file_and_key(
    tmp_path: Path, break_: Callable[[dict[str, Any]], object], told: str
) -> None:
    policy = yaml.safe_load((POLICIES / "tariffs.yml").read_text(encoding="utf-8"))
    break_(policy)
    path = tmp_path / "tariffs.yml"
    path.write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PolicyError, match=rf"tariffs\.yml: .*{told}"):
        Tariffs.from_file(path, Regions.from_file(POLICIES / "regions.yml"))
