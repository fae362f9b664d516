"""Skills by themselves: what Rasa would send, through rasa-sdk's own executor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from actions import runtime
from bot import actions_route, contract
from conversations.models import Conversation, Holder
from handoff import repository as handoffs
from parcels import change_rules, notice_rules
from parcels import service as parcels
from parcels.goods import Goods
from parcels.invoices import InvoicePolicy
from parcels.models import GoodsClass, Status
from parcels.points import PointsPolicy
from parcels.schemas import ScanIn, ShipmentIn
from parcels.sending import Sending
from parcels.timeline import Timeline
from store import clock, policies
from store.engine import Database
from store.live import Live
from tests import rooms
from tickets import repository as tickets
from tickets.anger import Anger
from tickets.service import Complaint

Run = Callable[..., Awaitable["Told"]]
LAPTOP, CRABS = "SF1234567890123", "YT7788990011223"


class Told(dict[str, Any]):
    """What a skill told Rasa: texts, buttons, and the slots it set."""

    @property
    def texts(self) -> str:
        return "\n".join(r["text"] for r in self["responses"])

    @property
    def slots(self) -> dict[str, Any]:
        return {e["name"]: e["value"] for e in self["events"] if e["event"] == "slot"}

    @property
    def buttons(self) -> list[str]:
        return [b["payload"] for r in self["responses"] for b in r.get("buttons", [])]


@pytest.fixture
def run(database: Database, at: object) -> Run:
    house = rooms.build(database)
    runtime.install(
        runtime.Services(
            database=database,
            live=Live(database),
            texts=house.texts,
            tickets=house.tickets,
            handoffs=house.handoffs,
            anger=Anger.from_file(rooms.POLICIES / "anger.yml"),
            upload=lambda number: f"https://desk.test/evidence/{number}",
            intake=rooms.build_intake(),
            goods=Goods.from_file(rooms.POLICIES / "goods.yml"),
            changes=change_rules.from_file(rooms.POLICIES / "changes.yml"),
            timeline=Timeline("https://desk.example.com"),
            tariffs=rooms.tariffs(),
            sending=Sending.from_file(rooms.POLICIES / "sending.yml"),
            points=policies.load(rooms.POLICIES / "points.yml", PointsPolicy),
            invoices=policies.load(rooms.POLICIES / "invoices.yml", InvoicePolicy),
            notices=notice_rules.from_file(rooms.POLICIES / "notices.yml"),
            orders_go_out=False,
            problems=contract.read(rooms.POLICIES / "taxonomy.yml").problems,
        )
    )
    executor = actions_route.executor()
    with database.write() as session:
        _shipments(session)
    said = 0

    async def run_skill(
        action: str,
        text: str,
        intent: str,
        *,
        entities: dict[str, Any] | None = None,
        slots: dict[str, Any] | None = None,
        form: bool | str = False,
        guesses: tuple[str, ...] = (),
        point: tuple[float, float] | None = None,
        sure: float = 0.9,
    ) -> Told:
        nonlocal said
        said += 1
        with database.write() as session:
            conversation = rooms.said(session, text, number=str(said))
            key, message_id = conversation.key, conversation.id
            last = handoffs.last_words(session, [conversation.id])[conversation.id]
            message_id = last.id
            if point is not None:
                last.payload = {**last.payload, "point": list(point)}
        found = [
            {"entity": name, "value": value}
            for name, given in (entities or {}).items()
            for value in (given if isinstance(given, list) else [given])
        ]
        result = await executor.run(
            {
                "next_action": action,
                "domain": {},
                "tracker": {
                    "sender_id": key,
                    "slots": (slots or {}) | (entities or {}),
                    "latest_message": {
                        "text": text,
                        "intent": {"name": intent, "confidence": sure},
                        "intent_ranking": [
                            {"name": name, "confidence": sure / 2**n}
                            for n, name in enumerate((intent, *guesses))
                        ],
                        "entities": found,
                        "metadata": {"inbox_id": said, "message_id": message_id},
                    },
                    "events": [],
                    "active_loop": {"name": form if isinstance(form, str) else "report_form"}
                    if form
                    else {},
                    "paused": False,
                    "followup_action": None,
                    "latest_action_name": "action_listen",
                },
            }
        )
        assert result is not None
        return Told(result.model_dump())

    return run_skill


def _shipments(session: Any) -> None:
    at = clock.now()
    for given in (
        ShipmentIn(
            waybill_no=LAPTOP,
            goods="笔记本电脑",
            goods_class=GoodsClass.FRAGILE,
            recipient_name="王敏",
            recipient_phone="13800004455",
            eta_from=at + timedelta(hours=3),
            eta_to=at + timedelta(hours=5),
            scans=[ScanIn(at=at, place="嘉兴", next_place="杭州", next_at=at + timedelta(hours=2))],
        ),
        ShipmentIn(
            waybill_no=CRABS,
            goods="大闸蟹",
            goods_class=GoodsClass.PERISHABLE,
            scans=[ScanIn(at=at, place="济南", status=Status.IN_TRANSIT)],
        ),
    ):
        parcels.store_shipment(session, given)


def the_conversation(database: Database) -> Conversation:
    with database.read() as session:
        return session.query(Conversation).one()


async def test_tracking_tells_node_time_next_step_and_eta(run: Run) -> None:
    told = await run(
        "action_track_parcel", "查 SF1234567890123", "track_parcel", entities={"waybill_no": LAPTOP}
    )
    for part in (LAPTOP, "嘉兴", "今天 10:00", "杭州", "今天 12:00", "今天 13:00 到 15:00"):
        assert part in told.texts


async def test_tracking_answers_in_the_customers_language(run: Run) -> None:
    told = await run(
        "action_track_parcel", "where is it", "track_parcel", entities={"waybill_no": LAPTOP}
    )
    assert "on its way" in told.texts
    assert "today 13:00 to 15:00" in told.texts


async def test_tracking_never_tells_name_or_phone(run: Run) -> None:
    told = await run("action_track_parcel", "查", "track_parcel", entities={"waybill_no": LAPTOP})
    assert "王敏" not in told.texts
    assert "4455" not in told.texts


async def test_a_mistyped_number_is_asked_about_and_yes_settles_it(run: Run) -> None:
    told = await run(
        "action_track_parcel", "查", "track_parcel", entities={"waybill_no": "SF1234567890132"}
    )
    assert told.buttons == [LAPTOP]
    assert told.slots["waybill_no"] is None
    yes = await run("action_inform", "是的", "affirm", slots=told.slots)
    assert "嘉兴" in yes.texts


async def test_without_a_number_it_is_asked_for_and_remembered(run: Run) -> None:
    told = await run("action_track_parcel", "到哪了", "track_parcel")
    assert told.slots["pending"] == "track_parcel"


async def test_the_form_asks_only_what_is_missing(run: Run) -> None:
    first = await run("validate_report_form", "碎了", "report_damage")
    assert first.slots["requested_slot"] == "waybill_no"
    # The record knows the goods: nothing more is asked.
    second = await run(
        "validate_report_form",
        LAPTOP,
        "inform",
        entities={"waybill_no": LAPTOP},
        slots=first.slots,
        form=True,
    )
    assert second.slots["requested_slot"] is None
    assert second.slots["report_kind"] == "report_damage"


async def test_a_number_in_the_first_message_is_not_asked_again(run: Run) -> None:
    told = await run(
        "validate_report_form", "没到", "report_delay", entities={"waybill_no": LAPTOP}
    )
    assert told.slots["requested_slot"] is None


async def test_who_has_no_number_is_not_asked_twice(run: Run) -> None:
    first = await run("validate_report_form", "没到", "report_delay")
    second = await run("validate_report_form", "没有单号", "inform", slots=first.slots, form=True)
    assert second.slots["requested_slot"] is None


@pytest.mark.parametrize(
    ("words", "intent"), [("a tea set", "inform"), ("a vase", "report_damage")]
)
async def test_a_plain_answer_needs_no_recognised_goods(
    run: Run, database: Database, words: str, intent: str
) -> None:
    unknown = "YT3141592653589"
    first = await run(
        "validate_report_form", "it is broken", "report_damage", entities={"waybill_no": unknown}
    )
    assert first.slots["requested_slot"] == "goods"
    slots = first.slots | {"waybill_no": unknown}
    second = await run("validate_report_form", words, intent, slots=slots, form=True)
    assert second.slots["requested_slot"] is None
    await run("action_open_ticket", words, intent, slots=slots | second.slots, form=True)
    with database.read() as session:
        opened = tickets.open_like(session, "report_damage", waybill_no=unknown, conversation_id=0)
        assert opened is not None
        assert opened.goods == words


async def test_what_happened_is_asked_once(run: Run) -> None:
    slots: dict[str, Any] = {}
    asked = []
    for words, intent in (("我要投诉", "complain"), ("没人管", "complain"), (LAPTOP, "inform")):
        entities = {"waybill_no": LAPTOP} if words == LAPTOP else None
        told = await run(
            "validate_report_form", words, intent, entities=entities, slots=slots, form=bool(slots)
        )
        slots |= told.slots
        asked.append(told.slots["requested_slot"])
    assert asked == ["detail", "waybill_no", None]


async def test_a_shrug_is_no_name_of_goods(run: Run) -> None:
    first = await run(
        "validate_report_form", "碎了", "report_damage", entities={"waybill_no": "YT3141592653589"}
    )
    second = await run("validate_report_form", "不清楚", "inform", slots=first.slots, form=True)
    assert second.slots.get("goods") is None


async def test_red_asks_nothing(run: Run) -> None:
    told = await run("validate_report_form", "螃蟹都臭了", "report_perishable")
    assert told.slots["requested_slot"] is None


async def test_a_ticket_tells_number_colour_and_promise(run: Run, database: Database) -> None:
    told = await run(
        "action_open_ticket",
        "还没到",
        "report_delay",
        entities={"waybill_no": LAPTOP},
        slots={"report_kind": "report_delay"},
    )
    assert "CS260302-0001" in told.texts
    assert "今天 10:30" in told.texts
    assert "嘉兴" in told.texts
    assert told.texts.index("抱歉") < told.texts.index("嘉兴") < told.texts.index("CS260302")
    assert the_conversation(database).holder == Holder.BOT


async def test_red_is_handed_over_at_once(run: Run, database: Database) -> None:
    await run("action_open_ticket", "螃蟹臭了", "report_perishable", entities={"waybill_no": CRABS})
    conversation = the_conversation(database)
    assert conversation.holder == Holder.WAITING
    with database.read() as session:
        case = handoffs.open_case(session, conversation.id)
        assert case is not None
        assert (case.reason, case.urgency) == ("red_urgency", "red")
        assert case.packet["ticket"]["number"] == "CS260302-0001"


async def test_a_repeated_action_opens_no_second_ticket(run: Run, database: Database) -> None:
    for _ in range(2):
        await run("action_open_ticket", "没到", "report_delay", entities={"waybill_no": LAPTOP})
    with database.read() as session:
        (ticket,) = tickets.of_customer(session, the_conversation(database).customer_id)
        assert ticket.contacts == 2


async def test_a_threat_takes_the_class_of_the_problem_below_it(
    run: Run, database: Database
) -> None:
    await run(
        "action_escalate",
        "包裹丢了，我打12305",
        "escalate_threat",
        guesses=("report_loss", "report_delay"),
    )
    with database.read() as session:
        (ticket,) = tickets.of_customer(session, the_conversation(database).customer_id)
        assert (ticket.kind, ticket.urgency, ticket.team) == ("report_loss", "red", "headquarters")


async def test_another_parcels_goods_do_not_take_the_earlier_number(
    run: Run, database: Database
) -> None:
    await run(
        "action_open_ticket",
        "螃蟹臭了",
        "report_perishable",
        entities={"goods": "螃蟹"},
        slots={"waybill_no": LAPTOP},
    )
    with database.read() as session:
        (ticket,) = tickets.of_customer(session, the_conversation(database).customer_id)
        assert ticket.waybill_no is None


async def test_two_failures_in_a_row_hand_over(run: Run, database: Database) -> None:
    await run("action_fallback", "呜啦啦", "nlu_fallback")
    assert the_conversation(database).holder == Holder.BOT
    await run("action_answer", "谢谢", "thank")
    await run("action_fallback", "呜啦啦", "nlu_fallback")
    assert the_conversation(database).holder == Holder.BOT
    await run("action_fallback", "哇啦啦", "nlu_fallback")
    assert the_conversation(database).holder == Holder.WAITING


async def test_the_second_sign_of_anger_offers_a_person(run: Run, database: Database) -> None:
    await run("action_answer", "太过分了", "greet")
    told = await run("action_answer", "真离谱", "greet")
    assert "转人工" in told.buttons
    assert the_conversation(database).holder == Holder.BOT


async def test_strong_anger_hands_over_whatever_it_is_about(run: Run, database: Database) -> None:
    await run("action_track_parcel", "他妈的到哪了", "track_parcel")
    assert the_conversation(database).holder == Holder.WAITING


async def test_a_ticket_of_another_customer_is_not_told(run: Run, database: Database) -> None:
    with database.write() as session:
        stranger = rooms.said(session, "x", by="stranger")
        rooms.build(database).tickets.open(
            session,
            Complaint(
                idempotency_key="in:stranger",
                kind="report_delay",
                conversation_id=stranger.id,
                customer_id=stranger.customer_id,
                description="x",
                waybill_no="SF-STRANGER",
            ),
        )
    told = await run(
        "action_check_ticket",
        "查 CS260302-0001",
        "check_ticket",
        entities={"ticket_no": "CS260302-0001"},
    )
    assert "SF-STRANGER" not in told.texts
    assert "CS260302-0001" in told.texts
    assert "已登记" not in told.texts


async def test_what_the_customer_cannot_give_is_never_asked_again(run: Run) -> None:
    first = await run("validate_report_form", "包裹不见了", "report_loss")
    assert first.slots["requested_slot"] == "waybill_no"
    second = await run("validate_report_form", "没有单号", "inform", slots=first.slots, form=True)
    assert second.slots["requested_slot"] == "goods"
    assert second.slots["not_known"] == ["waybill_no"]
    third = await run(
        "validate_report_form",
        "一个花瓶",
        "inform",
        entities={"goods": "花瓶"},
        slots=first.slots | second.slots,
        form=True,
    )
    assert third.slots["requested_slot"] is None


async def test_thanks_in_the_form_end_the_questions(run: Run) -> None:
    first = await run("validate_report_form", "包裹不见了", "report_loss")
    second = await run("validate_report_form", "好的谢谢", "thank", slots=first.slots, form=True)
    assert second.slots["requested_slot"] is None


async def test_a_detail_after_the_ticket_goes_into_it(run: Run, database: Database) -> None:
    await run("action_open_ticket", "没到", "report_delay")
    told = await run("action_inform", LAPTOP, "inform", entities={"waybill_no": LAPTOP})
    assert "CS260302-0001" in told.texts
    with database.read() as session:
        (ticket,) = tickets.of_customer(session, the_conversation(database).customer_id)
        assert ticket.waybill_no == LAPTOP
        whats = [event.what for event in tickets.events(session, ticket.id)]
    assert whats[-2:] == ["told", "waybill"]


async def test_a_problem_told_beside_a_change_is_a_ticket_first(
    run: Run, database: Database
) -> None:
    told = await run(
        "action_pass_on",
        "破了，还要改地址",
        "change_delivery_place",
        guesses=("report_damage",),
    )
    assert "CS260302-0001" in told.texts
    assert "派送地点" in told.texts  # and then the change, by the bot itself
    conversation = the_conversation(database)
    assert conversation.holder == Holder.BOT
    with database.read() as session:
        case = handoffs.open_case(session, conversation.id)
        assert case is not None
        assert case.packet["ticket"]["kind"] == "report_damage"


async def test_a_change_told_beside_a_problem_is_offered_next(run: Run, database: Database) -> None:
    first = await run(
        "validate_report_form",
        "没到，还想改地址",
        "report_delay",
        guesses=("change_delivery_place",),
    )
    opened = await run(
        "action_open_ticket",
        LAPTOP,
        "inform",
        entities={"waybill_no": LAPTOP},
        slots=first.slots,
        form=True,
    )
    assert opened.slots["pending"] == "change_delivery_place"
    assert the_conversation(database).holder == Holder.BOT
    await run("action_inform", "好的，一起办", "affirm", slots=opened.slots)
    assert the_conversation(database).holder == Holder.WAITING


async def test_out_of_scope_without_conviction_is_not_understood(
    run: Run, database: Database
) -> None:
    await run("action_fallback", "呜啦啦", "nlu_fallback")
    await run("action_answer", "明天股市怎么样", "out_of_scope")
    assert the_conversation(database).failures == 0
    for _ in range(2):
        await run("action_answer", "咕噜哇啦", "out_of_scope", sure=0.4)
    assert the_conversation(database).holder == Holder.WAITING
