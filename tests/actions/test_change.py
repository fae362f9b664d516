"""Changes by themselves: each asked for, proved, summed up, agreed to and ordered; each refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from actions import runtime
from conversations.models import Customer, Holder
from parcels import service as parcels
from parcels.change_models import DepotOrder
from parcels.models import Status
from parcels.notice_models import NoticeWish
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from tests.actions.test_skills import Run, Told, run, the_conversation
from tests.rooms import SHANGHAI

__all__ = ["run"]

NUMBER = "YT2718281828459"
OWNER, SECRET_NAME, ADDRESS, CODE = "13800004455", "王敏", "天府三街八号", "8-2-6677"


class Talk:
    """One customer who changes something: slots and the form are carried from turn to turn."""

    def __init__(self, run: Run, database: Database) -> None:
        self._run = run
        self.database = database
        self.slots: dict[str, Any] = {}

    async def says(self, text: str, intent: str = "inform", **entities: str) -> Told:
        told = await self._run(
            "validate_change_form",
            text,
            intent,
            entities=entities,
            slots=self.slots,
            form="change_form" if self.slots.get("change") else False,
        )
        self.slots |= told.slots
        return told

    async def proven(self, text: str, intent: str, **entities: str) -> Told:
        """Says it with the number, and proves who he is."""
        await self.says(f"{text} {NUMBER}", intent, waybill_no=NUMBER, **entities)
        return await self.says("4455")

    @property
    def ended(self) -> bool:
        return self.slots["change"] is None and self.slots["requested_slot"] is None

    def orders(self) -> list[DepotOrder]:
        with self.database.read() as session:
            return session.query(DepotOrder).order_by(DepotOrder.id).all()


@pytest.fixture
def talk(run: Run, database: Database) -> Talk:
    runtime.install(replace(runtime.services(), orders_go_out=True))
    return Talk(run, database)


@pytest.fixture
def parcel(database: Database) -> Callable[..., None]:
    def store(status: Status = Status.IN_TRANSIT, **more: Any) -> None:
        with database.write() as session:
            parcels.store_shipment(
                session,
                ShipmentIn(
                    waybill_no=NUMBER,
                    recipient_name=SECRET_NAME,
                    recipient_phone=OWNER,
                    recipient_address=ADDRESS,
                    scans=[ScanIn(at=clock.now(), status=status, place="武汉")],
                    **more,
                ),
            )

    return store


CHANGES = [
    ("改期 明天下午3点", "change_delivery_time", "InTransit", [], "reschedule", {}),
    ("reschedule to Sat morning", "change_delivery_time", "InTransit", [], "reschedule", {}),
    ("换个地址送", "change_delivery_place", "InTransit", ["朝阳区建国路 88 号"], "address",
     {"place": "朝阳区建国路 88 号"}),
    ("put it in a locker", "change_delivery_place", "InTransit", ["gate 3"], "locker",
     {"place": "gate 3"}),
    ("放驿站吧", "change_delivery_place", "DeliveryFailure", ["学府路菜鸟"], "station",
     {"place": "学府路菜鸟"}),
    ("给邻居代收", "change_delivery_place", "OutForDelivery", ["隔壁302 老张"], "neighbour",
     {"person": "隔壁302 老张"}),
    ("leave it at the front door", "change_delivery_place", "OutForDelivery", [], "door", {}),
    ("放在网点我自己去取", "change_delivery_place", "InTransit", [], "hold", {}),
    ("change the recipient", "change_delivery_place", "InTransit", ["Li Lei 13911112222"],
     "recipient", {"person": "Li Lei 13911112222"}),
    ("取消寄件", "cancel_or_return", "InfoReceived", [], "cancel", {}),
    ("帮我拦截", "cancel_or_return", "InTransit", [], "intercept", {}),
    ("I refuse it", "cancel_or_return", "OutForDelivery", [], "refuse", {}),
    ("退回去", "cancel_or_return", "DeliveryFailure", [], "return", {}),
    ("send it back please", "cancel_or_return", "InTransit", [], "return", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "intent", "status", "answers", "kind", "wish"), CHANGES)
async def test_each_change_becomes_one_order_after_proof_and_a_yes(
    talk: Talk,
    parcel: Callable[..., None],
    text: str,
    intent: str,
    status: str,
    answers: list[str],
    kind: str,
    wish: dict[str, str],
) -> None:
    parcel(Status(status))
    told = await talk.proven(text, intent)
    for answer in answers:
        assert talk.orders() == []
        told = await talk.says(answer)
    assert talk.slots["requested_slot"] == "confirm", told.texts
    assert talk.orders() == []
    assert len(told.buttons) == 2
    await talk.says(told.buttons[0], "inform")
    (order,) = talk.orders()
    assert (order.kind, order.waybill_no, order.state) == (kind, NUMBER, "placed")
    assert order.wish.items() >= wish.items()
    assert talk.ended


async def test_the_time_is_the_companys(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    told = await talk.proven("改期 明天下午3点", "change_delivery_time", time="明天下午3点")
    assert "明天 15:00 到 16:00" in told.texts
    await talk.says("好的", "affirm")
    (order,) = talk.orders()
    start = datetime.fromisoformat(order.wish["from"])
    assert start == datetime(2026, 3, 3, 15, tzinfo=SHANGHAI)


async def test_the_price_is_told_before_and_kept(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    told = await talk.proven("帮我拦截", "cancel_or_return")
    assert "10 元" in told.texts
    await talk.says("确认")
    assert talk.orders()[0].price == 10


async def test_a_no_orders_nothing(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    await talk.proven("改期到明天上午", "change_delivery_time")
    await talk.says("不用了", "deny")
    assert talk.orders() == []
    assert talk.ended


async def test_calling_it_off_does_not_cancel_the_parcel(
    talk: Talk, parcel: Callable[..., None]
) -> None:
    parcel()
    await talk.proven("改期到明天上午", "change_delivery_time")
    await talk.says("取消", "cancel_or_return")
    assert talk.orders() == []
    assert talk.ended


async def test_another_time_in_the_place_of_a_yes(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    await talk.proven("改期到明天上午", "change_delivery_time")
    told = await talk.says("还是后天下午四点吧", "change_delivery_time")
    assert "16:00" in told.texts
    await talk.says("确认", "affirm")
    assert datetime.fromisoformat(talk.orders()[0].wish["from"]).astimezone(SHANGHAI).day == 4


@pytest.mark.parametrize(
    ("text", "kind", "asked"),
    [
        ("还是放门口吧", "door", "confirm"),
        ("改地址要另外收钱吗", "address", "place"),
        ("放驿站吧", "station", "place"),
        ("put it in a locker please", "locker", "confirm"),
    ],
)
async def test_another_wish_in_the_place_of_a_yes_is_summed_up_anew(
    talk: Talk, parcel: Callable[..., None], text: str, kind: str, asked: str
) -> None:
    parcel()
    await talk.proven("放快递柜", "change_delivery_place")
    await talk.says("东门3号柜", "inform", place="东门3号柜")
    assert talk.slots["requested_slot"] == "confirm"
    await talk.says(text, "change_delivery_place")
    assert talk.orders() == []
    assert (talk.slots["change"]["kind"], talk.slots["requested_slot"]) == (kind, asked)


async def test_the_wish_said_again_with_its_number_is_not_asked_for_it(
    talk: Talk, parcel: Callable[..., None]
) -> None:
    parcel()
    await talk.says("放门口", "change_delivery_place")
    assert talk.slots["requested_slot"] == "number"
    await talk.says(f"我说 {NUMBER} 放门口", "change_delivery_place", waybill_no=NUMBER)
    assert talk.slots["requested_slot"] == "digits"


@pytest.mark.parametrize("text", ["隔壁302的老张", "楼下小卖部王阿姨"])
async def test_a_neighbour_is_no_report(talk: Talk, parcel: Callable[..., None], text: str) -> None:
    parcel()
    await talk.proven("给邻居代收", "change_delivery_place")
    told = await talk.says(text, "report_misdelivery")
    assert text in told.texts
    assert talk.slots["requested_slot"] == "confirm"


async def test_the_proof_is_not_asked_twice(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    await talk.proven("放门口", "change_delivery_place")
    await talk.says("确认")
    await talk.says("改期到明天上午", "change_delivery_time")
    assert talk.slots["requested_slot"] == "confirm"


async def test_my_parcel_is_the_one_that_was_proved(
    talk: Talk, parcel: Callable[..., None]
) -> None:
    parcel()
    await talk.proven("放门口", "change_delivery_place")
    await talk.says("不改了")
    talk.slots["waybill_no"] = None
    await talk.says("我的件改期到明天上午", "change_delivery_time")
    assert talk.slots["requested_slot"] == "confirm"


async def test_another_customer_proves_it_anew(
    talk: Talk, run: Run, parcel: Callable[..., None], database: Database
) -> None:
    parcel(Status.AVAILABLE_FOR_PICKUP, pickup_code=CODE, pickup_place="丰巢")
    assert CODE in (await talk.proven("取件码", "ask_pickup_code")).texts
    with database.write() as session:
        session.query(Customer).update({"address": "somebody else"})
    stranger = Talk(run, database)
    told = await stranger.says("pickup code", "ask_pickup_code", waybill_no=NUMBER)
    assert stranger.slots["requested_slot"] == "digits"
    assert CODE not in told.texts


async def test_digits_told_at_once_are_not_asked(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    await talk.says(f"{NUMBER} 放门口，手机尾号4455", "change_delivery_place", waybill_no=NUMBER)
    assert talk.slots["requested_slot"] == "confirm"


@pytest.mark.parametrize("number", [NUMBER, "YT2718281828460"])
async def test_wrong_digits_and_unknown_numbers_hear_the_same(
    talk: Talk, parcel: Callable[..., None], number: str
) -> None:
    parcel(Status.AVAILABLE_FOR_PICKUP, pickup_code=CODE, pickup_place="丰巢")
    heard = [(await talk.says("取件码", "ask_pickup_code", waybill_no=number)).texts]
    heard += [(await talk.says("0000")).texts for _ in range(3)]
    expected = (
        "好的，我帮您看取件码。为了不让别人动您的包裹",
        "对不上。可能是单号或者数字记错了",
        "对不上。可能是单号或者数字记错了",
        "抱歉让您费神了。单号和后四位几次都没对上",
    )
    for words, begins in zip(heard, expected, strict=True):
        assert words.startswith(begins)
        assert number not in words
        for secret in (CODE, SECRET_NAME, ADDRESS, "4455", "武汉"):
            assert secret not in words
    assert talk.ended
    told = await talk.says("取件码", "ask_pickup_code", waybill_no=number)
    assert told.texts.endswith("我请同事来帮您核实。")
    assert told.buttons == ["转人工"]


async def test_the_code_is_told_to_its_owner(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel(Status.AVAILABLE_FOR_PICKUP, pickup_code=CODE, pickup_place="丰巢3号柜")
    told = await talk.proven("取件码是多少", "ask_pickup_code")
    assert CODE in told.texts
    assert talk.ended


REFUSED = [
    ("改期到明天", "change_delivery_time", "Delivered", "签收"),
    ("改期到明天", "change_delivery_time", "Returned", "退回"),
    ("放门口", "change_delivery_place", "AvailableForPickup", "取"),
    ("change my address", "change_delivery_place", "OutForDelivery", "out for delivery"),
    ("帮我拦截", "cancel_or_return", "Delivered", "签收"),
    ("cancel it", "cancel_or_return", "Returned", "gone back"),
]


@pytest.mark.parametrize(("text", "intent", "status", "words"), REFUSED)
async def test_what_is_not_possible_any_more_is_said_and_a_person_offered(
    talk: Talk, parcel: Callable[..., None], text: str, intent: str, status: str, words: str
) -> None:
    parcel(Status(status))
    told = await talk.proven(text, intent)
    assert words in told.texts
    assert told.buttons
    assert talk.orders() == []
    assert talk.ended


@pytest.mark.parametrize(("minutes", "asked"), [(61, "confirm"), (59, None)])
async def test_the_cut_off_before_the_delivery(
    talk: Talk, parcel: Callable[..., None], minutes: int, asked: str | None
) -> None:
    begins = clock.now() + timedelta(minutes=minutes)
    parcel(Status.OUT_FOR_DELIVERY, eta_from=begins, eta_to=begins + timedelta(hours=1))
    await talk.proven("改期到明天上午", "change_delivery_time")
    assert talk.slots["requested_slot"] == asked


async def test_an_agreement_after_the_cut_off_orders_nothing(
    talk: Talk, parcel: Callable[..., None], at: Callable[[datetime], None]
) -> None:
    begins = clock.now() + timedelta(minutes=70)
    parcel(Status.OUT_FOR_DELIVERY, eta_from=begins, eta_to=begins + timedelta(hours=1))
    await talk.proven("改期到明天上午", "change_delivery_time")
    at(clock.now() + timedelta(minutes=20))
    told = await talk.says("确认", "affirm")
    assert talk.orders() == []
    assert "来不及" in told.texts


@pytest.mark.parametrize("when", ["昨天下午", "明年三月", "明天凌晨两点"])
async def test_a_time_that_cannot_be_had_is_asked_again(
    talk: Talk, parcel: Callable[..., None], when: str
) -> None:
    parcel()
    await talk.proven("我要改期", "change_delivery_time")
    assert talk.slots["requested_slot"] == "time"
    await talk.says(when)
    assert talk.slots["requested_slot"] == "time"
    await talk.says("明天上午")
    assert talk.slots["requested_slot"] == "confirm"


async def test_a_cancelled_parcel_on_its_way_is_stopped_instead_and_said_so(
    talk: Talk, parcel: Callable[..., None]
) -> None:
    parcel()
    told = await talk.proven("取消寄件", "cancel_or_return")
    assert "不过可以这样处理" in told.texts
    await talk.says("确认")
    assert talk.orders()[0].kind == "intercept"


async def test_a_door_in_the_place_of_an_address(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    await talk.proven("能换个地方送吗", "change_delivery_place")
    assert talk.slots["requested_slot"] == "place"
    await talk.says("放门口就行", "change_delivery_place")
    await talk.says("确认")
    assert talk.orders()[0].kind == "door"


async def test_a_pickup_is_booked_moved_and_cancelled(talk: Talk) -> None:
    await talk.says("我要寄件，明天下午来取", "request_pickup", time="明天下午")
    await talk.says("浦东新区世纪大道 100 号", "inform")
    told = await talk.says("张先生 13900001234", "inform", phone="13900001234")
    assert len(told.buttons) == 3
    told = await talk.says(told.buttons[1])
    await talk.says("确认", "affirm")
    told = await talk.says("取件改到后天上午10点", "request_pickup", time="后天上午10点")
    await talk.says("确认", "affirm")
    await talk.says("不用来取了", "request_pickup")
    await talk.says("确认", "affirm")
    booked, moved, cancelled = talk.orders()
    window = [datetime.fromisoformat(booked.wish[name]) for name in ("from", "to")]
    assert window[1] - window[0] == timedelta(minutes=30)
    assert window[0].astimezone(SHANGHAI).minute in (0, 30)
    assert (booked.kind, moved.kind, cancelled.kind) == (
        "pickup_book",
        "pickup_move",
        "pickup_cancel",
    )
    assert moved.about == cancelled.about == booked.public_id
    told = await talk.says("不用来取了", "request_pickup")
    assert "没有找到" in told.texts


async def test_notices_are_stopped_without_proof_and_wanted_with_it(
    talk: Talk, parcel: Callable[..., None], database: Database
) -> None:
    parcel()
    await talk.says("别再发消息了", "manage_notifications")
    assert talk.ended
    await talk.proven("有进展提醒我", "manage_notifications")
    assert talk.ended
    with database.read() as session:
        wishes = {w.waybill_no: w.wanted for w in session.query(NoticeWish)}
    assert wishes == {"": False, NUMBER: True}


async def test_who_cannot_prove_it_gets_a_person(talk: Talk, parcel: Callable[..., None]) -> None:
    parcel()
    await talk.says("放门口", "change_delivery_place", waybill_no=NUMBER)
    await talk.says("我不知道", "inform")
    assert the_conversation(talk.database).holder == Holder.WAITING
    assert talk.ended


@pytest.mark.parametrize("intent", ["ask_human", "report_damage", "track_parcel"])
async def test_other_wishes_are_left_to_their_own_rules(
    talk: Talk, parcel: Callable[..., None], intent: str
) -> None:
    parcel()
    await talk.says("放门口", "change_delivery_place", waybill_no=NUMBER)
    told = await talk.says("别的事", intent)
    assert told["responses"] == told["events"] == []


async def test_a_question_in_between_is_answered_and_the_change_goes_on(
    talk: Talk, run: Run, parcel: Callable[..., None]
) -> None:
    parcel()
    await talk.says("放门口", "change_delivery_place", waybill_no=NUMBER)
    told = await run("action_answer", "多少钱", "ask_price", slots=talk.slots, form="change_form")
    assert "后四位" in told.texts.splitlines()[-1]
    assert "change" not in told.slots


async def test_asking_for_a_person_ends_the_change(
    talk: Talk, run: Run, parcel: Callable[..., None]
) -> None:
    parcel()
    await talk.says("放门口", "change_delivery_place", waybill_no=NUMBER)
    told = await run(
        "action_ask_human", "转人工", "ask_human", slots=talk.slots, form="change_form"
    )
    assert told.slots["change"] is None
    assert {"event": "active_loop", "name": None, "timestamp": None} in told["events"]


async def test_without_a_depot_people_make_the_change(run: Run, database: Database) -> None:
    talk = Talk(run, database)
    told = await talk.says("放门口", "change_delivery_place", waybill_no=NUMBER)
    assert "同事" in told.texts
    assert the_conversation(database).holder == Holder.WAITING
    assert talk.ended
