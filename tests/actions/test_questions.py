"""Questions by themselves: each asks only for what is missing, and its answer gives its reasons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from actions.draft import Draft
from bot import seed
from bot.settings import ROOT
from conversations.models import Holder, Message
from parcels import service as parcels
from parcels.invoice_models import InvoiceRequest
from parcels.models import Status
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from tests.actions.test_skills import Run, Told, run, the_conversation
from tests.rooms import SHANGHAI

__all__ = ["run"]

NUMBER, OWNER, TAX = "YT2718281828459", "13800004455", "91350100M000100Y43"


class Talk:
    """One customer who asks; slots and the form are carried from turn to turn as Rasa does it."""

    def __init__(self, run: Run, database: Database) -> None:
        self._run = run
        self.database = database
        self.slots: dict[str, Any] = {}
        self.actions = 0

    async def says(self, text: str, intent: str = "inform", **entities: str) -> Told:
        asked = (self.slots.get("change") or {}).get("asked")
        told = None
        if not asked:
            begins = "action_pass_on" if intent == "ask_invoice" else "action_answer"
            told = await self._act(begins, text, intent, entities, form=False)
        if told is None or any(e["event"] == "followup" for e in told["events"]):
            told = await self._act("validate_change_form", text, intent, entities, form=True)
        return told

    async def _act(
        self, action: str, text: str, intent: str, entities: dict[str, str], *, form: bool
    ) -> Told:
        self.actions += 1
        told = await self._run(
            action,
            text,
            intent,
            entities=entities,
            slots=self.slots,
            form="change_form" if form else False,
        )
        self.slots |= told.slots
        return told

    def asked(self) -> str | None:
        draft = Draft.of(self.slots.get("change"))
        return draft.asked if draft else None


@pytest.fixture
def talk(run: Run, database: Database) -> Talk:
    with database.write() as session:
        seed.branches(session, ROOT / "bot" / "demo_branches.yml", demo=True)
    return Talk(run, database)


async def test_a_price_that_lacks_nothing_is_one_action(talk: Talk) -> None:
    told = await talk.says("从北京寄到广州3公斤，保价3000，多少钱", "ask_price")
    for line in (
        "从北京寄到广州，跨省较远，按 3 公斤计费：",
        "首重 1 公斤：15 元",
        "续重 2 公斤 × 6 元 = 12 元",
        "声明价值 3000 元 × 0.5% = 15 元",
        "上门取件：不收费",
        "合计 42 元",
    ):
        assert line in told.texts
    assert talk.actions == 1
    assert talk.asked() is None


async def test_a_price_asks_only_for_what_is_missing(talk: Talk) -> None:
    told = await talk.says("寄个快递多少钱", "ask_price")
    assert told.texts == "从哪里寄到哪里？告诉我两头的城市就行。"
    await talk.says("上海到杭州", "ask_transit_time")
    assert talk.asked() == "weight"
    told = await talk.says("5")
    assert "按 5 公斤计费" in told.texts
    assert "合计 29 元" in told.texts


async def test_the_end_asked_for_is_the_end_told(talk: Talk) -> None:
    await talk.says("寄到成都 2kg 多少钱", "ask_price")
    assert talk.asked() == "origin"
    told = await talk.says("成都", "inform")
    assert "同城" in told.texts
    talk.slots = {}
    await talk.says("从上海寄 2kg 多少钱", "ask_price")
    assert talk.asked() == "destination"
    told = await talk.says("Chengdu", "inform")
    assert "跨省较远" in told.texts or "across provinces" in told.texts


async def test_the_next_question_asks_for_nothing_told_before(talk: Talk) -> None:
    await talk.says("北京到广州3公斤多少钱", "ask_price")
    told = await talk.says("那要几天", "ask_transit_time")
    assert "从北京到广州（跨省较远）一般 2 到 3 天" in told.texts
    assert "送过的还不多" in told.texts
    assert "3月4日 到 3月5日" in told.texts
    told = await talk.says("寄到上海呢", "ask_price")
    assert "从北京寄到上海" in told.texts


async def test_english_prices(talk: Talk) -> None:
    told = await talk.says("how much from Shanghai to Beijing, 60x40x40 cm", "ask_price")
    assert "Volume weight 60 × 40 × 40 ÷ 6000 = 16 kg" in told.texts
    assert "Total 105 yuan" in told.texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("保价费怎么收", "0.5%"),
        ("体积重怎么算的", "÷6000"),
        ("上门取件另外收费不", "不收费"),
        ("首重续重怎么算的", "同城 10 元"),
        ("how much is insurance", "0.5 %"),
    ],
)
async def test_one_rule_asked_about_is_one_rule_told(talk: Talk, text: str, words: str) -> None:
    told = await talk.says(text, "ask_price")
    assert words in told.texts
    assert talk.asked() is None


async def test_what_is_beyond_one_parcel_is_offered_to_a_person(talk: Talk) -> None:
    told = await talk.says("北京到上海80公斤多少钱", "ask_price")
    assert "单件最重 50 公斤" in told.texts
    assert told.buttons == ["转人工"]
    told = await talk.says("北京到上海1公斤，保价10万", "ask_price")
    assert "最高到 50000 元" in told.texts
    assert "合计" not in told.texts


async def test_a_place_we_do_not_know_is_asked_about_by_its_name(talk: Talk) -> None:
    told = await talk.says("寄到火星3公斤多少钱", "ask_price", place="火星")
    assert "不太确定“火星”" in told.texts
    assert talk.asked() == "route"
    await talk.says("不是，北京到上海", "inform")
    assert talk.asked() is None


async def test_two_answers_that_answer_nothing_end_it_with_what_can_be_said(talk: Talk) -> None:
    await talk.says("多少钱", "ask_price")
    await talk.says("嗯嗯嗯", "nlu_fallback")
    assert talk.asked() == "route"
    told = await talk.says("哈哈哈", "out_of_scope")
    assert "首重 10 元起" in told.texts
    assert talk.asked() is None
    assert the_conversation(talk.database).holder == Holder.BOT


async def test_a_question_is_dropped_for_another(talk: Talk) -> None:
    await talk.says("多少钱", "ask_price")
    told = await talk.says("充电宝能寄吗", "ask_sending_rules", goods="充电宝")
    assert "充电宝可以寄，不过有条件" in told.texts
    assert talk.asked() is None


async def test_no_is_the_end_of_a_question(talk: Talk) -> None:
    await talk.says("多少钱", "ask_price")
    told = await talk.says("算了", "deny")
    assert "没关系" in told.texts
    assert talk.asked() is None


async def test_inside_a_change_a_question_is_answered_and_the_change_kept(
    talk: Talk, run: Run
) -> None:
    slots = {
        "change": Draft("change_delivery_place", "放门口", asked="digits").to_slot(),
        "requested_slot": "digits",
    }
    told = await run(
        "action_answer", "北京到上海2公斤多少钱", "ask_price", slots=slots, form="change_form"
    )
    assert "合计" in told.texts
    assert "后四位" in told.texts.splitlines()[-1]
    assert "change" not in told.slots
    told = await run("action_answer", "多少钱", "ask_price", slots=slots, form="change_form")
    assert "首重 10 元起" in told.texts
    assert "change" not in told.slots


async def test_transit_time_asks_for_the_route_and_counts_from_today(talk: Talk) -> None:
    await talk.says("寄快递要几天", "ask_transit_time")
    assert talk.asked() == "route"
    told = await talk.says("从深圳到拉萨")
    assert "一般 4 到 7 天" in told.texts
    assert "3月6日 到 3月9日" in told.texts


def _delivered(database: Database, origin: str, destination: str, hours: list[int]) -> None:
    """Parcels that went this way a month ago, picked up and in the recipient's hands so many hours
    later."""
    began = clock.now() - timedelta(days=30)
    with database.write() as session:
        for number, took in enumerate(hours):
            waybill_no = f"YT{hash((origin, destination)) % 10**6:06}{number:07}"
            parcels.store_shipment(
                session,
                ShipmentIn(
                    waybill_no=waybill_no,
                    origin=origin,
                    destination=destination,
                    scans=[
                        ScanIn(at=began - timedelta(hours=9), status=Status.INFO_RECEIVED),
                        ScanIn(at=began, status=Status.IN_TRANSIT, place=origin),
                        ScanIn(at=began + timedelta(hours=took), status=Status.DELIVERED),
                    ],
                ),
            )


async def test_transit_time_is_what_parcels_of_the_same_route_took(talk: Talk) -> None:
    _delivered(talk.database, "浙江省杭州市", "成都", list(range(40, 50)))
    told = await talk.says("从杭州到成都要几天", "ask_transit_time")
    assert "一般 2 到 3 天" in told.texts  # ten parcels tell too little
    assert "送过的还不多" in told.texts
    _delivered(talk.database, "杭州", "成都市", list(range(50, 60)))
    _delivered(talk.database, "成都", "杭州", [200] * 30)  # the way back
    talk.slots = {}
    told = await talk.says("从杭州到成都要几天", "ask_transit_time")
    assert "从杭州到成都，我们最近送过 20 件" in told.texts
    assert "一半在 50 小时内送到，八成用了 41 小时到 58 小时" in told.texts
    assert "今天交给我们，一般最晚 3月4日 能到" in told.texts
    talk.slots = {}
    told = await talk.says("how long from Hangzhou to Chengdu?", "ask_transit_time")
    assert "half of them arrived within 50 hours" in told.texts
    assert "eight in ten took 41 hours to 58 hours" in told.texts


@pytest.mark.parametrize(
    ("text", "goods", "words"),
    [
        ("烟花能寄吗", "烟花", ["不能寄", "禁收", "专营店"]),
        ("花瓶怎么包", "花瓶", ["可以寄", "气泡膜"]),
        ("can I send a power bank", "power bank", ["on conditions", "100 Wh"]),
        ("最重多少公斤", "", ["50 公斤", "150 厘米"]),
        ("没保价丢了赔多少", "", ["0.5%", "50000"]),
        ("需要实名吗", "", ["身份证"]),
    ],
)
async def test_what_may_be_sent_why_and_how(
    talk: Talk, text: str, goods: str, words: list[str]
) -> None:
    told = await talk.says(text, "ask_sending_rules", **({"goods": goods} if goods else {}))
    for word in words:
        assert word in told.texts
    assert talk.asked() is None


async def test_goods_are_asked_for_once_they_matter(talk: Talk) -> None:
    told = await talk.says("有什么东西不能寄", "ask_sending_rules")
    assert "易燃易爆" in told.texts
    assert talk.asked() == "goods"
    told = await talk.says("打火机", "inform", goods="打火机")
    assert "不能寄" in told.texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("望京附近有网点吗", ["望京网点（演示数据）", "010-55550001", "正在营业，到今天 20:00"]),
        ("最近的快递柜，我在五道口", ["五道口快递柜", "全天开放"]),
        ("branch near Lujiazui", ["陆家嘴网点", "Open now"]),
        ("上海有哪些网点", ["陆家嘴网点"]),
    ],
)
async def test_the_nearest_by_name(talk: Talk, text: str, words: list[str]) -> None:
    told = await talk.says(text, "ask_service_point")
    for word in words:
        assert word in told.texts


async def test_a_shared_location_names_the_nearest_with_its_distance(
    talk: Talk, run: Run, database: Database
) -> None:
    await talk.says("最近的网点在哪", "ask_service_point")
    assert talk.asked() == "where"
    told = await shared(talk, (39.9960, 116.4810))
    assert told.texts.splitlines()[0] == "离您最近的是："
    assert "望京网点（演示数据）（网点）：望京街 10 号，约 40 米" in told.texts
    assert talk.asked() is None
    told = await shared(talk, (31.2, 121.4))
    assert "徐家汇驿站" in told.texts
    told = await shared(talk, (0.0, 0.0))
    assert "50 公里内我没有查到" in told.texts


async def shared(talk: Talk, at: tuple[float, float]) -> Told:
    """A shared location: its coordinates stand beside the message."""
    original = talk._run

    async def with_point(*arguments: Any, **more: Any) -> Told:
        return await original(*arguments, **more, point=at)

    talk._run = with_point
    try:
        return await talk.says("[位置] x", "ask_service_point")
    finally:
        talk._run = original


async def test_closed_says_when_it_opens(talk: Talk, at: Callable[[datetime], None]) -> None:
    at(datetime(2026, 3, 1, 22, 0, tzinfo=SHANGHAI))  # a Sunday night
    told = await talk.says("杭州西湖区网点", "ask_service_point")
    assert "现在没开门，明天 08:30 开始营业" in told.texts
    told = await talk.says("杭州现在开着的网点", "ask_service_point")
    assert "没有正在营业的" in told.texts


async def test_a_name_of_two_cities_is_settled_by_the_city(talk: Talk) -> None:
    told = await talk.says("朝阳区哪有网点", "ask_service_point", place="朝阳区")
    assert talk.asked() == "where"
    assert "好几个城市" in told.texts
    told = await talk.says("长春", "inform", place="长春")
    assert "朝阳网点" in told.texts


async def test_the_companys_phone_is_this_chat(talk: Talk) -> None:
    told = await talk.says("你们客服电话是多少", "ask_service_point")
    assert "24 小时" in told.texts
    assert told.buttons == ["转人工"]


@pytest.fixture
def parcel(database: Database) -> None:
    with database.write() as session:
        scans = [ScanIn(at=clock.now(), place="武汉")]
        parcels.store_shipment(
            session, ShipmentIn(waybill_no=NUMBER, recipient_phone=OWNER, scans=scans)
        )


def requests(database: Database) -> list[InvoiceRequest]:
    with database.read() as session:
        return session.query(InvoiceRequest).all()


async def test_an_invoice_is_asked_for_after_the_proof_and_recorded_once(
    talk: Talk, parcel: None, database: Database
) -> None:
    await talk.says(f"{NUMBER} 开发票", "ask_invoice", waybill_no=NUMBER)
    assert talk.asked() == "digits"
    await talk.says("4455")
    assert talk.asked() == "title"
    told = await talk.says("杭州某某贸易有限公司 91350100M000100Y44")
    assert "对不上" in told.texts
    assert talk.asked() == "tax_number"
    await talk.says(TAX)
    assert talk.asked() == "email"
    assert requests(database) == []
    told = await talk.says("发到 cw@example.com")
    (made,) = requests(database)
    assert (made.waybill_no, made.title, made.tax_number, made.email) == (
        NUMBER, "杭州某某贸易有限公司", TAX, "cw@example.com",
    )  # fmt: skip
    assert made.promised_by - made.requested_at == timedelta(hours=24)
    assert made.number in told.texts
    assert "明天 10:00 前发到 cw@example.com" in told.texts
    assert the_conversation(database).holder == Holder.BOT


async def test_a_person_needs_no_tax_number(talk: Talk, parcel: None, database: Database) -> None:
    await talk.says(f"invoice for {NUMBER}, last four digits 4455, to a@example.com", "ask_invoice",
                    waybill_no=NUMBER)  # fmt: skip
    assert talk.asked() == "title"
    told = await talk.says("Jane Doe")
    assert requests(database)[0].tax_number is None
    assert "Jane Doe" in told.texts


async def test_what_is_no_plain_invoice_goes_to_a_person(
    talk: Talk, parcel: None, database: Database
) -> None:
    await talk.says(f"{NUMBER} 的发票金额不对", "ask_invoice", waybill_no=NUMBER)
    await talk.says("4455")
    assert the_conversation(database).holder == Holder.WAITING
    assert requests(database) == []


async def test_no_invoice_without_the_proof(talk: Talk, parcel: None, database: Database) -> None:
    await talk.says(f"{NUMBER} 开发票 抬头：张三 a@example.com", "ask_invoice", waybill_no=NUMBER)
    for _ in range(3):
        await talk.says("0000")
    assert talk.asked() is None
    assert requests(database) == []


def test_messages_keep_a_shared_location(database: Database) -> None:
    from conversations import service as conversations
    from conversations.schemas import Inbound, point

    with database.write() as session:
        row, _ = conversations.receive(
            session,
            Inbound(
                "web", "page", "a", "1", "[位置] 1, 2", label="[位置] 1, 2", point=point("1", 2.0)
            ),
        )
        message = session.get_one(Message, row.message_id)
        assert message.payload["point"] == [1.0, 2.0]
    assert point("91", 0) is None
    assert point("", "") is None
