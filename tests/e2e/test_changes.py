"""Changes where a dialogue alone does not show it: offered beside a ticket, and over a kill -9."""

from __future__ import annotations

from uuid import uuid4

import httpx

from conversations.models import Author
from parcels import service as parcels
from parcels.change_models import DepotOrder, OrderState
from tests.e2e import dialogues
from tests.e2e.house import House, eventually


def parcel(house: House) -> str:
    given = dialogues.shipment({"goods": "书", "state": "moving"})
    with house.database.write() as session:
        parcels.store_shipment(session, given)
    return given.waybill_no


def test_a_change_offered_beside_a_ticket_begins_with_a_yes(house: House) -> None:
    number, name = parcel(house), f"also {uuid4().hex}"
    line = house.line(name)
    cursor, _ = dialogues.turn_of(line, f"查一下 {number}", None)
    offered = {"event": "slot", "name": "pending", "value": "change_delivery_time"}
    key = house.known(name).key
    httpx.post(
        f"{house.settings.rasa_url}/conversations/{key}/tracker/events",
        json=offered,
        timeout=20,
        trust_env=False,
    ).raise_for_status()
    cursor, answers = dialogues.turn_of(line, "好的", cursor)
    assert dialogues.said(answers[-1]["text"], "zh", "change.ask.digits")
    cursor, answers = dialogues.turn_of(line, "1111", cursor)
    assert dialogues.said(answers[-1]["text"], "zh", "change.ask.time")
    line.close()


def test_an_order_outlives_its_service_and_is_told_once(house: House) -> None:
    number, name = parcel(house), f"killed {uuid4().hex}"
    line = house.line(name)
    cursor, _ = dialogues.turn_of(line, f"我的快递{number}能改到明天下午三点送吗", None)
    cursor, _ = dialogues.turn_of(line, "1111", cursor)
    cursor, answers = dialogues.turn_of(line, "确认", cursor)
    assert dialogues.said(answers[-1]["text"], "zh", "change.ordered")
    house.kill(house.service)
    house.start(house.service)

    def told() -> int:
        heard = house.known(name).said(Author.BOT)
        return sum(dialogues.said(text, "zh", "change.accepted") for text in heard)

    eventually(told, "the depot's answer", seconds=90)
    with house.database.read() as session:
        (order,) = session.query(DepotOrder).filter_by(waybill_no=number)
        assert order.state == OrderState.ACCEPTED
    assert told() == 1
    line.close()
