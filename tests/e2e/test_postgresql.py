"""The house on PostgreSQL: the record and Rasa's tracker store in one real database."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from conversations.models import Author
from parcels import service as parcels
from tests.e2e import dialogues
from tests.e2e import house as houses
from tests.e2e.house import House, eventually

NAME = "e2e_desk"


@pytest.fixture(scope="module")
def postgres_house(
    postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[House, str]]:
    head, _, query = postgres_template.partition("?")
    address = f"{head.rpartition('/')[0]}/{NAME}" + (f"?{query}" if query else "")
    with psycopg.connect(postgres_template, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{NAME}"'.encode())
    with houses.built(tmp_path_factory.mktemp("postgres"), address) as running:
        yield running, address
    with psycopg.connect(postgres_template, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{NAME}" WITH (FORCE)'.encode())


def test_a_dialogue_and_a_handoff(postgres_house: tuple[House, str]) -> None:
    house, address = postgres_house
    given = dialogues.shipment({"goods": "连衣裙", "state": "late"})
    with house.database.write() as session:
        parcels.store_shipment(session, given)
    line = house.line("王敏")
    cursor, answers = dialogues.turn_of(line, "我的快递好几天没动了，请帮我催一下", None)
    assert dialogues.said(answers[0]["text"], "zh", "report.ask.waybill_no")
    cursor, answers = dialogues.turn_of(line, given.waybill_no, cursor)
    (ticket,) = house.known("王敏").tickets
    assert (ticket.kind, ticket.waybill_no) == ("report_delay", given.waybill_no)
    assert answers[-1]["ticket"] == ticket.number
    cursor, answers = dialogues.turn_of(line, "转人工", cursor)
    assert answers[-1]["holder"] == "waiting"
    case = house.known("王敏").case
    assert case is not None
    lin = house.staff("lin")
    lin.do(case.id, "take")
    lin.do(case.id, "reply", text="马上为您查", key="k")
    heard = eventually(
        lambda: [a for a in line.answers(after=cursor)["answers"] if a["author"] == "agent"],
        "the agent's words",
    )
    assert [a["text"] for a in heard] == ["马上为您查"]
    lin.do(case.id, "resolve")
    lin.close()
    cursor = heard[-1]["id"]
    inbox_id, _ = line.say("谢谢")
    thanks = eventually(
        lambda: [a for a in line.answers(inbox_id, cursor)["answers"] if a["author"] == "bot"],
        "the bot's answer after the case",
    )
    assert dialogues.said(thanks[-1]["text"], "zh", "faq.thank")
    line.close()
    known = house.known("王敏")
    assert known.said(Author.CUSTOMER)[-1] == "谢谢"
    # Rasa keeps its trackers in the same database, and no file beside it.
    with psycopg.connect(address) as connection:
        events = connection.execute(
            "SELECT count(*) FROM events WHERE sender_id = %s", (known.key,)
        ).fetchone()
    assert events is not None
    assert events[0] > 10
    assert not (house.settings.home / "rasa.db").exists()
    assert not (house.settings.home / "courier.db").exists()
