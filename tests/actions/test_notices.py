"""Notices wanted, stopped and changed by saying so; and what an answer to one is about."""

from __future__ import annotations

from typing import Any

import pytest

from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Outbound
from parcels import repository
from parcels import service as parcels
from parcels.models import Status
from parcels.notice_models import Notice, NoticeWish
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from tests import rooms
from tests.actions.test_change import NUMBER, OWNER, Talk, talk
from tests.actions.test_skills import Run, run

__all__ = ["run", "talk"]

OTHER = "YT1618033988749"


@pytest.fixture
def parcels_(database: Database, run: Run) -> None:
    with database.write() as session:
        for number in (NUMBER, OTHER):
            parcels.store_shipment(
                session,
                ShipmentIn(
                    waybill_no=number,
                    recipient_phone=OWNER,
                    scans=[ScanIn(at=clock.now(), status=Status.IN_TRANSIT, place="武汉")],
                ),
            )


def tell(database: Database, *numbers: str) -> None:
    """A notice of these parcels in the conversation, as bot/notices writes it."""
    with database.write() as session:
        conversation = session.query(Conversation).one()
        outbound = Outbound(f"notice:{clock.now().timestamp()}{numbers}", "正在派送")
        message = conversations.post(session, conversation, outbound, Author.BOT)
        assert message is not None
        for number in numbers:
            shipment = repository.by_waybill(session, number)
            assert shipment is not None
            scan = repository.last_scan(session, shipment.id)
            assert scan is not None
            session.add(
                Notice(
                    customer_id=conversation.customer_id,
                    shipment_id=shipment.id,
                    scan_id=scan.id,
                    message_id=message.id,
                    created_at=clock.now(),
                )
            )


def wishes(database: Database) -> dict[str, tuple[bool, Any]]:
    with database.read() as session:
        return {w.waybill_no: (w.wanted, w.nodes) for w in session.query(NoticeWish)}


async def test_who_proves_a_parcel_is_told_of_it_until_he_says_no(
    talk: Talk, parcels_: None, database: Database
) -> None:
    await talk.proven("放门口", "change_delivery_place")
    await talk.says("不改了")
    assert wishes(database) == {NUMBER: (True, None)}
    await talk.says("别再发消息了", "manage_notifications")
    assert wishes(database) == {NUMBER: (False, None), "": (False, None)}
    # Another parcel proved later is not told of: that is what he said.
    await talk.says(f"放门口 {OTHER}", "change_delivery_place", waybill_no=OTHER)
    await talk.says("4455")
    assert wishes(database)[OTHER] == (False, None)


async def test_notices_need_no_depot(run: Run, parcels_: None, database: Database) -> None:
    told = await Talk(run, database).says("别再发了", "manage_notifications")
    assert "不再给您发进展提醒" in told.texts


async def test_one_parcel_is_stopped_and_the_others_go_on(
    talk: Talk, parcels_: None, database: Database
) -> None:
    await talk.proven("放门口", "change_delivery_place")
    await talk.says("不改了")
    told = await talk.says("这个包裹别再发了", "manage_notifications")
    assert NUMBER in told.texts
    assert wishes(database) == {NUMBER: (False, None)}


async def test_wishes_by_node(talk: Talk, parcels_: None, database: Database) -> None:
    await talk.proven("有进展提醒我", "manage_notifications")
    told = await talk.says("只要派送和签收的时候告诉我", "manage_notifications")
    assert "派送和签收" in told.texts
    only = (True, ["delivered", "out_for_delivery"])
    assert wishes(database) == {NUMBER: only, "": only}
    told = await talk.says("派送的时候也不用通知", "manage_notifications")
    assert wishes(database)[NUMBER] == (True, ["delivered"])


async def test_who_speaks_of_the_night_hears_our_quiet_hours(
    talk: Talk, parcels_: None, database: Database
) -> None:
    told = await talk.says("半夜别发消息行不行", "manage_notifications")
    assert "22:00 到 08:00" in told.texts
    assert wishes(database) == {}


async def test_another_mans_parcel_cannot_be_followed(
    talk: Talk, parcels_: None, database: Database
) -> None:
    await talk.says(f"有进展提醒我 {NUMBER}", "manage_notifications", waybill_no=NUMBER)
    told = await talk.says("9999")
    assert "对不上" in told.texts
    assert wishes(database) == {}


@pytest.mark.parametrize(
    ("text", "window"),
    [("改期 明天下午3点", "明天 15:00 到 16:00"), ("reschedule to Sat morning", "7 Mar 08:00")],
)
async def test_an_answer_to_a_notice_is_about_its_parcel(
    talk: Talk, parcels_: None, database: Database, text: str, window: str
) -> None:
    await talk.proven("放门口", "change_delivery_place")
    await talk.says("不改了")
    await talk.says(f"放门口 {OTHER}", "change_delivery_place", waybill_no=OTHER)
    await talk.says("4455")
    await talk.says("不改了")  # the last number spoken of is OTHER's
    tell(database, NUMBER)
    told = await talk.says(text, "change_delivery_time")
    assert NUMBER in told.texts
    assert window in told.texts
    await talk.says("确认", "affirm")
    assert [order.waybill_no for order in talk.orders()] == [NUMBER]


async def test_of_a_notice_about_two_parcels_the_customer_is_asked_which(
    talk: Talk, parcels_: None, database: Database
) -> None:
    await talk.proven("放门口", "change_delivery_place")
    await talk.says("不改了")
    tell(database, NUMBER, OTHER)
    told = await talk.says("改期 明天下午3点", "change_delivery_time")
    assert told.buttons == [NUMBER, OTHER]
    told = await talk.says(NUMBER, "inform", waybill_no=NUMBER)
    assert "明天 15:00 到 16:00" in told.texts


async def test_a_number_in_the_answer_wins(talk: Talk, parcels_: None, database: Database) -> None:
    await talk.proven("放门口", "change_delivery_place")
    await talk.says("不改了")
    tell(database, NUMBER)
    told = await talk.says(f"{OTHER} 改期", "change_delivery_time", waybill_no=OTHER)
    assert talk.slots["change"]["waybill_no"] == OTHER
    assert "后四位" in told.texts


async def test_a_notice_in_mid_form_does_not_change_what_it_is_about(
    talk: Talk, parcels_: None, database: Database
) -> None:
    await talk.proven("改期", "change_delivery_time")
    tell(database, OTHER)
    told = await talk.says("明天下午3点", "inform")
    assert NUMBER in told.texts


async def test_where_is_it_after_a_notice_means_its_parcel(
    run: Run, parcels_: None, database: Database
) -> None:
    with database.write() as session:
        rooms.said(session, "在吗", number="first")
    tell(database, NUMBER)
    told = await run("action_track_parcel", "到哪了", "track_parcel")
    assert NUMBER in told.texts
