"""The live stream of the customers' page, over a real port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bot.channels.web import stream
from bot.channels.web.limits import Limits
from conversations.models import Conversation, Holder
from conversations.schemas import Button
from store.engine import Database
from tests import rooms
from tests.channels.house import House, serving, until
from tests.channels.test_web import begin, say


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


@pytest.fixture
def served(house: House) -> Iterator[str]:
    with serving(house) as url:
        yield url


class Stream:
    """A browser's EventSource: gives the next event of a kind."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.seen: list[tuple[str, dict[str, Any], str]] = []

    async def next(self, kind: str, seconds: float = 10) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            name, data, number = "", "", ""
            async for line in self._lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif field == "id":
                    number = value
                elif not line and name:
                    event: dict[str, Any] = json.loads(data) if data else {}
                    self.seen.append((name, event, number))
                    if name == kind:
                        assert kind != "message" or number == str(event["id"])
                        return event
                    name, data, number = "", "", ""
        raise AssertionError("the stream ended")


@asynccontextmanager
async def streaming(
    http: httpx.AsyncClient, after: int | None = None, **headers: str
) -> AsyncIterator[Stream]:
    query = {} if after is None else {"after": after}
    async with http.stream("GET", "/chat/events", params=query, headers=headers) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield Stream(reply.aiter_lines())


def browser(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=20)


async def test_the_stream_shows_words_typing_and_answer(house: House, served: str) -> None:
    async def think(_: Any) -> None:
        await asyncio.sleep(0.3)

    house.before = think
    house.says = lambda _: [("which?", (Button("this", "I mean this"),))]
    async with browser(served) as http:
        await begin(http)
        async with streaming(http) as stream:
            assert not (await stream.next("state"))["typing"]
            await say(http, "<b>hello</b>", "my-own-id-1")
            mine = await stream.next("message")
            assert (mine["author"], mine["text"]) == ("customer", "<b>hello</b>")
            assert mine["client_id"] == "my-own-id-1"
            assert (await stream.next("state"))["typing"]
            answer = await stream.next("message")
            assert answer["text"] == "which?"
            assert answer["buttons"] == [{"title": "this", "say": "I mean this"}]
            assert answer["client_id"] is None
            assert not (await stream.next("state"))["typing"]


async def test_a_stream_resumes_after_the_last_event_it_saw(house: House, served: str) -> None:
    async with browser(served) as http:
        await begin(http)
        async with streaming(http) as stream:
            await say(http, "one")
            first = await stream.next("message")
        await until(house.idle)
        await say(http, "two", "m-000002")
        await until(house.idle)
        async with streaming(http, after=0, **{"last-event-id": str(first["id"])}) as stream:
            texts = [(await stream.next("message"))["text"] for _ in range(3)]
        assert texts == ["answer to one", "two", "answer to two"]


async def test_a_stream_sees_what_another_tab_wrote_and_each_message_once(
    house: House, served: str
) -> None:
    async with browser(served) as http:
        await begin(http)
        async with streaming(http) as one, streaming(http) as two:
            for number in range(5):
                await say(http, f"no {number}", f"m-00000{number}")
            await until(house.idle)
            for stream in (one, two):
                texts = [(await stream.next("message"))["text"] for _ in range(10)]
                assert len(set(texts)) == 10
                own = [text for text in texts if text.startswith("no")]
                assert own == [f"no {n}" for n in range(5)]


async def test_a_stream_survives_a_lost_wake_up(
    house: House, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with browser(served) as http:
        await begin(http)
        await say(http, "hello")
        await until(house.idle)
        (row,) = house.inbox_rows()
        async with streaming(http, after=10**6) as stream:
            await stream.next("state")
            await asyncio.sleep(0.2)
            with house.database.write() as session:  # nobody is woken
                session.get_one(Conversation, row.conversation_id).holder = "agent"  # type: ignore[assignment]
            assert (await stream.next("state"))["holder"] == "agent"


async def test_a_visitor_has_only_so_many_streams_and_gets_the_places_back(
    database: Database,
) -> None:
    house = House(database, limits=Limits(streams_per_visitor=2))
    with serving(house) as url:
        async with browser(url) as http:
            await begin(http)
            async with streaming(http), streaming(http):
                assert (await http.get("/chat/events")).status_code == 429

            async def free() -> bool:
                async with http.stream("GET", "/chat/events") as reply:
                    return reply.status_code == 200

            for _ in range(50):
                if await free():
                    return
                await asyncio.sleep(0.1)
    raise AssertionError("a closed stream keeps its place")


async def test_an_agent_who_writes_is_seen_until_he_has_written(
    house: House, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WRITES", timedelta(seconds=1))
    with house.database.write() as session:
        person = rooms.person(session, "lili")
    async with browser(served) as http:
        await begin(http)
        await say(http, "hello")
        await until(house.idle)
        (row,) = house.inbox_rows()
        with house.database.write() as session:
            conversation = session.get_one(Conversation, row.conversation_id)
            conversation.holder, conversation.staff_id = Holder.AGENT, person.id
        async with streaming(http, after=10**6) as live:
            assert not (await live.next("state"))["typing"]
            await asyncio.sleep(0.2)
            house.live.wake(f"typing:{row.conversation_id}")
            assert (await live.next("state", 1))["typing"]
            assert not (await live.next("state"))["typing"]  # he stopped
