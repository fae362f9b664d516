"""Customers on three channels, as their platforms deliver them: again until it is acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp

from bench.driver import Dialogue
from bench.platforms import TelegramApi, WeChat
from bot.channels.tencent.crypto import signature
from bot.channels.wechat.channel import QUOTA
from store import ids
from tests.standins.wechat_api import TOKEN

AGAIN = 0.5
"""Seconds after which a platform delivers again what was not acknowledged."""
DELIVERY = aiohttp.ClientTimeout(total=5)
TWICE = 0.03
"""The share of messages that a platform delivers twice."""
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Customer:
    """``said`` was acknowledged, in order; ``answered`` is set when his screen shows more."""

    channel: str
    address: str
    said: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Delivered:
    """What platforms saw: when each delivery began and how many seconds its acknowledgement took,
    by channel; ``outages`` are the spans around each killing of the service."""

    acks: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    outages: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    """Deliveries that got no acknowledgement and came again."""
    repeats: int = 0

    def spans(self, channel: str) -> tuple[list[float], list[float]]:
        """Seconds of the acknowledgements in calm times, and of those around a killing."""
        calm: list[float] = []
        troubled: list[float] = []
        for began, took in self.acks[channel]:
            near = any(start <= began <= end for start, end in self.outages)
            (troubled if near else calm).append(took)
        return calm, troubled


class Platform(Protocol):
    """One channel's way in; ``deliver`` is one attempt, true if it was acknowledged."""

    name: str

    def customer(self) -> Customer: ...

    async def deliver(self, customer: Customer, number: int, text: str) -> bool: ...


class TelegramSide:
    name = "telegram"

    def __init__(self, http: aiohttp.ClientSession, base: str, secret: str, api: TelegramApi):
        self._http, self._url, self._api = http, f"{base}/telegram/webhook", api
        self._headers = {"x-telegram-bot-api-secret-token": secret}
        self._loop = asyncio.get_running_loop()
        self._customers: dict[str, Customer] = {}
        api.heard = lambda chat: _tell(self._loop, self._customers[chat])

    def customer(self) -> Customer:
        chat = 1000 + next(_NUMBERS)
        found = Customer(self.name, str(chat), shown=self._api.shown[chat])
        self._customers[found.address] = found
        return found

    async def deliver(self, customer: Customer, number: int, text: str) -> bool:
        chat = int(customer.address)
        who = {"id": chat, "first_name": "bench"}
        message = {
            "message_id": number, "date": int(time.time()), "text": text,
            "chat": {**who, "type": "private"}, "from": {**who, "is_bot": False},
        }  # fmt: skip
        update = {"update_id": number, "message": message}
        async with self._http.post(self._url, json=update, headers=self._headers) as reply:
            return reply.status == 200


class WeChatSide:
    name = "wechat"

    def __init__(self, http: aiohttp.ClientSession, base: str, api: WeChat) -> None:
        self._http, self._url, self._api = http, f"{base}/wechat", api
        self._loop = asyncio.get_running_loop()
        self._customers: dict[str, Customer] = {}
        api.heard = self._heard

    def _heard(self, who: str) -> None:
        customer = self._customers[who]
        customer.shown[:] = self._api.texts(who)
        _tell(self._loop, customer)

    def customer(self) -> Customer:
        found = Customer(self.name, f"bench-{next(_NUMBERS)}")
        self._customers[found.address] = found
        return found

    async def deliver(self, customer: Customer, number: int, text: str) -> bool:
        self._api.left[customer.address] = QUOTA
        now, nonce = str(int(time.time())), "7"
        query = {"timestamp": now, "nonce": nonce, "signature": signature(TOKEN, now, nonce)}
        body = (
            f"<xml><ToUserName>desk</ToUserName><FromUserName>{customer.address}</FromUserName>"
            f"<CreateTime>{now}</CreateTime><MsgType>text</MsgType>"
            f"<Content><![CDATA[{text}]]></Content><MsgId>{number}</MsgId></xml>"
        )
        async with self._http.post(self._url, params=query, data=body.encode()) as reply:
            return reply.status == 200 and await reply.text() == "success"


class WebSide:
    name = "web"

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self._http, self._base = http, base
        self._cookies: dict[str, dict[str, str]] = {}
        self._streams: list[asyncio.Task[None]] = []

    def customer(self) -> Customer:
        secret = secrets.token_urlsafe(32)
        found = Customer(self.name, ids.fingerprint(secret))
        self._cookies[found.address] = {"cookie": f"courier_visitor={secret}"}
        self._streams.append(asyncio.create_task(self._read(found)))
        return found

    async def deliver(self, customer: Customer, number: int, text: str) -> bool:
        body = {"id": f"bench-{number:06}", "text": text}
        headers = self._cookies[customer.address]
        async with self._http.post(
            f"{self._base}/chat/messages", json=body, headers=headers
        ) as reply:
            return reply.status == 202

    async def _read(self, customer: Customer) -> None:
        """The page's stream, taken up again where it broke."""
        seen = 0
        endless = aiohttp.ClientTimeout(total=None, sock_read=30)
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._http.get(
                    f"{self._base}/chat/events",
                    params={"after": str(seen)},
                    headers=self._cookies[customer.address],
                    timeout=endless,
                ) as reply:
                    async for message in _messages(reply):
                        seen = max(seen, int(message["id"]))
                        if message["author"] != "customer":
                            customer.shown.append(message["text"])
                            customer.answered.set()
            await asyncio.sleep(AGAIN)

    async def close(self) -> None:
        for task in self._streams:
            task.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)


async def _messages(reply: aiohttp.ClientResponse) -> Any:
    kind = ""
    async for raw in reply.content:
        name, _, value = raw.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind == "message":
            yield json.loads(value)


def _tell(loop: asyncio.AbstractEventLoop, customer: Customer) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(customer.answered.set)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: a customer thinks ``least`` to ``most``, waits ``patience`` for an answer."""

    least: float
    most: float
    patience: float


async def talk(
    platform: Platform,
    dialogues: Iterator[Dialogue],
    pace: Pace,
    ends: float,
    into: Delivered,
) -> Customer:
    """One customer until ``ends`` (of the loop's clock): he says one thing after another."""
    customer = platform.customer()
    chance = random.Random(hashlib.blake2s(customer.address.encode()).digest())
    loop = asyncio.get_running_loop()
    await asyncio.sleep(chance.uniform(0, pace.most))
    for text in itertools.chain.from_iterable(dialogues):
        if loop.time() >= ends:
            break
        customer.answered.clear()
        number = next(_NUMBERS)
        await _until_acknowledged(platform, customer, number, text, into)
        if chance.random() < TWICE:
            into.repeats += 1
            with suppress(aiohttp.ClientError, TimeoutError):
                await platform.deliver(customer, number, text)
        with suppress(TimeoutError):
            async with asyncio.timeout(pace.patience):
                await customer.answered.wait()
        await asyncio.sleep(chance.uniform(pace.least, pace.most))
    return customer


async def _until_acknowledged(
    platform: Platform, customer: Customer, number: int, text: str, into: Delivered
) -> None:
    while True:
        began = time.perf_counter()
        with suppress(aiohttp.ClientError, TimeoutError):
            if await platform.deliver(customer, number, text):
                took = time.perf_counter() - began
                into.acks.setdefault(platform.name, []).append((began, took))
                customer.said.append(text)
                return
        into.refused += 1
        await asyncio.sleep(AGAIN)
