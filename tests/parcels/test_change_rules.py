"""What the policy of changes allows: states, cut-offs, hours, windows, and the words it reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from parcels import change_rules
from parcels.change_models import OrderKind
from parcels.change_rules import ChangeRules, Hours
from parcels.models import Shipment, Status
from parcels.times import Interval, understand
from store import clock
from store.errors import PolicyError
from tests.rooms import POLICIES, SHANGHAI

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def rules() -> ChangeRules:
    return change_rules.from_file(POLICIES / "changes.yml")


@pytest.mark.parametrize(
    ("intent", "text", "kind"),
    [
        ("change_delivery_place", "放到丰巢柜", "locker"),
        ("change_delivery_place", "Put it in the LOCKER please", "locker"),
        ("change_delivery_place", "送驿站", "station"),
        ("change_delivery_place", "放隔壁邻居家", "neighbour"),
        ("change_delivery_place", "leave it on the porch", "door"),
        ("change_delivery_place", "我自己去网点取", "hold"),
        ("change_delivery_place", "收件人改成李雷", "recipient"),
        ("change_delivery_place", "改送到公司", None),
        ("cancel_or_return", "帮我拦截", "intercept"),
        ("cancel_or_return", "我拒收", "refuse"),
        ("cancel_or_return", "return it to the sender", "return"),
        ("cancel_or_return", "send YT1 back to the sender", "return"),
        ("cancel_or_return", "取消寄件", "cancel"),
        ("request_pickup", "取件改到后天", "pickup_move"),
        ("request_pickup", "不用来取了", "pickup_cancel"),
        ("request_pickup", "明天来取个件", None),
    ],
)
def test_words_name_a_change_of_their_intent(
    rules: ChangeRules, intent: str, text: str, kind: str | None
) -> None:
    assert rules.named(intent, text) == kind


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.RETURNED])
def test_nothing_is_possible_after_the_end(rules: ChangeRules, status: Status) -> None:
    shipment = Shipment(status=status)
    of_customers = set(OrderKind) - {OrderKind.REDELIVER, OrderKind.RESEND}
    assert not any(rules.possible(kind, shipment) for kind in of_customers)


@pytest.mark.parametrize(("minutes", "open_"), [(61, True), (60, True), (59, False), (-5, False)])
def test_the_cut_off_is_counted_from_the_window(
    rules: ChangeRules, at: object, minutes: int, open_: bool
) -> None:
    begins = clock.now() + timedelta(minutes=minutes)
    shipment = Shipment(status=Status.OUT_FOR_DELIVERY, eta_from=begins)
    assert (rules.possible(OrderKind.RESCHEDULE, shipment) is not None) is open_


def wished(phrase: str, hours: Hours, zone: ZoneInfo = SHANGHAI) -> Interval | None:
    understood = understand(phrase, clock.now(), zone)
    assert understood is not None
    return hours.within(understood)


@pytest.mark.parametrize(
    ("now", "phrase", "begin", "end"),
    [
        # Monday 2 March 2026, ten in the morning.
        ("2026-03-02T10:00", "明天下午3点", "2026-03-03T15:00", "2026-03-03T16:00"),
        ("2026-03-02T10:00", "Sat morning", "2026-03-07T08:00", "2026-03-07T12:00"),
        ("2026-03-02T10:00", "今天", "2026-03-02T11:00", "2026-03-02T21:00"),
        ("2026-03-02T23:50", "明天", "2026-03-03T08:00", "2026-03-03T21:00"),
        ("2026-03-03T00:10", "今天上午", "2026-03-03T08:00", "2026-03-03T12:00"),
        ("2026-02-28T10:00", "明天上午", "2026-03-01T08:00", "2026-03-01T12:00"),
        ("2026-03-06T10:00", "next Friday", "2026-03-13T08:00", "2026-03-13T21:00"),
        ("2026-03-02T20:30", "今天", None, None),
        ("2026-03-02T10:00", "昨天", None, None),
        ("2026-03-02T10:00", "4月20日", None, None),
        ("2026-03-02T10:00", "明天凌晨两点", None, None),
    ],
)
def test_a_wish_is_cut_to_what_can_be_had(
    rules: ChangeRules,
    at: Callable[[datetime], None],
    now: str,
    phrase: str,
    begin: str | None,
    end: str | None,
) -> None:
    at(datetime.fromisoformat(now).replace(tzinfo=SHANGHAI))
    found = wished(phrase, rules.delivery)
    if begin is None or end is None:
        assert found is None
        return
    assert found is not None
    assert found.start == datetime.fromisoformat(begin).replace(tzinfo=SHANGHAI)
    assert found.end == datetime.fromisoformat(end).replace(tzinfo=SHANGHAI)


def test_hours_are_the_walls_where_the_clocks_change(
    rules: ChangeRules, at: Callable[[datetime], None]
) -> None:
    at(datetime(2026, 3, 7, 12, tzinfo=NEW_YORK))  # the night before they go on
    found = wished("tomorrow morning", rules.delivery, NEW_YORK)
    assert found is not None
    assert found.start.isoformat() == "2026-03-08T08:00:00-04:00"


def test_windows_of_pickups_are_half_hours_of_the_clock(rules: ChangeRules, at: object) -> None:
    found = wished("今天下午", rules.pickup)
    assert found is not None
    windows = rules.pickup.windows(Interval(found.start + timedelta(minutes=7), found.end))
    assert {(w.end - w.start, w.start.minute % 30) for w in windows} == {(timedelta(minutes=30), 0)}
    assert windows[0].start - found.start == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("break_", "words"),
    [
        (lambda p: p["changes"].pop("door"), "door"),
        (lambda p: p["changes"]["door"]["states"].update(Lost={}), "Lost"),
        (lambda p: p["changes"]["address"].update(needs=["colour"]), "needs"),
        (lambda p: p["identity"].update(tries=0), "tries"),
        (lambda p: p["identity"].update(holds_hours={"web": 1}), "default"),
        (lambda p: p["pickup"].update({"from": "21:00"}), "from"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(
    tmp_path: Path, break_: Callable[[dict[str, object]], object], words: str
) -> None:
    policy = yaml.safe_load((POLICIES / "changes.yml").read_text())
    break_(policy)
    path = tmp_path / "changes.yml"
    path.write_text(yaml.safe_dump(policy, allow_unicode=True))
    with pytest.raises(PolicyError, match=words):
        change_rules.from_file(path)
