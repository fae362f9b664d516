"""Every change to its end and to its refusals; one offered beside a ticket, one over a kill -9."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
import yaml

from conversations.models import Author
from parcels import service as parcels
from parcels.change_models import DepotOrder
from store.orders import OrderState
from tests.e2e import dialogues
from tests.e2e.dialogues import Dialogue, Then, Turn
from tests.e2e.house import House, eventually

CHANGES = yaml.safe_load((dialogues.HERE / "changes.yml").read_text(encoding="utf-8"))
YES = {"zh": "确认", "en": "Confirm"}
NO = {"zh": "不改了", "en": "Leave it"}
PERSON = {"zh": "转人工", "en": "I want to talk to a person"}


def succeeding(kind: str, language: str) -> Dialogue:
    """The change asked for, proved, answered, agreed to, ordered, and confirmed by the depot."""
    asks, *answers = CHANGES[kind][language]
    summary = Then(holder="bot", texts=(f"change.what.{kind}", "change.summary"))
    turns = [Turn(asks, Then(holder="bot", texts=("change.ask.digits",), tickets=()))]
    turns += [Turn(said, Then(holder="bot")) for said in ("1111", *answers)]
    turns[-1] = Turn(turns[-1].says, summary)
    done = Then(
        holder="bot",
        texts=("change.ordered", f"change.what.{kind}"),
        later=("change.accepted",),
        tickets=(),
    )
    return _dialogue(
        f"{kind} done", language, CHANGES[kind]["state"], [*turns, Turn(YES[language], done)]
    )


def refused(kind: str, language: str, state: str, key: str) -> Dialogue:
    """Not possible at this state: said after the proof, with a person to turn to."""
    asks = CHANGES[kind][language][0]
    refusal = Then(holder="bot", texts=(key,), buttons=(PERSON[language],), tickets=())
    turns = [
        Turn(asks, Then(texts=("change.ask.digits",), never=(key,))),
        Turn("1111", refusal),
    ]
    return _dialogue(f"{kind} refused when {state}", language, state, turns)


def taken_back(kind: str, language: str) -> Dialogue:
    """Not agreed to: nothing is ordered."""
    turns = list(succeeding(kind, language).turns[:-1])
    turns.append(
        Turn(NO[language], Then(holder="bot", texts=("change.kept",), never=("change.ordered",)))
    )
    return _dialogue(f"{kind} taken back", language, CHANGES[kind]["state"], turns)


def _dialogue(name: str, language: str, state: str, turns: list[Turn]) -> Dialogue:
    parcels = {"a": {"goods": "书", "state": state}}
    return Dialogue(name, language, parcels, tuple(turns))


def table() -> Iterator[Dialogue]:
    for kind in CHANGES:
        for language in ("zh", "en"):
            yield succeeding(kind, language)
            yield taken_back(kind, language)
            for state, key in CHANGES[kind]["refused"].items():
                yield refused(kind, language, state, key)


@pytest.mark.parametrize("dialogue", list(table()), ids=str)
def test_a_change(house: House, dialogue: Dialogue) -> None:
    given = {name: dialogues.shipment(g) for name, g in dialogue.parcels.items()}
    with house.database.write() as session:
        for each in given.values():
            parcels.store_shipment(session, each)
    numbers = {name: each.waybill_no for name, each in given.items()}
    dialogues.play(house, dialogue, numbers)
    with house.database.read() as session:
        placed = session.query(DepotOrder).filter_by(waybill_no=numbers["a"]).all()
    ends = [order.kind for order in placed]
    assert ends == ([dialogue.name.split()[0]] if dialogue.name.endswith("done") else [])


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
