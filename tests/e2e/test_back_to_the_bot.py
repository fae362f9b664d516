"""From people back to the bot: it knows what was said without it, and asks nothing twice."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from conversations.models import Author, Holder
from parcels import service as parcels
from tests.e2e import dialogues
from tests.e2e.house import House, eventually


@pytest.mark.parametrize("end", ["hand-back", "resolve"])
def test_the_bot_is_told_what_people_said(house: House, end: str) -> None:
    given = dialogues.shipment({"goods": "书", "state": "moving"})
    with house.database.write() as session:
        parcels.store_shipment(session, given)
    number, name = given.waybill_no, f"back {uuid4().hex}"
    line, lin = house.line(name), house.staff("lin")
    cursor, _ = dialogues.turn_of(line, f"查一下 {number}", None)
    cursor, _ = dialogues.turn_of(line, "我的包裹压坏了，里面的书都皱了，要投诉，转人工", cursor)
    known = house.known(name)
    assert known.case is not None
    assert known.holder == Holder.WAITING
    before = [t.number for t in known.tickets]
    lin.do(known.case.id, "take")
    lin.do(known.case.id, "note", text="老客户")
    lin.do(known.case.id, "reply", text="您好，正在核实破损情况", key="k")
    cursor, _ = dialogues.turn_of(line, "好的，麻烦尽快", cursor)
    lin.do(known.case.id, end)
    eventually(lambda: house.known(name).holder == Holder.BOT, "the bot holding it again")
    cursor = house.known(name).entries[-1].id
    # Not asked for the number again: it was told long ago.
    cursor, answers = dialogues.turn_of(line, "那现在快递到哪了？", cursor)
    assert [a["holder"] for a in answers] == ["bot"] * len(answers)
    assert number in answers[-1]["text"]
    assert [t.number for t in house.known(name).tickets] == before
    tracker = httpx.get(
        f"{house.settings.rasa_url}/conversations/{known.key}/tracker",
        timeout=20,
        trust_env=False,
    ).json()
    told = [e["text"] for e in tracker["events"] if e["event"] in ("user", "bot") and e.get("text")]
    for words in ("您好，正在核实破损情况", "好的，麻烦尽快"):
        assert told.count(words) == 1
    assert "老客户" not in told
    assert tracker["active_loop"].get("name") is None
    # Told once: the next message brings nothing of it again.
    dialogues.turn_of(line, "谢谢", cursor)
    again = httpx.get(
        f"{house.settings.rasa_url}/conversations/{known.key}/tracker",
        timeout=20,
        trust_env=False,
    ).json()
    texts = [e.get("text") for e in again["events"]]
    assert texts.count("您好，正在核实破损情况") == 1
    assert house.known(name).said(Author.SYSTEM)[0].startswith("您好，我是林晓")
    lin.close()
    line.close()
