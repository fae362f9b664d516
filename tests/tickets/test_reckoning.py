"""The arithmetic of compensation: never above the cap, never below nothing, and it says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.texts import Texts
from store.errors import PolicyError
from tests import rooms
from tests.tickets.money import policies
from tickets.compensation.models import Kind
from tickets.compensation.policy import CompensationPolicies, CompensationPolicy
from tickets.compensation.reckoning import Known, NothingDue, read, reckon, stored

POLICY: CompensationPolicy = policies().present
TEXTS = Texts(rooms.POLICIES / "texts", rooms.SHANGHAI)
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
MONEY = st.decimals(0, 1_000_000, places=2, allow_nan=False, allow_infinity=False)
PERCENT = st.integers(1, 100)


def fen(kind: Kind, known: Known) -> int:
    try:
        return reckon(POLICY, kind, known).fen
    except NothingDue:
        return 0


def late(hours: float) -> Known:
    return Known(promised=NOON, arrived=NOON + timedelta(hours=hours), freight=Decimal("12.50"))


@given(value=MONEY, freight=MONEY, percent=PERCENT)
def test_a_claim_is_never_above_the_cap_nor_the_value_nor_below_nothing(
    value: Decimal, freight: Decimal, percent: int
) -> None:
    got = fen(Kind.DAMAGE, Known(freight=freight, value=value or None, percent=percent))
    assert got >= 0
    if value:
        assert got <= POLICY.claim.insured.most * 100
        assert got <= value * 100
    else:
        assert got <= POLICY.claim.uninsured.most * 100


@given(value=MONEY, freight=MONEY, one=PERCENT, other=PERCENT)
def test_more_damage_never_gets_less(
    value: Decimal, freight: Decimal, one: int, other: int
) -> None:
    less, more = sorted((one, other))

    def of(percent: int) -> int:
        return fen(Kind.DAMAGE, Known(freight=freight, value=value or None, percent=percent))

    assert of(less) <= of(more)
    assert fen(Kind.LOSS, Known(freight=freight, value=value or None, percent=less)) == of(100)


@given(value=MONEY, freight=MONEY, percent=PERCENT)
def test_it_is_rounded_to_the_nearest_fen(value: Decimal, freight: Decimal, percent: int) -> None:
    known = Known(freight=freight, value=value or None, percent=percent)
    exact = (value or freight * POLICY.claim.uninsured.times_freight) * percent
    most = (POLICY.claim.insured if value else POLICY.claim.uninsured).most * 100
    got = fen(Kind.DAMAGE, known)
    assert got == most if exact > most else abs(Decimal(got) - exact) <= Decimal("0.5")


@given(st.integers(1, 60 * 24 * 30), st.integers(1, 60 * 24 * 30))
def test_who_waits_longer_never_gets_less(one: int, other: int) -> None:
    less, more = sorted((one, other))
    for kind in (Kind.DELAY_COUPON, Kind.FREIGHT_REFUND):
        assert fen(kind, late(less / 60)) <= fen(kind, late(more / 60))


@given(freight=MONEY)
def test_no_more_than_the_freight_is_refunded(freight: Decimal) -> None:
    known = Known(promised=NOON, arrived=NOON + timedelta(days=9), freight=freight)
    assert 0 <= fen(Kind.FREIGHT_REFUND, known) <= freight * 100


@pytest.mark.parametrize(
    ("hours", "yuan"),
    [(0.01, 5), (24, 5), (24.01, 10), (48, 10), (48.01, 20), (72, 20), (72.01, 30), (900, 30)],
)
def test_coupons_by_lateness(hours: float, yuan: int) -> None:
    assert fen(Kind.DELAY_COUPON, late(hours)) == yuan * 100


@pytest.mark.parametrize("percent", [-1, 0, 101])
def test_a_damage_is_a_part_of_the_whole(percent: int) -> None:
    with pytest.raises(Exception, match="percent"):
        reckon(POLICY, Kind.DAMAGE, Known(value=Decimal(5), percent=percent))


@pytest.mark.parametrize(
    ("kind", "known", "why"),
    [
        (Kind.DELAY_COUPON, Known(now=NOON), "no_promise"),
        (Kind.DELAY_COUPON, late(0), "in_time"),
        (Kind.FREIGHT_REFUND, late(23), "not_late_enough"),
        (Kind.DAMAGE, Known(), "no_freight"),
        (Kind.DAMAGE, Known(freight=Decimal(0)), "nothing"),
        (Kind.DAMAGE, Known(value=Decimal("0.01"), percent=1), "nothing"),
    ],
)
def test_nothing_due_says_why(kind: Kind, known: Known, why: str) -> None:
    with pytest.raises(NothingDue) as caught:
        reckon(POLICY, kind, known)
    assert caught.value.facts == {"why": why}
    assert TEXTS.has(f"compensation.nothing.{why}")


@pytest.mark.parametrize(
    ("kind", "known", "zh", "en"),
    [
        (
            Kind.DAMAGE, Known(value=Decimal(300), percent=33),
            ["已保价：声明价值 300 元 × 损坏程度 33% = 99 元"],
            ["insured: declared value ¥300 × damage 33% = ¥99"],
        ),
        (
            Kind.LOSS, Known(freight=Decimal("180.50")),
            [
                "未保价：运费 180.50 元 × 5 倍 = 902.50 元",
                "单件最高赔 500 元，按 500 元算",
            ],
            [
                "not insured: freight ¥180.50 × 5 = ¥902.50",
                "¥500 at most for one parcel, so ¥500",
            ],
        ),
        (
            Kind.DELAY_COUPON, late(30),
            ["答应11月20日 12:00 前送到", "晚到 48 小时以内，优惠券 10 元"],
            ["promised by 20 Nov 12:00", "up to 48 h late: a coupon of ¥10"],
        ),
    ],
)  # fmt: skip
def test_it_explains_itself_line_by_line(
    kind: Kind, known: Known, zh: list[str], en: list[str]
) -> None:
    lines = read(stored(reckon(POLICY, kind, known).lines))  # as the record keeps them
    for language, expected in (("zh", zh), ("en", en)):
        said = [line.said(TEXTS, language) for line in lines]
        assert len(said) == len(expected)
        for one, other in zip(said[1:], expected[1:], strict=True):
            assert one == other
        if kind != Kind.DELAY_COUPON:
            assert said[0] == expected[0]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("report_delay, report_perishable]", "report_lateness]", "line 6.*lateness.*report_delay"),
        ("{yuan: 30}", "{up_to_hours: 99, yuan: 30}", "line 7.*has no up_to_hours"),
        ("{up_to_hours: 24, yuan: 5}", "{up_to_hours: 60, yuan: 5}", "must rise"),
        ("{up_to_hours: 24, yuan: 5}", "{up_to_hours: 24, yuan: 50}", "must not get less"),
        ("second_line: 200", "second_lane: 200", "second_lane.*second_line"),
        ("default: 50, ", "", "'default' is missing"),
        ("call_first: [", "call_later: [", "line 29.*call_first"),
        ("percent: 100", "percent: 101", "less than or equal to 100"),
        ("times_freight: 5", "times_freight: 0", "greater than 0"),
        ("valid_days: 90", "valid_days: 0", "greater than 0"),
        ("gift:", "gifts:", "gift"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_policy_is_named_with_its_line(
    tmp_path: Path, was: str, now: str, words: str
) -> None:
    good = policies()
    assert was in good.text
    (tmp_path / "compensation.yml").write_text(good.text.replace(was, now, 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=words) as caught:
        CompensationPolicies.from_file(tmp_path, good.classes, good.teams)
    assert "compensation.yml: line" in str(caught.value)
