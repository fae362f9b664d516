"""Tickets in every stage beside the afternoon's cases, for the browser tests and their pictures."""

from __future__ import annotations

from datetime import timedelta

from conversations.models import Conversation
from handoff.models import Case
from store import clock
from tests.desk.world import World
from tests.samples import PHOTO
from tickets import evidence, relations, repository
from tickets.events import CUSTOMER, Actor
from tickets.lifecycle import Change
from tickets.models import ActorKind, WaitingFor
from tickets.service import Complaint

LI = Actor(ActorKind.STAFF, 1, "李丽")
CHEN = Actor(ActorKind.STAFF, 3, "陈主管", supervisor=True)


def tickets_of(world: World, cases: dict[str, int]) -> dict[str, str]:
    """Four more tickets, of which one has gone far; their numbers, and the crab's."""
    life = world.tickets.lifecycle
    with world.database.write() as session:
        talk = session.get_one(Conversation, session.get_one(Case, cases["林小姐"]).conversation_id)

        def opened(key: str, kind: str, words: str, waybill: str, **more: object) -> str:
            return world.tickets.open(
                session,
                Complaint(key, kind, talk.id, talk.customer_id, words, waybill, **more),  # type: ignore[arg-type]
            ).ticket.number

        late = opened("v:2", "report_delay", "比预计晚了一天还没到", "SF1390275999001")
        rude = opened("v:3", "report_courier_attitude", "快递员在电话里骂人", "SF1390275999001")
        opened("v:4", "dispute_payment", "到付多收了 12 元运费", "JD0098877665544")
        vase = opened(
            "v:1", "report_damage", "青花瓷花瓶收到就碎了，外箱也瘪了一角，是送长辈的寿礼。",
            "YT8830201144526", goods="花瓶", goods_class="fragile",
            facts={"amount": "300 元", "claim": "按声明价值赔付"},
        )  # fmt: skip
        crab = repository.open_like(
            session, "report_perishable", waybill_no="SF1390275846129", conversation_id=0
        )
        assert crab is not None
        crab.next_due_at = clock.now() - timedelta(minutes=3)
        numbers = {"vase": vase, "late": late, "rude": rude, "crab": crab.number}
    world.photo_beside(cases["林小姐"], PHOTO, "花瓶.png")
    world.photo_beside(cases["林小姐"], PHOTO + b" ", "外箱.png")
    with world.database.write() as session:
        ticket = repository.by_number(session, vase)
        other = repository.by_number(session, rude)
        delay = repository.by_number(session, late)
        assert ticket is not None
        assert other is not None
        assert delay is not None
        evidence.gather(session, life, ticket.conversation_id)
        life.assign(session, ticket, CHEN, team="second_line", to=LI, why="破损件，李丽熟")
        life.change(session, ticket, Change.ACCEPT, LI)
        until = clock.now() + timedelta(hours=3)
        life.wait(session, ticket, LI, WaitingFor.BRANCH, until, "调出库时的照片和重量")
        life.comment(session, ticket, LI, "出库照片完好，应该是干线上压的。")
        life.change(session, ticket, Change.PROPOSE, LI, "按声明价值全额赔付 300 元，今天到账。")
        life.change(session, ticket, Change.DECLINE, CUSTOMER, "东西买不到第二个了，想再谈谈")
        life.wait(session, ticket, LI, WaitingFor.CUSTOMER, until, "请告诉我们您希望怎么处理")
        ticket.next_due_at = until
        relations.link(session, life, delay, other, CHEN)
    return numbers
