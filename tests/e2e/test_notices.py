"""Told before asking, through the whole house: scans come in over the API, the real bot hears the
answers."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update

from conversations.models import Author
from parcels import keys
from parcels import service as parcels
from parcels.change_models import DepotOrder
from parcels.models import Scope
from parcels.notice_models import Notice
from store import clock
from tests.bot.notices_house import RULES
from tests.bot.notices_house import House as Told
from tests.e2e import dialogues
from tests.e2e.house import House, eventually
from tests.rooms import SHANGHAI

WORDS = {
    "zh": ("有进展提醒我", "改期 明天下午3点", "确认", "退订"),
    "en": ("Please notify me about", "reschedule to Sat morning", "Confirm", "stop these messages"),
}


@pytest.fixture(scope="module")
def may(house: House) -> dict[str, str]:
    with house.database.write() as session:
        return {"authorization": f"Bearer {keys.add(session, 'sorter', [Scope.SCANS_WRITE])}"}


def scan(house: House, may: dict[str, str], number: str, status: str) -> None:
    body = {
        "waybill_no": number,
        "event_id": uuid4().hex,
        "at": clock.now().isoformat(),
        "status": status,
        "place": "北京朝阳网点",
    }
    reply = httpx.post(f"{house.url}/api/scans", json=body, headers=may, trust_env=False)
    assert reply.json() == {"new": 1, "known": 0}
    local = clock.now().astimezone(SHANGHAI)
    assert RULES.quiet is not None
    if RULES.quiet.over(local) != local:
        _end_the_night(house)


def _end_the_night(house: House) -> None:
    """This test runs at night: what the service keeps for the morning is told now."""

    def kept(session_rows: list[Notice]) -> bool:
        return all(row.due_at is None or row.due_at > clock.now() for row in session_rows)

    told = Told(house.database, RULES.model_copy(update={"quiet": None}))
    eventually(lambda: told.rows() and kept(told.rows()), "the service keeping it back")
    with house.database.write() as session:
        rows = update(Notice).where(Notice.due_at.is_not(None))
        session.execute(rows.values(due_at=clock.now(), leased_until=None))
    while told.loop()._tell_some(8):
        pass


def heard(house: House, name: str, language: str, key: str) -> int:
    """How often the customer was told this."""
    return sum(dialogues.said(t, language, key) for t in house.known(name).said(Author.BOT))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_customer_is_told_answers_and_stops(
    house: House, may: dict[str, str], language: str
) -> None:
    subscribe, change, yes, stop = WORDS[language]
    given = dialogues.shipment({"goods": "书", "state": "moving"})
    number, name = given.waybill_no, f"told {language} {uuid4().hex[:8]}"
    with house.database.write() as session:
        parcels.store_shipment(session, given)
    line = house.line(name, language)
    cursor, answers = dialogues.turn_of(line, f"{subscribe} {number}", None)
    assert dialogues.said(answers[-1]["text"], language, "change.ask.digits")
    cursor, answers = dialogues.turn_of(line, "1111", cursor)
    assert dialogues.said(answers[-1]["text"], language, "notices.wanted")

    scan(house, may, number, "OutForDelivery")
    eventually(
        lambda: heard(house, name, language, "notices.out_for_delivery"), "the notice", seconds=20
    )
    cursor = house.known(name).entries[-1].id
    scan(house, may, number, "DeliveryFailure")
    eventually(lambda: heard(house, name, language, "notices.attempted"), "the second", seconds=20)
    cursor = house.known(name).entries[-1].id

    cursor, answers = dialogues.turn_of(line, change, cursor)
    assert dialogues.said(answers[-1]["text"], language, "change.summary")
    assert number in answers[-1]["text"]
    cursor, answers = dialogues.turn_of(line, yes, cursor)
    assert dialogues.said(answers[-1]["text"], language, "change.ordered")
    with house.database.read() as session:
        (order,) = session.query(DepotOrder).filter_by(waybill_no=number)
        assert datetime.fromisoformat(order.wish["from"]) > clock.now()
    eventually(lambda: heard(house, name, language, "change.accepted"), "the depot", seconds=60)
    cursor = house.known(name).entries[-1].id

    cursor, answers = dialogues.turn_of(line, stop, cursor)
    assert dialogues.said(answers[-1]["text"], language, "notices.stopped")
    scan(house, may, number, "Delivered")
    told = Told(house.database)
    eventually(lambda: all(row.due_at is None for row in told.rows()), "all looked at", seconds=20)
    assert heard(house, name, language, "notices.delivered") == 0
    assert heard(house, name, language, "notices.out_for_delivery") == 1
    line.close()
