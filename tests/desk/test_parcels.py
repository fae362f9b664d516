"""The desk's view of a parcel: found by number or person, and every look at personal data noted."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event

from conversations.models import Conversation, Customer, Delivery, Outbox, Undelivered
from handoff.models import ParcelLook, Role
from parcels import identity, notices, orders
from parcels.change_models import OrderKind
from parcels.models import Shipment, SubStatus
from parcels.schemas import ScanIn
from store import clock
from store.orders import Receipt, Result
from tests.bot.notices_house import PHONE, House
from tests.bot.notices_house import RULES as RULES_OF_NOTICES
from tests.desk.world import World
from tickets.service import Complaint

NUMBER = "SF1234567890123"
PERSONAL = ("张三丰", "13812347654", "世纪大道", "李四光", "13900001234", "赵快递", "13711117111")
RULES = identity.Rules(
    tries=3,
    lock_minutes=30,
    waybill_tries_a_day=8,
    customer_tries_a_day=6,
    holds_hours={"default": 24},
)


def scans() -> list[ScanIn]:
    return [
        ScanIn(
            at=clock.now() - timedelta(hours=3),
            sub_status=SubStatus.DEPARTED,
            place="杭州萧山转运中心",
            code="DEP-7",
            words="快件已由赵快递 13711117111 发出",
            next_place="上海青浦转运中心",
            reason="暴雨",
        )
    ]


def looks(world: World) -> list[tuple[str, str]]:
    with world.database.read() as session:
        rows = session.query(ParcelLook).order_by(ParcelLook.id)
        return [(row.what, row.waybill_no) for row in rows]


def lived_in(world: World) -> int:
    """A parcel that was talked about, proved, changed, and complained of; the conversation's id."""
    world.parcel(scans=scans(), courier_name="赵快递", courier_phone="13711117111")
    case_id = world.waiting("visitor-1", f"我的 {NUMBER} 到哪了")
    with world.database.write() as session:
        conversation = session.get_one(Conversation, world.case(case_id).conversation_id)
        customer = conversation.customer_id
        wish = {"place": "建国路 1 号"}
        for key, kind in (("1", OrderKind.ADDRESS), ("2", OrderKind.DOOR)):
            order = orders.place(
                session, key, customer, orders.Wish(kind, NUMBER, wish, Decimal(5))
            )
        told = Receipt(result=Result.REFUSED, reason="too_late", receipt="R-77")
        orders.answered(session, order, told)
        world.tickets.open(
            session,
            Complaint(
                idempotency_key="in:1",
                kind="report_damage",
                conversation_id=conversation.id,
                customer_id=customer,
                description="箱子破了",
                waybill_no=NUMBER,
            ),
        )
        who = session.get_one(Customer, customer)
        identity.prove(session, RULES, who, None, NUMBER, "0000")
        identity.prove(session, RULES, who, None, NUMBER, "7654")
    return case_id


def test_everything_about_a_parcel_stands_on_one_page(world: World) -> None:
    case_id = lived_in(world)
    page = world.signed_in("lili").get(f"/desk/parcels/{NUMBER}").text
    for shown in (
        "杭州萧山转运中心", "已发出", "上海青浦转运中心", "暴雨", "DEP-7", "来源 自有系统",
        "网点拒绝", "R-77", "too_late", "等网点答复", "破损",
        f'href="/desk/cases/{case_id}"', "对上了", "没对上", "在轨迹页",
    ):  # fmt: skip
        assert shown in page, shown


def followed(world: World) -> None:
    """One who is told of the parcel (a message left, one was refused, one waits), one who has said
    that he is not to be, and one who was told nothing."""
    house = House(world.database, RULES_OF_NOTICES.model_copy(update={"quiet": None}))
    world.parcel(recipient_phone=PHONE)
    house.owner(NUMBER, "ann-0001")
    stopped = house.owner(NUMBER, "bob-0002")
    with world.database.write() as session:
        customer_id = session.get_one(Conversation, stopped).customer_id
        notices.wish(session, customer_id, NUMBER, wanted=False)
    for status in ("OutForDelivery", "DeliveryFailure"):
        house.scan(NUMBER, status)
        while house.loop()._tell_some(8):
            pass
    house.owner(NUMBER, "eve-0003")
    house.scan(NUMBER, "Exception")
    with world.database.write() as session:
        first, second = session.query(Outbox).order_by(Outbox.id)
        for row, state in ((first, Delivery.DELIVERED), (second, Delivery.FAILED)):
            row.state, row.due_at, row.sent_at = state, None, clock.now()
        second.reason = Undelivered.REFUSED


def test_who_is_told_of_a_parcel_and_what_became_of_it(world: World) -> None:
    followed(world)
    page = world.signed_in("lili").get(f"/desk/parcels/{NUMBER}").text
    panel = page.partition('id="followers-h"')[2].partition("</section>")[0]
    for shown in (
        "访客 0001", "访客 0002", "访客 0003", "收提醒", "已退订", "快递员出发派送", "已送达",
        "没有送到", "对方平台不收", "还没发，最早", "网页",
    ):  # fmt: skip
        assert shown in panel, shown
    assert panel.count("收提醒") == 2
    assert "还没有发过提醒" in panel


@pytest.mark.parametrize("login", ["lili", "wangwei", "chen"])
def test_what_is_personal_shows_at_a_press_that_is_noted(world: World, login: str) -> None:
    lived_in(world)
    browser = world.signed_in(login)
    page = browser.get(f"/desk/parcels/{NUMBER}").text
    for secret in (*PERSONAL, "建国路"):
        assert secret not in page, secret
    assert looks(world) == []
    page = browser.press(f"/desk/parcels/{NUMBER}/reveal").text
    for shown in (*PERSONAL, "建国路", "快件已由赵快递"):
        assert shown in page, shown
    assert looks(world) == [("details", NUMBER)]
    assert "张三丰" not in browser.get(f"/desk/parcels/{NUMBER}").text


def test_supervisors_see_who_looked_and_agents_do_not(world: World) -> None:
    world.parcel()
    world.signed_in("wangwei").press(f"/desk/parcels/{NUMBER}/reveal")
    assert "看了个人信息" in world.signed_in("chen").get(f"/desk/parcels/{NUMBER}").text
    assert "谁看过个人信息" not in world.signed_in("lili").get(f"/desk/parcels/{NUMBER}").text


@pytest.mark.parametrize("path", [f"/desk/parcels/{NUMBER}/reveal", "/desk/parcels/find"])
def test_without_the_pages_token_nothing_is_shown_or_noted(world: World, path: str) -> None:
    world.parcel()
    browser = world.signed_in("chen")
    form = {"name": "张三丰", "digits": "7654"}
    for csrf in ({}, {"csrf": "wrong"}):
        answer = browser.client.post(path, data=form | csrf)
        assert answer.status_code == 403
        assert "世纪大道" not in answer.text
    assert looks(world) == []


def test_conversations_open_for_those_who_may_open_them(world: World) -> None:
    case_id = lived_in(world)
    lili = world.signed_in("lili")
    assert lili.call(f"/api/cases/{case_id}/take").status_code == 200
    assert lili.call(f"/api/cases/{case_id}/resolve").status_code == 200
    link, key = f'href="/desk/cases/{case_id}"', world.key_of(case_id)
    assert link in lili.get(f"/desk/parcels/{NUMBER}").text
    assert link not in world.signed_in("wangwei").get(f"/desk/parcels/{NUMBER}").text
    assert (
        f'href="/desk/review/{key}"' in world.signed_in("chen").get(f"/desk/parcels/{NUMBER}").text
    )


@pytest.mark.parametrize("typed", [NUMBER, "sf 1234-5678 90123", "ＳＦ１２３４５６７８９０１２３"])
def test_a_number_as_it_is_written_finds_its_parcel(world: World, typed: str) -> None:
    world.parcel()
    answer = world.signed_in("lili").get("/desk/parcels", params={"number": typed})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/desk/parcels/{NUMBER}")


def test_a_slip_is_proposed_and_a_number_unknown_said_so(world: World) -> None:
    world.parcel()
    browser = world.signed_in("lili")
    near = browser.get("/desk/parcels", params={"number": NUMBER[:-1] + "4"})
    assert near.status_code == 200
    assert f'href="/desk/parcels/{NUMBER}"' in near.text
    assert "张三丰" not in near.text
    for path in ("/desk/parcels?number=YT0000000000000", "/desk/parcels/YT0000000000000"):
        unknown = browser.get(path)
        assert unknown.status_code == 404
        assert "没有查到" in unknown.text
    assert browser.get("/desk/parcels", params={"number": "<b>--</b>"}).status_code == 404
    assert browser.get("/desk/parcels", params={"number": "9" * 81}).status_code == 422
    assert browser.get("/desk/parcels/sf-lower").status_code == 422


def finds(world: World, login: str = "lili", **form: str) -> Any:
    return world.signed_in(login).press("/desk/parcels/find", htmx=False, **form)


@pytest.mark.parametrize(("name", "digits"), [("张三丰", "7654"), (" 李四光 ", "１２３４")])
def test_a_person_is_found_and_the_search_noted(world: World, name: str, digits: str) -> None:
    world.parcel()
    answer = finds(world, name=name, digits=digits)
    assert answer.status_code == 200
    assert f'href="/desk/parcels/{NUMBER}"' in answer.text
    assert name.strip() not in answer.text
    assert looks(world) == [("search", NUMBER)]


@pytest.mark.parametrize(
    ("name", "digits"), [("张三丰", "1234"), ("张三", "7654"), ("%", "7654"), ("李四光", "7654")]
)
def test_a_name_and_digits_that_do_not_go_together_find_nothing(
    world: World, name: str, digits: str
) -> None:
    world.parcel()
    answer = finds(world, name=name, digits=digits)
    assert answer.status_code == 200
    assert NUMBER not in answer.text
    assert looks(world) == [("search", "")]


@pytest.mark.parametrize(
    ("name", "digits"),
    [("", "7654"), ("张三丰", ""), ("张三丰", "%"), ("张三丰", "65%"), ("张三丰", "76543"),
     ("张" * 81, "7654")],
)  # fmt: skip
def test_half_a_person_is_refused(world: World, name: str, digits: str) -> None:
    world.parcel()
    assert finds(world, name=name, digits=digits).status_code == 422
    assert looks(world) == []


def test_older_parcels_are_not_found_by_a_person(world: World) -> None:
    world.parcel()
    with world.database.write() as session:
        session.query(Shipment).one().created_at = clock.now() - timedelta(days=181)
    assert NUMBER not in finds(world, name="张三丰", digits="7654").text


def test_the_policy_says_who_may_find_by_a_person(world: World) -> None:
    world.parcel()
    rules = world.desk.parcels.find_by_person
    object.__setattr__(rules, "roles", frozenset({Role.SUPERVISOR}))
    assert finds(world, name="张三丰", digits="7654").status_code == 403
    assert "by-person" not in world.signed_in("lili").get("/desk/parcels").text
    assert NUMBER in finds(world, "chen", name="张三丰", digits="7654").text


def test_the_case_card_leads_to_the_parcel(world: World) -> None:
    world.parcel()
    case_id = world.waiting("visitor-1", "我的快递呢", waybill_no=NUMBER)
    page = world.signed_in("lili").get(f"/desk/cases/{case_id}").text
    assert f'href="/desk/parcels/{NUMBER}"' in page


def test_what_a_parcel_costs_to_show_does_not_grow_with_other_parcels(world: World) -> None:
    """Every query of the page takes an index."""
    lived_in(world)
    said: list[tuple[str, Any]] = []

    def note(_c: Any, _cur: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            said.append((statement, parameters))

    if not world.database.is_sqlite:
        return
    browser = world.signed_in("chen")
    event.listen(world.database.engine, "before_cursor_execute", note)
    browser.get(f"/desk/parcels/{NUMBER}")
    finds(world, name="张三丰", digits="7654")
    event.remove(world.database.engine, "before_cursor_execute", note)
    assert len(said) > 8
    with world.database.engine.connect() as connection:
        for statement, parameters in said:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [str(row[3]) for row in plan]
            whole = [step for step in steps if step.startswith("SCAN") and "json_each" not in step]
            few = ("staff", "ix_incidents_open")  # colleagues, and what is open at present
            assert [s for s in whole if not any(f in s for f in few)] == [], (statement, steps)
