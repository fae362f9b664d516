"""The ledger at the desk: offered, recorded once, set against what is owed, seen by supervisors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from conversations import repository as record
from handoff.overdue import Overdue
from parcels import service as parcels
from parcels.models import Status
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from tests.desk.world import Browser, World
from tickets.promises.models import Promise, PromiseState

pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)
HOURS = timedelta(hours=1)


@pytest.fixture
def lili(world: World, at: object) -> Browser:
    return world.signed_in("lili")


def taken(world: World, lili: Browser, **request: object) -> int:
    case_id = world.waiting(**request)  # type: ignore[arg-type]
    assert lili.call(f"/api/cases/{case_id}/take").status_code == 200
    return case_id


def words_of(world: World) -> list[Promise]:
    with world.database.read() as session:
        found = select(Promise).where(Promise.kind == "word").order_by(Promise.id)
        return list(session.scalars(found))


def test_words_that_promise_are_offered_and_recorded_once(world: World, lili: Browser) -> None:
    case_id = taken(world, lili)
    page = f"/desk/cases/{case_id}"
    shown = lili.press(
        f"{page}/reply", text="很抱歉。明天下午三点前给您送到。您在家吗？", key="k1"
    ).text
    assert "明天下午三点前给您送到。" in shown
    assert "记为承诺" in shown
    assert words_of(world) == []
    sent = lili.call(
        f"/api/cases/{case_id}/reply", {"text": "We refund you within 24 h.", "key": "k2"}
    )
    for _ in range(2):
        made = lili.call(
            f"/api/cases/{case_id}/promises", {"message_id": sent.json()["message_id"]}
        )
        assert made.status_code == 200
    (promise,) = words_of(world)
    assert (promise.words, promise.by) == ("We refund you within 24 h.", clock.now() + 24 * HOURS)
    assert "We refund you within 24 h." in lili.get(page).text
    packet = lili.get(f"/api/cases/{case_id}/packet").json()
    assert [p["words"] for p in packet["promises"] if p["words"]] == ["We refund you within 24 h."]


@pytest.mark.parametrize(
    "text",
    ["您好", "您明天下午在家吗？", "昨天已经送到了。", "明天天气不错。", "我们一定给您送到。"],
)
def test_what_promises_nothing_is_not_offered(world: World, lili: Browser, text: str) -> None:
    case_id = taken(world, lili)
    sent = lili.call(f"/api/cases/{case_id}/reply", {"text": text}).json()
    assert sent["promises"] == []
    refused = lili.call(f"/api/cases/{case_id}/promises", {"message_id": sent["message_id"]})
    assert refused.status_code == 422
    assert words_of(world) == []


def test_a_later_time_asks_first_and_goes_out_when_it_is_meant(world: World, lili: Browser) -> None:
    case_id = taken(world, lili)
    api, page = f"/api/cases/{case_id}", f"/desk/cases/{case_id}"
    sent = lili.call(f"{api}/reply", {"text": "明天下午三点前给您送到。"}).json()
    lili.call(f"{api}/promises", {"message_id": sent["message_id"]})
    later = "后天上午送到您那里。"
    asked = lili.press(f"{page}/reply", text=later, key="k2")
    assert (asked.status_code, asked.headers["hx-retarget"]) == (409, "#promised")
    assert "明天下午三点前给您送到，" in asked.text
    refused = lili.call(f"{api}/reply", {"text": later})
    assert (refused.status_code, refused.json()["error"]) == (409, "contradicts")
    assert later not in lili.get(page).text
    other = lili.call(
        f"{api}/reply", {"text": "大后天送到。", "confirmed": refused.json()["confirm"]}
    )
    assert other.status_code == 409
    meant = lili.call(f"{api}/reply", {"text": later, "confirmed": refused.json()["confirm"]})
    assert meant.status_code == 200
    nearer = lili.call(f"{api}/reply", {"text": "今天下午五点前就送到。"})
    assert nearer.status_code == 200
    another = lili.call(f"{api}/reply", {"text": "下周一给您退款。"})
    assert another.status_code == 200


def test_a_promise_of_an_earlier_conversation_is_asked_about_too(
    world: World, lili: Browser, at: Callable[[datetime], None]
) -> None:
    case_id = taken(world, lili)
    sent = lili.call(f"/api/cases/{case_id}/reply", {"text": "三天后退款到账。"}).json()
    lili.call(f"/api/cases/{case_id}/promises", {"message_id": sent["message_id"]})
    lili.call(f"/api/cases/{case_id}/resolve")
    at(clock.now() + 30 * HOURS)
    lili = world.signed_in("lili")
    again = taken(world, lili)
    assert world.case(again).conversation_id != world.case(case_id).conversation_id
    assert "三天后退款到账，" in lili.get(f"/desk/cases/{again}").text
    assert lili.call(f"/api/cases/{again}/reply", {"text": "下周一退款。"}).status_code == 409


def test_who_has_the_case_ends_a_promise_of_this_customer_only(world: World, lili: Browser) -> None:
    case_id, other = taken(world, lili), taken(world, lili, who="somebody-else")
    mine, foreign = world.promise_to(case_id), world.promise_to(other)
    end = f"/desk/cases/{case_id}/promises"
    assert lili.press(f"{end}/{foreign}/end", state="kept").status_code == 404
    assert lili.press(f"{end}/{mine}/end", state="broken").status_code == 422
    assert lili.press(f"{end}/{mine}/end", state="kept").status_code == 200
    states = {promise.id: promise.state for promise in words_of(world)}
    assert states == {mine: PromiseState.KEPT, foreign: PromiseState.OPEN}


def test_nobody_records_a_message_of_another_conversation(world: World, lili: Browser) -> None:
    case_id, other = taken(world, lili), taken(world, lili, who="somebody-else")
    message = world.agent_says(other, "明天送到您家。")
    refused = lili.call(f"/api/cases/{case_id}/promises", {"message_id": message})
    assert refused.status_code == 404
    said = world.say("visitor-1", "明天必须送到！")
    assert said
    with world.database.read() as session:
        own = record.last_customer_message(session, said)
        assert own is not None
    refused = lili.call(f"/api/cases/{case_id}/promises", {"message_id": own.id})
    assert refused.status_code == 422


def look(world: World, promise_id: int) -> None:
    desk = world.desk
    overdue = Overdue(world.tickets, desk.handoffs, desk.texts, desk.live)
    with world.database.write() as session:
        overdue.look(session, promise_id)


def test_supervisors_see_what_broke_until_one_has_seen_it(
    world: World, lili: Browser, at: Callable[[datetime], None]
) -> None:
    case_id = taken(world, lili)
    promise_id = world.promise_to(case_id)
    standing = lili.get(f"/desk/cases/{case_id}").text
    at(clock.now() + HOURS)
    look(world, promise_id)
    chen = world.signed_in("chen")
    assert "一小时内答复" in chen.get("/desk/overdue").text
    assert 'sse-swap="overdue">1<' in chen.get("/desk").text
    assert "overdue-count" not in lili.get("/desk").text
    assert lili.get(f"/desk/cases/{case_id}").text != standing
    chen.press(f"/desk/overdue/{promise_id}/seen")
    assert "一小时内答复" not in chen.get("/desk/overdue").text
    with world.database.read() as session:
        assert session.get_one(Promise, promise_id).seen_by == 3


@pytest.mark.parametrize(("hours", "state"), [(1, "kept"), (5, "broken")])
def test_a_promised_delivery_is_kept_by_the_parcel_itself(
    world: World, lili: Browser, at: Callable[[datetime], None], hours: int, state: str
) -> None:
    waybill = "SF1234567890123"
    with world.database.write() as session:
        parcels.store_shipment(session, ShipmentIn(waybill_no=waybill))
    case_id = taken(world, lili, waybill_no=waybill)
    sent = lili.call(f"/api/cases/{case_id}/reply", {"text": "两小时内送到。"}).json()
    lili.call(f"/api/cases/{case_id}/promises", {"message_id": sent["message_id"]})
    (promise,) = words_of(world)
    at(clock.now() + hours * HOURS)
    with world.database.write() as session:
        scan = ScanIn(at=clock.now(), status=Status.DELIVERED, place="门口")
        parcels.store_shipment(session, ShipmentIn(waybill_no=waybill, scans=[scan]))
    at(clock.now() + 10 * HOURS)
    look(world, promise.id)
    assert [promise.state for promise in words_of(world)] == [state]
