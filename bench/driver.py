"""Customers: they talk side by side, each waits for the answer before the next words."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp
import yaml

from bot.channels.console.tokens import token
from bot.settings import Settings

TURN_SECONDS = 60.0
DIALOGUES = Path(__file__).with_name("dialogues.yml")

Dialogue = tuple[str, ...]


class Line(Protocol):
    """A way to talk to one of the systems under measurement."""

    async def turn(self, customer: str, text: str) -> int:
        """Say ``text`` and wait for the whole answer; the number under which the turn is kept, 0
        where nothing is kept. TurnFailed if no answer comes."""
        ...


class TurnFailed(Exception):
    """A turn without an answer."""


@dataclass(slots=True)
class Played:
    """What the customers saw. ``spans`` are seconds from words to answer, by the turn's number."""

    spans: list[tuple[int, float]] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0

    def add(self, other: Played) -> None:
        self.spans += other.spans
        self.failed += other.failed
        self.seconds += other.seconds


def dialogues() -> list[Dialogue]:
    """The conversations of ``dialogues.yml``."""
    return [tuple(map(str, lines)) for lines in yaml.safe_load(DIALOGUES.read_text("utf-8"))]


class Customers:
    """Names that were never used, and what each of them says."""

    def __init__(self) -> None:
        self._dialogues = itertools.cycle(dialogues())
        self._numbers = itertools.count(1)

    def __iter__(self) -> Iterator[tuple[str, Dialogue]]:
        for number in self._numbers:
            yield f"bench-{number}", next(self._dialogues)


async def play(line: Line, customers: Customers, at_once: int, seconds: float) -> Played:
    """``at_once`` customers talk for ``seconds``; when one has said everything, a new one comes.

    Turns under way at the end are waited for and count, and so does the time they take.
    """
    played = Played()
    coming = iter(customers)
    began = time.perf_counter()

    async def talk() -> None:
        while True:
            name, words = next(coming)
            for text in words:
                said = time.perf_counter()
                if said - began >= seconds:
                    return
                try:
                    number = await asyncio.wait_for(line.turn(name, text), TURN_SECONDS)
                except (TurnFailed, TimeoutError, aiohttp.ClientError):
                    played.failed += 1
                    break
                played.spans.append((number, time.perf_counter() - said))

    await asyncio.gather(*(talk() for _ in range(at_once)))
    played.seconds = time.perf_counter() - began
    return played


async def parse_in_turn(
    http: aiohttp.ClientSession, servers: Sequence[str], rounds: int
) -> list[list[float]]:
    """Every line of the dialogues, understood ``rounds`` times by each Rasa server, one after the
    other: seconds of each parse, by server."""
    spans: list[list[float]] = [[] for _ in servers]
    for text in [text for words in dialogues() for text in words] * rounds:
        for server, found in zip(servers, spans, strict=True):
            began = time.perf_counter()
            async with http.post(f"{server}/model/parse", json={"text": text}) as reply:
                if reply.status != 200:
                    raise TurnFailed(await reply.text())
                await reply.read()
            found.append(time.perf_counter() - began)
    return spans


async def play_each(lines: Sequence[Line], counts: Sequence[int]) -> None:
    """Every dialogue prefix is played once on each line before anything is measured."""
    for line, count in zip(lines, counts, strict=True):
        for number, words in enumerate(dialogues()[:count]):
            for text in words:
                await line.turn(f"warm-{number}", text)


class ConsoleLine:
    """Our service, over HTTP, as ``./courier say`` talks to it."""

    def __init__(self, http: aiohttp.ClientSession, settings: Settings) -> None:
        self._http = http
        self._base = settings.service_url
        self._headers = {"Authorization": f"Bearer {token(settings.secret)}"}
        self._ids = itertools.count(1)

    async def say(self, customer: str, text: str) -> tuple[int, int]:
        """Have a message stored: its numbers in the inbox and in the record."""
        body = {"as": customer, "id": f"m{next(self._ids)}", "text": text}
        async with self._http.post(
            f"{self._base}/console/messages", json=body, headers=self._headers
        ) as reply:
            if reply.status != 202:
                raise TurnFailed(await reply.text())
            stored = await reply.json()
        return int(stored["inbox_id"]), int(stored["message_id"])

    async def turn(self, customer: str, text: str) -> int:
        number, after = await self.say(customer, text)
        answered = False
        while True:
            asked = {"as": customer, "inbox_id": str(number), "after": str(after)}
            async with self._http.get(
                f"{self._base}/console/answers", params=asked, headers=self._headers
            ) as reply:
                if reply.status != 200:
                    raise TurnFailed(await reply.text())
                found = await reply.json()
            after = max(after, int(found["cursor"]))
            answered = answered or bool(found["answers"])
            if found["done"]:
                if not answered:
                    raise TurnFailed("handled without an answer")
                return number


class RestLine:
    """A Rasa server, over its REST channel. What it says is not judged."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self._http = http
        self._url = f"{base}/webhooks/rest/webhook"

    async def turn(self, customer: str, text: str) -> int:
        body = {"sender": customer, "message": text}
        async with self._http.post(self._url, json=body) as reply:
            if reply.status != 200:
                raise TurnFailed(await reply.text())
            await reply.json()
        return 0
