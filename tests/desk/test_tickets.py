"""Tickets on the desk: found, changed, and never overwritten unseen."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.models import Conversation
from tests.desk.world import World
from tickets import repository
from tickets.models import Ticket
from tickets.service import Complaint

pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


def opened(world: World, who: str = "lin", kind: str = "report_damage", **more: str) -> str:
    talk = world.say(who, "花瓶碎了 <b>", name=f"{who}小姐")
    with world.database.write() as session:
        customer = session.get_one(Conversation, talk).customer_id
        complaint = Complaint(f"{who}:{kind}", kind, talk, customer, "花瓶碎了 <b>", **more)  # type: ignore[arg-type]
        return world.tickets.open(session, complaint).ticket.number


def ticket(world: World, number: str) -> Ticket:
    with world.database.read() as session:
        found = repository.by_number(session, number)
        assert found is not None
        return found


def test_the_list_filters_and_finds_by_either_number(world: World) -> None:
    vase = opened(world, waybill_no="SF1")
    late = opened(world, "wang", "report_delay", waybill_no="SF2")
    lili = world.signed_in("lili")
    page = lili.get("/desk/tickets").text
    assert page.index(vase) < page.index(late)  # orange before yellow
    assert "花瓶碎了 &lt;b&gt;" in page
    for query, found in (
        ("urgency=orange", [vase]),
        ("state=accepted", []),
        ("team=second_line", [vase, late]),
        ("team=night", []),
        ("mine=true", []),
        ("overdue=true", []),
        ("q=sf2", [late]),
    ):
        page = lili.get(f"/desk/tickets?{query}").text
        assert [n for n in (vase, late) if n in page] == found, query
    answer = lili.get(f"/desk/tickets?q={late.lower()}")
    assert answer.headers["location"] == f"/desk/tickets/{late}"
    assert lili.get("/desk/tickets?state=lost").status_code == 422
    assert lili.get("/desk/tickets/CS1").status_code == 404


def test_pages_follow_each_other_without_a_gap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handoff.desk.tickets.PAGE", 2)
    numbers = [opened(world, f"v{n}") for n in range(3)]
    lili = world.signed_in("lili")
    first = lili.get("/desk/tickets").text
    second = lili.get(f"/desk/tickets?after={numbers[1]}").text
    assert [n in first for n in numbers] == [True, True, False]
    assert f"after={numbers[1]}" in first
    assert [n in second for n in numbers] == [False, False, True]


def test_the_whole_way_on_the_page(world: World) -> None:
    number = opened(world)
    lili = world.signed_in("lili")
    at = f"/desk/tickets/{number}"
    steps: tuple[dict[str, Any], ...] = (
        {"change": "accept"},
        {"change": "propose", "why": "赔付 300 元"},
        {"change": "agree"},
        {"change": "close", "why": "已到账"},
        {"change": "follow_up"},
    )
    for form in steps:
        seen = str(ticket(world, number).version)
        assert lili.press(f"{at}/change", version=seen, **form).status_code == 303
    page = lili.get(at).text
    for words in ("已回访", "赔付 300 元", "李丽", "重新打开"):
        assert words in page
    assert ticket(world, number).state == "followed_up"


def test_waiting_assigning_and_notes(world: World) -> None:
    number = opened(world)
    chen = world.signed_in("chen")
    at = f"/desk/tickets/{number}"
    wait: dict[str, Any] = {"waiting_for": "depot", "until": "2126-01-01T12:00", "why": "查监控"}
    assert chen.press(f"{at}/wait", **wait).status_code == 303
    assert ticket(world, number).waiting_until is not None
    for wrong in ({"until": "gestern"}, {"until": "2001-01-01T12:00"}, {"waiting_for": "rain"}):
        assert chen.press(f"{at}/wait", **(wait | wrong)).status_code == 422
    assert chen.press(f"{at}/assign", team="night", to="2", why="交接").status_code == 303
    assert [ticket(world, number).team, ticket(world, number).staff_id] == ["night", 2]
    assert chen.press(f"{at}/assign", team="moon").status_code == 422
    assert chen.press(f"{at}/assign", team="night", to="99").status_code == 404
    for _ in range(2):
        assert chen.press(f"{at}/comment", text="先别催 <i>", key="one").status_code == 303
    page = chen.get(at).text
    assert page.count("先别催 &lt;i&gt;") == 1
    assert "→ 王伟" in page


def test_the_slower_of_two_is_told_and_keeps_his_words(world: World) -> None:
    number = opened(world)
    at, seen = f"/desk/tickets/{number}", str(ticket(world, number).version)
    lili, chen = world.signed_in("lili"), world.signed_in("chen")
    assert lili.press(f"{at}/change", change="accept", version=seen).status_code == 303
    answer = chen.press(f"{at}/change", change="cancel", why="和昨天那张<重复>", version=seen)
    assert answer.status_code == 409
    for words in ("没有保存", "刚刚有人改过", "和昨天那张&lt;重复&gt;", "李丽 · 接手处理"):
        assert words in answer.text
    assert ticket(world, number).state == "accepted"
    answer = lili.press(f"{at}/change", change="close", why="好了")
    assert (answer.status_code, "不能这样改" in answer.text) == (409, True)


def test_merge_split_and_link(world: World) -> None:
    number = opened(world, waybill_no="SF1")
    other = opened(world, kind="report_loss", waybill_no="SF1")
    foreign = opened(world, "else", waybill_no="SF9")
    lili = world.signed_in("lili")
    at = f"/desk/tickets/{number}"
    assert lili.press(f"{at}/link", other=foreign).status_code == 303
    assert lili.press(f"{at}/merge", other=foreign).status_code == 422
    assert lili.press(f"{at}/merge", other="CS000000-0000").status_code == 422
    split: dict[str, Any] = {"kind": "report_courier_attitude", "text": "还骂人", "key": "k"}
    assert lili.press(f"{at}/split", **split).status_code == 303
    assert lili.press(f"{at}/split", **(split | {"kind": "report_rain"})).status_code == 422
    assert lili.press(f"{at}/merge", other=other.lower()).status_code == 303
    assert ticket(world, number).state == "cancelled"
    page = world.signed_in("chen").get(f"/desk/tickets/{other}").text
    assert number in page


def test_the_case_leads_to_its_ticket_and_back(world: World) -> None:
    number = opened(world)
    case = world.hand_over(ticket(world, number).conversation_id)
    lili = world.signed_in("lili")
    assert f'href="/desk/tickets/{number}"' in lili.get(f"/desk/cases/{case}").text
    assert f'href="/desk/cases/{case}"' in lili.get(f"/desk/tickets/{number}").text
