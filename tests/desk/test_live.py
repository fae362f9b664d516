"""The stream: what changes is seen at every desk without reload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from handoff.desk.feed import QueueFeed
from handoff.desk.parts import COOKIE
from tests.desk.world import World, serving

Event = tuple[str, str]


class Stream:
    """A browser's stream, read event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        """The first event that is wanted; the client's time limit ends a vain wait."""
        name, data = "", list[str]()
        for line in self._lines:
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and name:
                event = (name, "\n".join(data))
                if wanted(event):
                    return event
                name, data = "", []
        raise AssertionError("the stream ended")


def queue_with(words: str) -> Callable[[Event], bool]:
    return lambda event: event[0] == "queue" and words in event[1]


def test_a_new_case_appears_at_every_desk_in_its_language(world: World) -> None:
    cookies = [world.signed_in(login).client.cookies[COOKIE] for login in ("lili", "chen")]
    with serving(world) as url, httpx.Client(base_url=url, timeout=8) as http:
        zh = {"Cookie": f"{COOKIE}={cookies[0]}", "Accept-Language": "zh"}
        en = {"Cookie": f"{COOKIE}={cookies[1]}", "Accept-Language": "en"}
        with (
            http.stream("GET", "/desk/live", headers=zh) as one,
            http.stream("GET", "/desk/live", headers=en) as two,
        ):
            chinese, english = Stream(one), Stream(two)
            chinese.until(queue_with("没有客户在等"))
            english.until(queue_with("Nobody is waiting"))
            case_id = world.waiting("visitor-9", "帮帮我")
            assert "帮帮我" in chinese.until(queue_with("客户要求转人工"))[1]
            english.until(queue_with("Asked for a person"))
            world.signed_in("wangwei").press(f"/desk/cases/{case_id}/take")
            chinese.until(queue_with("王伟 接待中"))
            english.until(queue_with("With 王伟"))


def test_the_open_case_is_told_of_new_words(world: World) -> None:
    case_id = world.waiting("visitor-1", "你好")
    cookie = {"Cookie": f"{COOKIE}={world.signed_in('lili').client.cookies[COOKIE]}"}

    def is_case(event: Event) -> bool:
        return event[0] == "case"

    with (
        serving(world) as url,
        httpx.Client(base_url=url, timeout=8, headers=cookie) as http,
        http.stream("GET", f"/desk/live?case={case_id}") as response,
    ):
        stream = Stream(response)
        stream.until(is_case)  # a fresh stream always says: look again
        stream.until(lambda event: event[0] == "queue")
        world.say("visitor-1", "还在吗")
        stream.until(is_case)


def test_a_stream_is_for_staff_alone(world: World) -> None:
    with serving(world) as url, httpx.Client(base_url=url, timeout=8) as http:
        answer = http.get("/desk/live")
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/login")


@pytest.mark.anyio
async def test_the_queue_is_rendered_once_for_all_who_watch(world: World) -> None:
    rendered: list[int] = []

    def render() -> dict[str, str]:
        rendered.append(1)
        return {"zh": f"{len(rendered)}"}

    feed = QueueFeed(world.desk.live, render)
    async with feed.watching() as one, feed.watching() as two:
        await asyncio.wait_for(one.wait(), 3)
        await asyncio.wait_for(two.wait(), 3)
        assert len(rendered) == 1
        one.clear()
        await asyncio.sleep(0.3)
        world.desk.live.wake("queue")
        await asyncio.wait_for(one.wait(), 3)
        assert len(rendered) == 2
