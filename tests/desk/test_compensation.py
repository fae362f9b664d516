"""Compensation on the desk: reckoned before it is granted, decided by somebody else, seen to."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from conversations.models import Conversation
from parcels.models import Shipment
from store.orders import OrderState, Receipt, Result
from tests.desk.world import Browser, World
from tickets import repository
from tickets.compensation import repository as grants
from tickets.compensation.models import Grant, GrantState
from tickets.service import Complaint

pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)
NUMBER = "SF1234567890123"


def opened(world: World, kind: str = "report_damage", **facts: Any) -> str:
    """A ticket that lili has accepted, about a parcel of this value and freight."""
    world.parcel(NUMBER, **facts)
    talk = world.say(f"lin-{kind}", "花瓶碎了", name="林小姐")
    with world.database.write() as session:
        customer = session.get_one(Conversation, talk).customer_id
        complaint = Complaint(f"k:{kind}", kind, talk, customer, "花瓶碎了", waybill_no=NUMBER)
        number = world.tickets.open(session, complaint).ticket.number
    assert world.signed_in("lili").press(f"/desk/tickets/{number}/change", change="accept")
    return number


def hidden(page: str, path: str) -> dict[str, Any]:
    """The hidden fields of a form of the page."""
    form = page.split(f'action="{path}"')[1].split("</form>")[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def the_grant(world: World) -> Grant:
    with world.database.read() as session:
        return session.query(Grant).order_by(Grant.id.desc()).first()  # type: ignore[return-value]


def settled(world: World, **facts: Any) -> tuple[str, Browser]:
    number = opened(world, **facts)
    lili = world.signed_in("lili")
    done = lili.press(f"/desk/tickets/{number}/liability", why="干线压坏")
    assert done.status_code == 303
    return number, lili


def test_a_sum_is_reckoned_line_by_line_before_it_is_granted(world: World) -> None:
    number = opened(world, declared_value="80", freight="12")
    lili = world.signed_in("lili")
    page = lili.get(f"/desk/tickets/{number}").text
    assert "确认我们负责" in page
    assert "声明价值" not in page
    lili.press(f"/desk/tickets/{number}/liability", why="干线压坏")
    page = lili.get(f"/desk/tickets/{number}/compensation?percent=50").text
    assert "已保价：声明价值 80 元 × 损坏程度 50% = 40 元" in page
    assert "赔付 40 元" in page
    form = hidden(page, f"/desk/tickets/{number}/grants")
    assert lili.press(f"/desk/tickets/{number}/grants", **form).status_code == 303
    assert (the_grant(world).fen, the_grant(world).state) == (4000, GrantState.APPROVED)
    page = lili.get(f"/desk/tickets/{number}").text
    assert "付款中" in page
    assert f'action="/desk/tickets/{number}/grants"' not in page  # this damage is paid
    english = lili.get(f"/desk/tickets/{number}", headers={"accept-language": "en"}).text
    assert "insured: declared value ¥80 × damage 50% = ¥40" in english


def test_the_same_form_twice_grants_once(world: World) -> None:
    number, lili = settled(world, declared_value="40")
    form = hidden(lili.get(f"/desk/tickets/{number}").text, f"/desk/tickets/{number}/grants")
    for _ in range(2):
        assert lili.press(f"/desk/tickets/{number}/grants", **form).status_code == 303
    with world.database.read() as session:
        assert session.query(Grant).count() == 1


def test_what_changed_meanwhile_is_told_with_the_words_kept(world: World) -> None:
    number, lili = settled(world, declared_value="300")
    form = hidden(lili.get(f"/desk/tickets/{number}").text, f"/desk/tickets/{number}/grants")
    with world.database.write() as session:
        session.query(Shipment).one().declared_value = Decimal(200)
    answer = lili.press(f"/desk/tickets/{number}/grants", **form | {"why": "她很着急"})
    assert answer.status_code == 409
    assert "刚刚有人改过" in answer.text
    assert "她很着急" in answer.text
    assert "声明价值 200 元" in answer.text
    with world.database.read() as session:
        assert session.query(Grant).count() == 0


def test_a_supervisor_finds_what_waits_and_decides_and_an_agent_does_not(world: World) -> None:
    number, lili = settled(world, declared_value="300")
    page = lili.get(f"/desk/tickets/{number}").text
    assert "提交主管审批 300 元" in page
    lili.press(f"/desk/tickets/{number}/grants", **hidden(page, f"/desk/tickets/{number}/grants"))
    grant = the_grant(world)
    assert f"/desk/grants/{grant.id}/approve" not in lili.get(f"/desk/tickets/{number}").text
    chen = world.signed_in("chen")
    page = chen.get("/desk/approvals").text
    assert number in page
    assert "声明价值 300 元" in page
    path = f"/desk/grants/{grant.id}/approve"
    form = hidden(page, path)
    done = chen.press(path, **form)
    assert (done.status_code, done.headers["location"]) == (303, "/desk/approvals")
    assert number not in chen.get("/desk/approvals").text
    late = chen.press(path, **form)
    assert late.status_code == 409
    assert "刚刚有人改过" in late.text


def test_a_supervisor_does_not_decide_what_she_asked_for(world: World) -> None:
    number, _ = settled(world, declared_value="3000")
    chen = world.signed_in("chen")
    form = hidden(chen.get(f"/desk/tickets/{number}").text, f"/desk/tickets/{number}/grants")
    chen.press(f"/desk/tickets/{number}/grants", **form)
    page = chen.get("/desk/approvals").text
    assert "要由别的主管来审" in page
    path = f"/desk/grants/{the_grant(world).id}"
    assert f'action="{path}/approve"' not in page
    assert chen.press(f"{path}/approve").status_code == 403
    assert chen.press(f"{path}/refuse", why="x").status_code == 403
    assert the_grant(world).state == GrantState.WAITING


def test_a_failed_payment_is_seen_to(world: World) -> None:
    number, lili = settled(world, declared_value="40")
    form = hidden(lili.get(f"/desk/tickets/{number}").text, f"/desk/tickets/{number}/grants")
    lili.press(f"/desk/tickets/{number}/grants", **form)
    refused = Receipt(result=Result.REFUSED, reason="account_closed")
    with world.database.write() as session:
        payout = grants.hold_payout(session, the_grant(world).id)
        assert payout is not None
        world.desk.money.payouts.heard(session, payout, refused)
    chen = world.signed_in("chen")
    page = chen.get("/desk/approvals").text
    assert "付款被拒" in page
    assert "account_closed" in page
    root = f"/desk/grants/{the_grant(world).id}"
    assert lili.press(f"{root}/again").status_code == 403
    assert chen.press(f"{root}/by-hand", why=" ").status_code == 422
    assert chen.press(f"{root}/by-hand", why="支付宝 13812347654").status_code == 303
    assert the_grant(world).state == GrantState.DONE
    assert "支付宝 ****7654" in chen.get(f"/desk/tickets/{number}").text
    assert number not in chen.get("/desk/approvals").text
    with world.database.read() as session:
        assert grants.payouts(session, [the_grant(world).id]).popitem()[1].state == (
            OrderState.REFUSED
        )


def test_the_code_of_a_coupon_is_on_no_page_of_the_ticket(world: World) -> None:
    number = opened(world, "report_courier_attitude")
    lili = world.signed_in("lili")
    path = f"/desk/tickets/{number}/grants"
    done = lili.press(path, **hidden(lili.get(f"/desk/tickets/{number}").text, path))
    assert done.status_code == 303
    with world.database.read() as session:
        coupon = grants.coupons(session, [the_grant(world).id]).popitem()[1]
    page = lili.get(f"/desk/tickets/{number}").text
    assert f"····{coupon.ending}" in page
    shown = f"/desk/tickets/{number}"
    for path in (shown, "/desk/tickets", f"{shown}/compensation"):
        assert not re.search(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", lili.get(path).text)


def test_remedies_and_the_couriers_call(world: World) -> None:
    number = opened(world, "report_courier_attitude")
    lili = world.signed_in("lili")
    path = f"/desk/tickets/{number}"
    page = lili.get(path).text
    assert lili.press(f"{path}/remedies", **hidden(page, f"{path}/remedies")).status_code == 303
    assert lili.press(f"{path}/courier-called", why="已道歉").status_code == 303
    page = lili.get(path).text
    assert "等网点答复" in page
    assert f'action="{path}/courier-called"' not in page
    with world.database.read() as session:
        ticket = repository.by_number(session, number)
        assert ticket is not None
        happened = [event.what for event in repository.events(session, ticket.id)]
    assert happened[-2:] == ["remedy", "courier_called"]


@pytest.mark.parametrize("freight", ["abc", "-1", "1e9", "NaN", "1.234"])
def test_no_amount_is_refused_and_nothing_is_changed(world: World, freight: str) -> None:
    number, lili = settled(world)
    answer = lili.get(f"/desk/tickets/{number}/compensation", params={"freight": freight})
    assert answer.status_code == 422
    form: dict[str, Any] = {"kind": "damage", "key": "k", "freight": freight}
    assert lili.press(f"/desk/tickets/{number}/grants", **form).status_code == 422
    for percent in ("0", "101", "x"):
        assert lili.get(f"/desk/tickets/{number}/compensation?percent={percent}").status_code == 422
        form = {"kind": "damage", "key": "k", "freight": "5", "percent": percent}
        assert lili.press(f"/desk/tickets/{number}/grants", **form).status_code == 422
    with world.database.read() as session:
        assert session.query(Grant).count() == 0
