"""Rasa stopped, hung, or answering nothing: an honest sentence, a person, and nothing lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import httpx
import pytest

from conversations.models import Author, Holder
from parcels import service as parcels
from tests.e2e import dialogues
from tests.e2e.house import House


class _Silent(BaseHTTPRequestHandler):
    """Answers every question with an empty list, as Rasa does after an exception of its own."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self._answer(b"[]")

    def do_GET(self) -> None:
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the test's screen."""


@contextmanager
def stopped(house: House) -> Iterator[None]:
    house.kill(house.rasa)
    try:
        yield
    finally:
        house.start(house.rasa)


@contextmanager
def hung(house: House) -> Iterator[None]:
    with house.paused(house.rasa):
        yield
    house.ready()


@contextmanager
def silent(house: House) -> Iterator[None]:
    with stopped(house):
        server = ThreadingHTTPServer(("127.0.0.1", house.settings.rasa_port), _Silent)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)


WORDS = {"zh": "我的快递到哪了", "en": "where is my parcel"}
OutOfOrder = Callable[[House], AbstractContextManager[None]]


@pytest.mark.parametrize("out_of_order", [stopped, hung, silent], ids=["stopped", "hung", "silent"])
def test_without_the_bot_a_person_is_called(house: House, out_of_order: OutOfOrder) -> None:
    customers = {language: f"{language} {uuid4().hex}" for language in WORDS}
    heard: dict[str, list[str]] = {}
    with out_of_order(house):
        health = httpx.get(f"{house.url}/health", timeout=5, trust_env=False).json()
        assert health == {"ok": True, "bot": False}
        for language, name in customers.items():
            heard[name] = _is_told_honestly(house, language, name)
    for language, name in customers.items():
        _is_answered(house, language, f"later {name}")
        # The old conversation stays with people; nothing of the lost turn comes late.
        known = house.known(name)
        assert known.holder == Holder.WAITING
        assert known.said() == heard[name]
        assert known.case is not None
        zhou = house.staff("zhou")
        transcript = zhou.packet(known.case.id)["transcript"]
        assert isinstance(transcript, list)
        assert transcript[0]["text"] == WORDS[language]
        zhou.do(known.case.id, "take")
        zhou.do(known.case.id, "resolve")
        zhou.close()
        assert house.known(name).holder == Holder.BOT
        _is_answered(house, language, name)


def test_a_turn_that_wakes_too_late_says_nothing(house: House) -> None:
    given = dialogues.shipment({"goods": "大闸蟹", "class": "perishable", "state": "late"})
    with house.database.write() as session:
        parcels.store_shipment(session, given)
    name = f"too late {uuid4().hex}"
    line = house.line(name)
    with hung(house):
        _, (answer,) = dialogues.turn_of(
            line, f"我的大闸蟹 {given.waybill_no} 卡在路上，要死了", None
        )
        assert dialogues.said(answer["text"], "zh", "handoff.bot_down")
        case = house.known(name).case
        # Urgent from the first sentence, also without understanding: the record knows the goods.
        assert case is not None
        assert case.urgency == "red"
        assert given.waybill_no in str(case.packet["parcel"])
        assert given.waybill_no in str(case.packet["slots"])
    # Rasa is awake again and finds the message it was asked about: people have it by now.
    _is_answered(house, "zh", f"meanwhile {name}")
    time.sleep(1)
    known = house.known(name)
    assert known.said() == [answer["text"]]
    assert known.holder == Holder.WAITING
    assert known.case is not None
    assert known.case.id == case.id
    assert len(known.tickets) <= 1
    assert given.waybill_no in str(known.entries[0].text)
    line.close()


def _is_told_honestly(house: House, language: str, name: str) -> list[str]:
    """What a customer hears while the bot is away; all he says is kept."""
    line = house.line(name, language)
    words = WORDS[language]
    cursor, (answer,) = dialogues.turn_of(line, words, None)
    known = house.known(name)
    assert answer["holder"] == "waiting"
    assert dialogues.said(answer["text"], language, "handoff.bot_down")
    assert dialogues.clock_of(known.contact_by[0]) in answer["text"]
    assert known.case is not None
    assert (known.case.reason, known.case.rule) == ("bot_down", "bot_unavailable")
    dialogues.turn_of(line, f"{words} 2", cursor)
    known = house.known(name)
    assert known.said(Author.CUSTOMER) == [words, f"{words} 2"]
    assert known.unhandled == 0
    line.close()
    return known.said()


def _is_answered(house: House, language: str, name: str) -> None:
    """The bot answers this customer."""
    line = house.line(name, language)
    _, answers = dialogues.turn_of(line, WORDS[language], None)
    assert dialogues.said(answers[-1]["text"], language, "track.which")
    assert house.known(name).holder == Holder.BOT
    line.close()
