"""Told before asking: whom, what, when, and never twice, late or wrong."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.channels.outbox import OutboxLoop
from bot.notices.loop import MAX_ATTEMPTS, Letter, NoticeLoop
from conversations import repository as records
from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Capabilities, Outbound
from parcels import incidents, notice_repository, notices, timeline
from parcels.incidents import Report
from parcels.models import Status
from parcels.notice_models import Node, Notice, NoticeWish
from parcels.road_models import IncidentKind, Scope
from parcels.schemas import ScanIn
from store import clock
from store.engine import Database
from tests.bot.notices_house import CODE, COURIER_PHONE, PUBLIC_URL, RULES, House
from tests.channels.fake import FakeChannel, FakePlatform
from tests.channels.house import until
from tests.rooms import SHANGHAI, file_store

ONE, OTHER = "YT2718281828459", "YT3141592653589"
MASKED = "139****2222"
Move = Callable[[datetime], None]


@pytest.fixture
def house(database: Database, at: Move) -> House:
    found = House(database)
    for number in (ONE, OTHER):
        found.parcel(
            number,
            courier_name="李师傅",
            courier_phone=COURIER_PHONE,
            pickup_place="丰巢3号柜",
            pickup_code=CODE,
            eta_from=clock.now() + timedelta(hours=5),
            eta_to=clock.now() + timedelta(hours=6),
        )
    return found


def later(at: Move, **more: float) -> None:
    at(clock.now() + timedelta(**more))


def wall(day: int, clock_: str) -> datetime:
    """A time of the wall clock of March 2026."""
    hours, minutes = map(int, clock_.split(":"))
    return datetime(2026, 3, day, hours, minutes, tzinfo=SHANGHAI)


NODES = [
    ("InTransit_PickedUp", "已经揽收", "was picked up today 10:00"),
    ("InTransit_Arrival", "到了杭州转运中心，正在分拣", "reached 杭州转运中心"),
    ("InTransit_Departure", "已从杭州转运中心发出", "left 杭州转运中心"),
    ("InTransit", "在杭州转运中心", "was at 杭州转运中心"),
    ("OutForDelivery", "今天 15:00 到 16:00 送到", "It should reach you today 15:00 to 16:00"),
    ("AvailableForPickup", f"放在丰巢3号柜了，取件码 {CODE}", f"pickup code {CODE}"),
    ("Delivered", "今天 10:00 已经签收", "was delivered today 10:00"),
    ("DeliveryFailure_NoBody", "没能送到您手上", "could not hand it over"),
    ("Exception_Damage", "在杭州转运中心遇到了点问题", "ran into a problem"),
    ("Exception_Returning", "正在退回寄件人", "going back to the sender"),
    ("Returned", "已经退回到寄件人手里", "handed back to the sender"),
]


@pytest.mark.parametrize(("state", "zh", "en"), NODES)
async def test_every_node_is_told_in_the_customers_language(
    house: House, at: Move, state: str, zh: str, en: str
) -> None:
    speaker = house.owner(ONE)
    foreigner = house.owner(ONE, "bob", english=True)
    house.writes("eve")  # has proved nothing
    house.scan(ONE, state)
    later(at, minutes=10)
    await house.settle()
    (in_chinese,) = house.told(speaker)
    (in_english,) = house.told(foreigner)
    assert zh in in_chinese
    assert en in in_english
    assert ONE in in_chinese
    assert ONE in in_english
    assert len(house.told()) == 2
    with house.database.write() as session:
        (code,) = timeline.service_codes(session, [1]).values()
    for words in (in_chinese, in_english):
        ended = state in ("Delivered", "Returned")
        assert (f"{PUBLIC_URL}{timeline.PATH}/{code}" in words) is not ended


async def test_out_for_delivery_names_the_courier_and_offers_another_time(house: House) -> None:
    house.owner(ONE)
    house.scan(ONE)
    await house.settle()
    assert f"快递员李师傅，电话 {MASKED}" in house.told()[0]
    assert house.buttons() == ["改期"]


async def test_a_code_is_for_the_proven_owner_alone(house: House, at: Move) -> None:
    house.owner(ONE)
    later(at, hours=25)  # the proof on this channel holds for 24 hours
    house.scan(ONE, "AvailableForPickup")
    await house.settle()
    (words,) = house.told()
    assert CODE not in words
    assert "丰巢3号柜" in words
    assert house.buttons() == ["取件码"]


async def test_an_old_proof_hears_no_phone(house: House, at: Move) -> None:
    house.owner(ONE)
    later(at, hours=25)
    house.scan(ONE)
    await house.settle()
    assert "快递员是李师傅" in house.told()[0]
    assert COURIER_PHONE not in house.told()[0]


async def test_how_to_stop_is_said_once(house: House, at: Move) -> None:
    house.owner(ONE)
    for state in ("OutForDelivery", "DeliveryFailure"):
        house.scan(ONE, state)
        await house.settle()
        later(at, hours=1)
    assert ["回复“退订”" in words for words in house.told()] == [True, False]


async def test_nodes_within_a_time_are_one_message_about_the_newest(house: House, at: Move) -> None:
    house.owner(ONE)
    house.scan(ONE, "InTransit_PickedUp", place="上海")
    await house.settle()
    later(at, minutes=6)
    house.scan(ONE, "InTransit_Arrival", place="嘉兴")
    await house.settle()
    assert house.told() == []
    later(at, minutes=4)
    await house.settle()
    (words,) = house.told()
    assert "到了嘉兴" in words
    assert "揽收" not in words
    later(at, minutes=30)
    await house.settle()
    assert len(house.told()) == 1


async def test_two_parcels_are_one_message(house: House, at: Move) -> None:
    house.owner(ONE)
    house.owner(OTHER)
    house.scan(ONE, "InTransit_Arrival")
    house.scan(OTHER, "InTransit_Departure")
    later(at, minutes=10)
    await house.settle()
    (words,) = house.told()
    assert ONE in words
    assert OTHER in words


async def test_what_is_told_at_once_takes_along_what_waits(house: House) -> None:
    house.owner(ONE)
    house.owner(OTHER)
    house.scan(OTHER, "InTransit_Arrival")
    house.scan(ONE, "OutForDelivery")
    await house.settle()
    (words,) = house.told()
    assert OTHER in words
    assert "正在派送" in words


QUIET = [
    (3, "21:59", 3, "21:59"),
    (3, "22:00", 4, "08:00"),
    (3, "23:59", 4, "08:00"),
    (4, "00:00", 4, "08:00"),
    (4, "07:59", 4, "08:00"),
    (4, "08:00", 4, "08:00"),
    (31, "23:30", 32, "08:00"),
]


@pytest.mark.parametrize(("day", "scanned", "on", "told"), QUIET)
async def test_the_night_is_quiet(
    house: House, at: Move, day: int, scanned: str, on: int, told: str
) -> None:
    house.owner(ONE)
    at(wall(day, scanned))
    house.scan(ONE, "AvailableForPickup")
    await house.settle()
    expected = wall(1, told) + timedelta(days=on - 1)
    assert bool(house.told()) is (clock.now() == expected)
    at(expected - timedelta(seconds=1))
    await house.settle()
    if clock.now() >= wall(day, scanned):
        assert house.told() == []
    at(max(expected, wall(day, scanned)))
    await house.settle()
    assert len(house.told()) == 1


async def test_a_node_may_be_told_at_night_by_policy(house: House, at: Move) -> None:
    awake = RULES.nodes[Node.AVAILABLE].model_copy(update={"at_night": True})
    house.rules = RULES.model_copy(update={"nodes": {**RULES.nodes, Node.AVAILABLE: awake}})
    house.owner(ONE)
    at(wall(3, "23:30"))
    house.scan(ONE, "AvailableForPickup")
    await house.settle()
    assert len(house.told()) == 1


async def test_what_the_night_has_overtaken_is_not_told_in_the_morning(
    house: House, at: Move
) -> None:
    house.owner(ONE)
    at(wall(3, "22:30"))
    house.scan(ONE, "OutForDelivery")
    await house.settle()
    at(wall(3, "23:00"))
    house.scan(ONE, "Delivered")
    await house.settle()
    at(wall(4, "08:00"))
    await house.settle()
    (words,) = house.told()
    assert "已经签收" in words


async def test_a_scan_that_comes_late_or_out_of_order_tells_nothing(house: House, at: Move) -> None:
    house.owner(ONE)
    house.owner(OTHER)
    house.scan(ONE, "InTransit_Departure", clock.now() - timedelta(minutes=5))
    house.scan(ONE, "InTransit_Arrival", clock.now() - timedelta(minutes=50))  # overtaken
    house.scan(OTHER, "InTransit_Arrival", clock.now() - timedelta(hours=7))  # too old
    later(at, minutes=10)
    await house.settle()
    (words,) = house.told()
    assert "已从杭州转运中心发出" in words
    house.scan(ONE, "Delivered")
    house.scan(ONE, "OutForDelivery", clock.now() - timedelta(minutes=30))
    await house.settle()
    assert len(house.told()) == 2
    assert "已经签收" in house.told()[1]


async def test_one_batch_in_any_order_tells_the_newest(house: House, at: Move) -> None:
    house.owner(ONE)
    now = clock.now()
    house.scans(
        [
            house.event(ONE, "OutForDelivery", now),
            house.event(ONE, "InTransit_Arrival", now - timedelta(minutes=3)),
            house.event(ONE, "InTransit_Departure", now - timedelta(minutes=1)),
        ]
    )
    await house.settle()
    (words,) = house.told()
    assert "正在派送" in words


async def test_the_same_told_by_two_sources_is_told_once(house: House, at: Move) -> None:
    house.owner(ONE)
    house.scan(ONE, "Delivered")
    await house.settle()
    later(at, minutes=20)
    house.scan(ONE, "Delivered", source="17track", place="Hangzhou")
    await house.settle()
    assert len(house.told()) == 1


async def test_a_repeated_scan_makes_no_second_row(house: House) -> None:
    house.owner(ONE)
    given = house.event(ONE, "OutForDelivery")
    house.scans([given])
    house.scans([given])
    await house.settle()
    house.scans([given])
    await house.settle()
    assert len(house.rows()) == len(house.told()) == 1


async def test_a_failed_try_and_another_delivery_are_each_told(house: House, at: Move) -> None:
    house.owner(ONE)
    for state in ("OutForDelivery", "DeliveryFailure", "OutForDelivery", "Delivered"):
        later(at, hours=1)
        house.scan(ONE, state)
        await house.settle()
    assert len(house.told()) == 4


async def test_wechat_is_spared_the_hubs_and_keeps_sends_for_answers(
    house: House, at: Move
) -> None:
    house.owner(ONE, channel="wechat")
    house.scan(ONE, "InTransit_Arrival")
    later(at, minutes=10)
    await house.settle()
    assert house.told() == []
    # The customer's message allows five; at-once nodes leave one, others three.
    for state in ("OutForDelivery", "DeliveryFailure") * 3:
        later(at, minutes=65)
        house.scan(ONE, state)
        await house.settle()
    assert len(house.told()) == 4
    house.writes("ann", "谢谢", channel="wechat")
    later(at, hours=1)
    await house.settle()
    assert len(house.told()) == 5
    assert "没能送到" in house.told()[-1]


async def test_what_is_not_at_once_leaves_more_of_the_quota(house: House, at: Move) -> None:
    house.owner(ONE, channel="wechat")
    for number in range(4):
        house.scan(ONE, "Exception", place=f"站点{number}")
        later(at, minutes=20)
        await house.settle()
    assert len(house.told()) == 2


async def test_what_finds_no_room_for_too_long_is_dropped(house: House, at: Move) -> None:
    house.owner(ONE, channel="wechat")
    later(at, hours=49)  # nothing may be said any more
    house.scan(ONE, "OutForDelivery")
    for _ in range(40):
        later(at, hours=1)
        await house.settle()
    house.writes("ann", "在吗", channel="wechat")
    later(at, hours=1)
    await house.settle()
    assert house.told() == []
    assert all(row.due_at is None for row in house.rows())


async def test_a_stop_said_meanwhile_is_honoured(house: House, at: Move) -> None:
    house.owner(ONE)
    house.scan(ONE, "InTransit_Arrival")
    with house.database.write() as session:
        customer_id = session.scalars(select(NoticeWish.customer_id)).one()
        notices.wish(session, customer_id, None, wanted=False)
    later(at, minutes=10)
    await house.settle()
    house.scan(ONE, "OutForDelivery")
    await house.settle()
    assert house.told() == []


async def test_only_the_nodes_wished_for_are_told_of_new_parcels_too(
    house: House, at: Move
) -> None:
    house.owner(ONE)
    with house.database.write() as session:
        customer_id = session.scalars(select(NoticeWish.customer_id)).one()
        notices.wish(session, customer_id, None, wanted=True, nodes=[Node.DELIVERED])
    house.owner(OTHER)
    for number in (ONE, OTHER):
        house.scan(number, "OutForDelivery")
        house.scan(number, "Delivered", clock.now() + timedelta(seconds=1))
    await house.settle()
    (words,) = house.told()
    assert words.count("已经签收") == 2
    assert "派送" not in words


async def test_a_failure_half_way_writes_nothing_and_is_tried_again(
    house: House, at: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.owner(ONE)
    house.scan(ONE)

    post = NoticeLoop._post

    def dies(*given: Any) -> None:
        post(*given)
        raise RuntimeError("power cut after the message was written")

    with monkeypatch.context() as patch:
        patch.setattr(NoticeLoop, "_post", dies)
        await house.settle()
    assert house.told() == []
    assert house.rows()[0].last_error == "RuntimeError"
    later(at, minutes=1)
    await house.settle()
    assert len(house.told()) == len(house.outbox()) == 1


async def test_a_customer_who_cannot_be_told_holds_up_nobody(
    house: House, at: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.owner(ONE, "unlucky")
    house.owner(OTHER, "ann")
    house.scans([house.event(ONE, "OutForDelivery"), house.event(OTHER, "OutForDelivery")])
    letter = NoticeLoop._letter

    def dies(loop: NoticeLoop, session: Any, customer: Any, *given: Any, **more: Any) -> Letter:
        if customer.address == "unlucky":
            raise RuntimeError("this one's row is broken")
        return letter(loop, session, customer, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(NoticeLoop, "_letter", dies)
        await house.settle()
        (words,) = house.told()
        assert OTHER in words
        for _ in range(MAX_ATTEMPTS):
            later(at, minutes=20)
            await house.settle()
    later(at, hours=1)
    await house.settle()
    assert len(house.told()) == 1
    (given_up,) = [row for row in house.rows() if row.message_id is None]
    assert given_up.last_error == "RuntimeError"
    assert given_up.attempts == MAX_ATTEMPTS


async def test_two_workers_tell_each_customer_once_and_in_order(address: str, at: Move) -> None:
    houses = [House(Database(address)) for _ in range(2)]
    _wave(houses[0], 60)
    loops = [house.loop() for house in houses]
    await asyncio.gather(*(asyncio.to_thread(_until_done, loop) for loop in loops))
    _each_once(houses[0], 60)
    for house in houses:
        house.database.dispose()


@pytest.mark.slow
def test_a_wave_survives_kills(address: str) -> None:
    """Real processes, really killed: every customer hears of it once."""
    house = House(Database(address), RULES.model_copy(update={"quiet": None}))
    _wave(house, 80)
    before, killed = -1, 0
    for _ in range(12):
        worker = subprocess.Popen([sys.executable, "-m", "tests.bot.notices_worker", address])
        while worker.poll() is None:
            if len(house.outbox()) >= before + 30:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                killed += 1
            time.sleep(0.01)
        before = len(house.outbox())
        with house.database.write() as session:  # the dead worker's lease has run out
            session.execute(update(Notice).values(leased_until=None))
        if worker.returncode == 0:
            break
    assert killed >= 2
    _each_once(house, 80)
    house.database.dispose()


async def test_a_wave_does_not_starve_a_live_answer(house: House) -> None:
    _wave(house, 250)
    platform = FakePlatform(drops_repeats=False)
    house.channels.add(_Web(platform))
    outbox = OutboxLoop(house.database, house.live, house.channels, file_store())
    outbox.start()
    try:
        async with house.at_work():
            await until(lambda: len(platform.sent) > 100, 60)
            conversation_id = await asyncio.to_thread(house.writes, "live")
            sent = len(platform.sent)
            await asyncio.to_thread(_answer, house, conversation_id)
            await until(lambda: any(p.text == "live answer" for p in platform.sent), 60)
            place = next(i for i, p in enumerate(platform.sent) if p.text == "live answer")
            await until(lambda: len(platform.sent) == 251, 60)
    finally:
        await outbox.stop()
    assert place - sent <= 3 * RULES.waiting_in_outbox
    told = [p.text for p in platform.sent if "YT9" in p.text]
    assert len(set(told)) == len(told) == 250


async def test_an_incident_is_told_to_all_it_holds_up_once(house: House) -> None:
    house.owner(ONE)
    house.owner(OTHER, "bob", english=True)
    incident = notices.Incident(
        7,
        lambda parcel: parcel.waybill_no.in_([ONE, OTHER]),
        "weather",
        "武汉转运中心",
        clock.now() + timedelta(hours=6),
    )
    for _ in range(2):
        with house.database.write() as session:
            notices.tell_of_incident(session, incident)
    house.scan(OTHER, "Delivered", clock.now() - timedelta(minutes=1))
    await house.settle()
    words = house.told()
    assert len(words) == 2
    assert "要晚一些：武汉转运中心，天气恶劣" in words[0]
    assert "今天 16:00" in words[0]
    assert "was delivered" in words[1]  # late is what it no longer is
    assert len(house.rows()) == 3


async def test_an_incident_that_ended_before_it_was_told_is_not_told(house: House) -> None:
    scan = ScanIn(event_id="1", at=clock.now(), status=Status.IN_TRANSIT, place="武汉转运中心")
    house.parcel(ONE, scans=[scan])
    house.owner(ONE)
    now = clock.now()
    report = Report(
        IncidentKind.WEATHER, Scope.HUB, "武汉转运中心", None, now, now + timedelta(hours=6)
    )
    with house.database.write() as session:
        incident = incidents.enter(session, "snow", report, 1)
        assert incidents.end(session, incident.id, 1)
    await house.settle()
    assert house.told() == []
    assert [row.incident_id for row in house.rows()] == [incident.id]
    assert [row.due_at for row in house.rows()] == [None]


async def test_wishes_and_notices_follow_the_customer(house: House) -> None:
    stranger, customer = house.owner(ONE, "stranger"), house.owner(ONE, "customer")
    house.owner(OTHER, "stranger")
    house.scan(ONE)
    house.scan(OTHER)
    with house.database.write() as session:
        was, now = (session.get_one(Conversation, c).customer_id for c in (stranger, customer))
        notice_repository.drop_doubles(session, was, now)
        records.move(session, was, now)
    await house.settle()
    assert house.told(stranger) == []
    (words,) = house.told(customer)
    assert ONE in words
    assert OTHER in words


class _Web(FakeChannel):
    """The customers' channel, over the platform of the tests."""

    name = "web"

    def __init__(self, platform: FakePlatform) -> None:
        self._platform = platform
        self.capabilities = Capabilities()


def _wave(house: House, size: int) -> None:
    """``size`` customers, each with a parcel of his own that is out for delivery now."""
    numbers = [f"YT9{n:012}" for n in range(size)]
    for n, number in enumerate(numbers):
        house.parcel(number)
        house.owner(number, f"customer{n}")
    house.scans([house.event(number, "OutForDelivery") for number in numbers])


def _each_once(house: House, size: int) -> None:
    told = Counter(text.split()[1] for text in house.told())
    assert len(told) == size
    assert set(told.values()) == {1}
    rows = house.rows()
    assert all(row.due_at is None and row.message_id for row in rows)
    assert len(house.outbox()) == size


def _until_done(loop: NoticeLoop) -> None:
    while loop._tell_some(8):
        pass


def _answer(house: House, conversation_id: int) -> None:
    with house.database.write() as session:
        conversation = session.get_one(Conversation, conversation_id)
        conversations.post(session, conversation, Outbound("in:1:0", "live answer"), Author.BOT)
        house.live.after_commit(session, "outbox")
