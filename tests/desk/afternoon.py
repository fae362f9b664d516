"""A lively afternoon at the desk, for the browser tests and their pictures."""

from __future__ import annotations

from datetime import timedelta

from conversations.schemas import Button
from handoff import repository, staff
from handoff.packet import Guess, Learned
from parcels.models import GoodsClass
from parcels.schemas import ScanIn, ShipmentIn
from parcels.service import store_shipment
from store import clock
from tests.desk.world import World
from tickets.models import Urgency
from tickets.service import Complaint
from tickets.urgency import Verdict


def fill(world: World) -> dict[str, int]:
    """Five open cases; returns their ids by the customer's name."""
    start = clock.now()
    cases: dict[str, int] = {}
    with clock.frozen(start - timedelta(days=2)) as move:
        world.say("zhou", "你好，我的快递什么时候到？", name="周敏")
        move(start - timedelta(hours=18))
        with world.database.write() as session:
            store_shipment(
                session,
                ShipmentIn(
                    waybill_no="SF1390275846129", goods="大闸蟹", goods_class=GoodsClass.PERISHABLE,
                    eta_to=start - timedelta(hours=5),
                    scans=[
                        ScanIn(
                            at=start - timedelta(hours=19), place="嘉兴中转场",
                            next_place="上海浦东分拨中心", next_at=start + timedelta(hours=2),
                            reason="高速因大雾封路",
                        )
                    ],
                ),
            )  # fmt: skip
        told = start - timedelta(minutes=14)
        move(told)
        zhou = world.say("zhou", "我的大闸蟹昨天就该到了，还在嘉兴！单号 SF1390275846129")
        move(start - timedelta(minutes=13, seconds=40))
        world.bot_says(
            zhou,
            "我完全理解您的着急。您的快件昨天 19:20 到了嘉兴中转场，因为高速大雾封路还没有发出，"
            "预计今天 18:00 到上海浦东分拨中心。已为您登记加急工单。",
            (Button("查看进度", "查看进度"), Button("找人工", "找人工")),
        )
        move(start - timedelta(minutes=12))
        world.say("zhou", "等到 18:00 螃蟹都死了！马上给我找个人来")
        with world.database.write() as session:
            opened = world.tickets.open(
                session,
                Complaint(
                    "zhou:1", "report_perishable", zhou, 1,
                    "大闸蟹昨天应到，停在嘉兴，客户担心死亡", waybill_no="SF1390275846129",
                    goods="大闸蟹", goods_class="perishable",
                ),
            )  # fmt: skip
            ticket = opened.ticket.id
        cases["周敏"] = world.hand_over(
            zhou, reason="red_urgency", rule="perishable_reported", intent="report_perishable",
            verdict=Verdict(Urgency.RED, "perishable_reported"), ticket_id=ticket,
            waybill_no="SF1390275846129",
            guesses=(Guess("report_perishable", 0.94), Guess("report_delay", 0.04)),
            learned=(
                Learned("waybill_no", "SF1390275846129", "customer", 2, told),
                Learned("goods", "大闸蟹", "customer", 2, told),
                Learned("goods_class", "perishable", "record", None, None),
            ),
        )  # fmt: skip
        move(start - timedelta(minutes=9))
        emma = world.say(
            "emma",
            "My vase arrived in pieces. Waybill YT8812345678903.",
            name="Emma Clarke",
            channel="telegram",
        )
        world.bot_says(
            emma,
            "I am so sorry about your vase. Could you send a photo of the contents?",
        )
        world.say(
            "emma",
            "I already threw the box away. I want to talk to someone real please.",
            channel="telegram",
        )
        cases["Emma"] = world.hand_over(
            emma, intent="report_damage", verdict=Verdict(Urgency.ORANGE, "loss_damage_or_scam"),
            guesses=(Guess("report_damage", 0.71), Guess("ask_human", 0.22)),
            waybill_no="YT8812345678903",
            learned=(Learned("waybill_no", "YT8812345678903", "customer", None, start),),
        )  # fmt: skip
        move(start - timedelta(minutes=6))
        gao = world.say(
            "gao", "快递员说我不在家，可是我一直在家！态度还特别差", channel="wechat", name="高先生"
        )
        cases["高先生"] = world.hand_over(
            gao, reason="strong_anger", rule="strong_anger", intent="report_courier_attitude",
            verdict=Verdict(Urgency.YELLOW, "problem_reported"),
            guesses=(Guess("report_courier_attitude", 0.66), Guess("complain", 0.2)),
        )  # fmt: skip
        move(start - timedelta(minutes=3))
        guest = world.say("guest", "<b>hello</b> anyone?")
        cases["guest"] = world.hand_over(
            guest, reason="two_failures", rule="two_failures", intent="out_of_scope",
            verdict=Verdict(Urgency.GREEN, "nothing_urgent"), guesses=(),
        )  # fmt: skip
        move(start - timedelta(minutes=1))
        lin = world.say("lin", "请问改地址怎么弄？", name="林小姐")
        cases["林小姐"] = world.hand_over(
            lin,
            reason="change_request",
            rule="change_delivery_place",
            verdict=Verdict(Urgency.GREEN, "nothing_urgent"),
        )
    with world.database.write() as session:
        colleague = repository.staff_by_login(session, "wangwei")
        assert colleague is not None
        person = staff.signed_in(session, staff.begin_session(session, colleague))
        world.desk.handoffs.take(session, cases["林小姐"], person)
    return cases
