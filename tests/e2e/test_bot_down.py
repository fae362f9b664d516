"""Rasa stopped, hung, or answering nothing: an honest sentence, a person, and nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from conversations.models import Author, Holder
from tests.e2e import dialogues
from tests.e2e.house import House, eventually


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


@pytest.mark.parametrize("out_of_order", [stopped, hung, silent])
@pytest.mark.parametrize(
    ("language", "words"), [("zh", "我的快递到哪了"), ("en", "where is my parcel")]
)
def test_without_the_bot_a_person_is_called_and_told_of(
    house: House, out_of_order: object, language: str, words: str
) -> None:
    mode = out_of_order.__name__  # type: ignore[attr-defined]
    name = f"{mode} {language}"
    line, later = house.line(name, language), house.line(f"after {name}", language)
    with out_of_order(house):  # type: ignore[operator]
        health = httpx.get(f"{house.url}/health", timeout=5, trust_env=False).json()
        assert health == {"ok": True, "bot": False}
        cursor, answers = dialogues.turn_of(line, words, None)
        known = house.known(name)
        (answer,) = answers
        assert answer["holder"] == "waiting"
        assert dialogues.said(answer["text"], language, "handoff.bot_down")
        assert dialogues.clock_of(known.contact_by[0]) in answer["text"]
        assert known.case is not None
        assert (known.case.reason, known.case.rule) == ("bot_down", "bot_unavailable")
        # What is said now waits for the person: kept, not answered by a machine that is away.
        cursor, _ = dialogues.turn_of(line, f"{words} 2", cursor)
        known = house.known(name)
        assert known.said(Author.CUSTOMER) == [words, f"{words} 2"]
        assert known.unhandled == 0
        before = known.said()
    # Rasa is back: a new conversation goes to the bot by itself, the old one stays with people.
    _, answers = dialogues.turn_of(later, words, None)
    assert dialogues.said(answers[0]["text"], language, "track.which")
    assert house.known(f"after {name}").holder == Holder.BOT
    known = house.known(name)
    assert known.holder == Holder.WAITING
    assert known.said() == before
    assert known.case is not None
    desk = house.staff("zhou")
    packet = desk.packet(known.case.id)
    assert [entry["text"] for entry in packet["transcript"]][0] == words  # type: ignore[attr-defined]
    desk.do(known.case.id, "take")
    desk.do(known.case.id, "resolve")
    desk.close()
    eventually(lambda: house.known(name).holder == Holder.BOT, "the bot holding it again")
    line.close()
    later.close()
