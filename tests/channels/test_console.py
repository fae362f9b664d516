"""The terminal as a channel, and ``./courier say`` against a real port."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.channels.base import Channel
from bot.channels.console.tokens import token
from bot.settings import ROOT
from conversations.models import Author, Conversation, Inbox
from conversations.schemas import Button
from store.engine import Database
from tests.channels.contract import ChannelContract, Platform
from tests.channels.house import SECRET, House, client, post, serving, until
from tests.rooms import build
from tickets.models import Ticket, Urgency
from tickets.service import Complaint, Tickets

BEARER = {"authorization": f"Bearer {token(SECRET)}"}


class Terminal(Platform):
    def attach(self, house: House) -> Channel:
        return house.console

    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        return await post(
            http, "/console/messages", {"as": who, "id": outside_id, "text": text}, BEARER
        )

    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        reply = await http.get(
            "/console/answers", params={"as": who, "after": 0, "wait": 0}, headers=BEARER
        )
        return [answer["text"] for answer in reply.json()["answers"]]

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        body: dict[str, Any] = {"as": "ann", "id": "m-000001", "text": "x"}
        statuses = [
            await post(http, "/console/messages", body, {"authorization": "Bearer wrong"}),
            await post(http, "/console/messages", body),
        ]
        latin = {b"authorization": "Bearer é".encode("latin-1")}
        statuses.append(
            (await http.post("/console/messages", json=body, headers=latin)).status_code
        )
        for wrong in (
            {"as": ""},
            {"as": "a:b"},
            {"as": "x" * 70},
            {"as": 7},
            {"id": "\u0000"},
            {"text": None},
            {"text": "x" * 100_000},
        ):
            statuses.append(await post(http, "/console/messages", body | wrong, BEARER))
        return statuses


class TestTheTerminalKeepsTheContract(ChannelContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return Terminal()


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with client(house.app()) as opened:
        opened.headers.update(BEARER)
        yield opened


async def say(http: httpx.AsyncClient, text: str, number: str = "m-1", name: str = "me") -> int:
    reply = await http.post("/console/messages", json={"as": name, "id": number, "text": text})
    assert reply.status_code == 202
    inbox_id: int = reply.json()["inbox_id"]
    return inbox_id


async def answers(http: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    reply = await http.get("/console/answers", params={"as": "me", **query})
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


async def test_the_console_answers_this_machine_only(house: House) -> None:
    async with client(house.app(), "203.0.113.7") as http:
        http.headers.update(BEARER)
        reply = await http.post("/console/messages", json={"as": "me", "id": "1", "text": "x"})
        assert reply.status_code == 403
        assert (await http.get("/console/answers", params={"as": "me"})).status_code == 403
    async with client(house.app(), "::1") as http:
        http.headers.update(BEARER)
        await say(http, "hello")
    async with client(house.app()) as http:
        assert (await http.get("/console/answers", params={"as": "me"})).status_code == 401


async def test_a_turn_is_done_when_its_answers_are_sent(
    house: House, http: httpx.AsyncClient
) -> None:
    house.says = lambda _: [("first", ()), ("second", (Button("this", "I mean this"),))]
    row = await say(http, "hello")
    asked = asyncio.create_task(answers(http, inbox_id=row))
    await asyncio.sleep(0.1)
    assert not asked.done()
    got: list[dict[str, Any]] = []
    async with house.at_work():
        page = await asked
        got += page["answers"]
        while not page["done"]:
            page = await answers(http, inbox_id=row, after=page["cursor"])
            got += page["answers"]
    assert [answer["text"] for answer in got] == ["first", "second"]
    assert got[1]["buttons"] == [{"title": "this", "say": "I mean this"}]
    assert (got[1]["holder"], got[1]["ticket"], got[1]["urgency"]) == ("bot", None, None)


async def test_a_message_that_is_given_up_ends_the_turn(
    house: House, http: httpx.AsyncClient
) -> None:
    row = await say(http, "hello")
    with house.database.write() as session:
        session.get_one(Inbox, row).due_at = None
    assert (await answers(http, inbox_id=row)) == {"answers": [], "done": True, "cursor": 1}


async def test_the_ticket_shown_is_the_one_opened_or_joined_last(
    house: House, http: httpx.AsyncClient
) -> None:
    tickets = build(house.database).tickets
    row = await say(http, "hello")
    first = _complain(house, tickets, row, "a", "report_damage", "SF1")
    second = _complain(house, tickets, row, "b", "report_delay", "SF2")
    assert await _shown_ticket(house, http, row, "m1") == (second.number, second.urgency)
    joined = _complain(house, tickets, row, "c", "report_damage", "SF1")
    assert joined.number == first.number
    assert await _shown_ticket(house, http, row, "m2") == (joined.number, joined.urgency)
    assert joined.urgency in set(Urgency)


async def test_nobody_asks_for_anothers_turn(house: House, http: httpx.AsyncClient) -> None:
    row = await say(http, "hello", name="ann")
    await say(http, "hello", name="me")
    for name in ("me", "nobody"):
        reply = await http.get("/console/answers", params={"as": name, "inbox_id": row})
        assert reply.status_code == 404
    assert (await http.get("/console/answers", params={"inbox_id": row})).status_code == 422


def _complain(
    house: House, tickets: Tickets, row: int, key: str, kind: str, waybill: str
) -> Ticket:
    with house.database.write() as session:
        conversation = session.get_one(Conversation, session.get_one(Inbox, row).conversation_id)
        complaint = Complaint(
            idempotency_key=key,
            kind=kind,
            conversation_id=conversation.id,
            customer_id=conversation.customer_id,
            description="it happened",
            waybill_no=waybill,
        )
        return tickets.open(session, complaint).ticket


async def _shown_ticket(
    house: House, http: httpx.AsyncClient, row: int, key: str
) -> tuple[str, str]:
    conversation_id = house.inbox_rows()[0].conversation_id
    last = house.post(conversation_id, key, "your ticket")
    async with house.at_work():
        await until(house.idle)
    page = await answers(http, inbox_id=row, after=last - 1)
    return page["answers"][0]["ticket"], page["answers"][0]["urgency"]


# ./courier say


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    return folder


async def play(
    url: str, home: Path, *lines: str, options: tuple[str, ...] = ("--json",)
) -> tuple[int, list[str], str]:
    """Run the terminal as its own process; exit code, lines of output, errors."""
    environment = {
        **os.environ,
        "COURIER_HOME": str(home),
        "COURIER_PORT": url.rpartition(":")[2],
        "PYTHONIOENCODING": "utf-8",
    }
    code = "import sys; from bot.say import main; sys.exit(main(sys.argv[1:]))"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, *options],
        cwd=ROOT,
        env=environment,
        input="".join(line + "\n" for line in lines),
        encoding="utf-8",
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


async def test_a_script_plays_a_conversation(house: House, home: Path) -> None:
    house.says = lambda text: (
        [] if text == "silence" else [(f"1: {text}", ()), ("2", (Button("好", "好的"),))]
    )
    with serving(house) as url:
        code, lines, errors = await play(url, home, "你好", "silence", "", "again")
        assert (code, errors) == (0, "")
        assert [json.loads(line) if line else "" for line in lines] == [
            _line("1: 你好"),
            _line("2", [{"title": "好", "say": "好的"}]),
            "",
            "",
            _line("1: again"),
            _line("2", [{"title": "好", "say": "好的"}]),
            "",
        ]
        # A second visit repeats nothing of the first.
        code, lines, _ = await play(url, home, "back")
        assert [json.loads(line)["text"] for line in lines[:-1]] == ["1: back", "2"]
        code, lines, _ = await play(url, home, "other", options=("--json", "--as", "Ann Lee"))
        assert [json.loads(line)["text"] for line in lines[:-1]] == ["1: other", "2"]
    assert {row.outside_id.partition(":")[0] for row in house.inbox_rows()} == {"me", "Ann Lee"}


async def test_a_refused_message_is_told_and_the_script_goes_on(house: House, home: Path) -> None:
    with serving(house) as url:
        code, lines, errors = await play(url, home, "x" * 5000, "hello")
    assert code == 1
    assert lines[0] == ""
    assert json.loads(lines[1])["text"] == "answer to hello"
    assert "太长" in errors
    assert "Traceback" not in errors


async def test_a_pipe_shows_answers_as_people_read_them(house: House, home: Path) -> None:
    house.says = lambda _: [("哪一个？", (Button("这个", "就是这个"), Button("那个", "就是那个")))]
    with serving(house) as url:
        code, lines, _ = await play(url, home, "你好", options=())
    assert code == 0
    assert lines == ["智能客服 › 哪一个？", "  1. 这个", "  2. 那个"]


async def test_a_strange_secret_is_one_clear_sentence(house: House, home: Path) -> None:
    (home / "secret").write_text("of another installation")
    with serving(house) as url:
        code, lines, errors = await play(url, home, "hello", options=("--json", "--lang", "en"))
    assert code == 1
    assert lines == []
    assert errors.count("\n") == 1
    assert str(home) in errors


async def test_an_agents_words_between_turns_are_not_lost(house: House, home: Path) -> None:
    """The script's second turn shows what an agent wrote after the first was over."""
    with serving(house) as url:
        environment = {
            **os.environ,
            "COURIER_HOME": str(home),
            "COURIER_PORT": url.rpartition(":")[2],
        }
        code = "import sys; from bot.say import main; sys.exit(main(sys.argv[1:]))"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, "--json", cwd=ROOT, env=environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"hello\n")
        async with asyncio.timeout(30):
            assert json.loads(await process.stdout.readline())["text"] == "answer to hello"
            assert await process.stdout.readline() == b"\n"
        (row,) = house.inbox_rows()
        house.post(row.conversation_id, "agent:1", "from a person")
        await until(house.idle)
        process.stdin.write(b"again\n")
        process.stdin.close()
        async with asyncio.timeout(30):
            rest = (await process.stdout.read()).decode().splitlines()
            assert await process.wait() == 0
    assert [json.loads(line)["text"] for line in rest[:-1]] == ["from a person", "answer to again"]


def _line(text: str, buttons: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {
        "text": text,
        "buttons": buttons or [],
        "holder": "bot",
        "ticket": None,
        "urgency": None,
    }


def test_the_author_of_an_answer_is_named_in_both_languages() -> None:
    from bot.say import _Words
    from tests.channels.house import TEXTS

    agent = {"author": Author.AGENT.value, "name": "李敏"}
    assert _Words(TEXTS, "zh").author(agent) == "李敏 · 人工客服"
    assert _Words(TEXTS, "en").author(agent | {"name": None}) == "Support"
