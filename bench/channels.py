"""Conversations on three channels at once, while platforms fail and the service is killed.

Real service, real Rasa, real HTTP to stand-ins of the platforms (``platforms.py``) and to the
page's own routes. What came in is compared with the record, and what screens show with the outbox.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import aiohttp
from rich.console import Console
from sqlalchemy import func, select

from bench.driver import dialogues
from bench.figures import Figure, at_most, below, percentile, plain
from bench.house import House, house
from bench.main import Options
from bench.platforms import FAULTS, Faults, TelegramApi, WeChat, serving
from bench.talkers import (
    DELIVERY,
    Customer,
    Delivered,
    Pace,
    Platform,
    TelegramSide,
    WebSide,
    WeChatSide,
    talk,
)  # fmt: skip
from bot.processes import answers, wait_until
from conversations.models import Author, Conversation, Delivery, Inbox, Message, Outbox
from conversations.models import Customer as Known
from store.engine import Database
from tests.standins.wechat_api import APPID, SECRET, TOKEN

ACKNOWLEDGED = 100.0
"""Milliseconds, p95."""
AFTERMATH = 3.0
BOT_TOKEN, BOT_SECRET = "7000001:AAsynthetic-token-of-no-bot-at-all", "bench-webhook-secret"


@dataclass(frozen=True, slots=True)
class Plan:
    """``customers`` talk for ``seconds``; the service is killed at each of ``kills``; then all has
    ``settle`` seconds (more than a dead worker's lease) to come to rest."""

    customers: int
    seconds: float
    kills: tuple[float, ...]
    settle: float
    pace: Pace
    faults: float


QUICK = Plan(60, 12, (3.0,), 24, Pace(1, 3, 6), 0.06)
FULL = Plan(200, 300, (60.0, 180.0), 75, Pace(6, 14, 20), 0.04)


def run(options: Options) -> list[Figure]:
    """Play and compare. CourierError says why it cannot."""
    plan = QUICK if options.quick else FULL
    faults = Faults(plan.faults, seed=1)
    telegram, wechat = TelegramApi(faults), WeChat(faults)
    with ExitStack() as stack:
        telegram_api = stack.enter_context(serving(telegram.app))
        wechat_api = stack.enter_context(serving(wechat.app))
        ours = stack.enter_context(
            house(options.console, lambda own: _channels(own, telegram_api, wechat_api))
        )
        delivered = Delivered()
        customers = asyncio.run(_play(plan, ours, telegram, wechat, delivered, options.console))
        rested = _settle(ours, plan.settle)
        return _figures(customers, delivered, faults, rested, ours)


def _channels(own: str, telegram_api: str, wechat_api: str) -> dict[str, str]:
    """Settings that switch the channels on. Pushes are answered at once: what is measured is how
    soon they are acknowledged, not how soon they are answered."""
    return {
        "COURIER_TELEGRAM_TOKEN": BOT_TOKEN,
        "COURIER_TELEGRAM_API": telegram_api,
        "COURIER_TELEGRAM_WEBHOOK_URL": own,
        "COURIER_TELEGRAM_SECRET": BOT_SECRET,
        "COURIER_WECHAT_APPID": APPID,
        "COURIER_WECHAT_SECRET": SECRET,
        "COURIER_WECHAT_TOKEN": TOKEN,
        "COURIER_WECHAT_API": wechat_api,
        "COURIER_WECHAT_PASSIVE": "no",
    }


async def _play(
    plan: Plan,
    ours: House,
    telegram: TelegramApi,
    wechat: WeChat,
    into: Delivered,
    console: Console,
) -> list[Customer]:
    base = ours.settings.service_url
    loop = asyncio.get_running_loop()
    ends = loop.time() + plan.seconds
    unlimited = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=unlimited, timeout=DELIVERY) as http:
        web = WebSide(http, base)
        sides: list[Platform] = [
            TelegramSide(http, base, BOT_SECRET, telegram),
            WeChatSide(http, base, wechat),
            web,
        ]
        words = dialogues()
        talks = [
            asyncio.create_task(
                talk(side, itertools.cycle([words[n % len(words)]]), plan.pace, ends, into)
            )
            for n, side in zip(range(plan.customers), itertools.cycle(sides), strict=False)
        ]
        killer = asyncio.create_task(_kill(ours, plan.kills, into))
        with console.status(f"{plan.customers} conversations for {plan.seconds:.0f} s …"):
            customers = await asyncio.gather(*talks)
            await killer
            await asyncio.sleep(plan.settle / 3)  # last answers still come to the pages
        await web.close()
    return list(customers)


async def _kill(ours: House, kills: Sequence[float], into: Delivered) -> None:
    """kill -9 to the service, and start it again as ``up`` does. What is acknowledged until
    AFTERMATH seconds after it answers again is counted apart: everybody comes at once."""
    service = ours.children[0]
    began = time.monotonic()
    for at in kills:
        await asyncio.sleep(max(began + at - time.monotonic(), 0))
        service.signal(signal.SIGKILL)
        await asyncio.to_thread(service.wait, 5)
        killed = time.perf_counter()
        service.start()
        await asyncio.to_thread(wait_until, lambda: answers(ours.settings), ours.children, 60)
        into.outages.append((killed - AFTERMATH, time.perf_counter() + AFTERMATH))


def _settle(ours: House, seconds: float) -> int:
    """Wait until nothing falls due any more; how many rows still do."""
    ends = time.monotonic() + seconds
    database = Database(ours.settings.database)
    try:
        while True:
            with database.read() as session:
                left = sum(
                    session.scalar(
                        select(func.count()).select_from(table).where(table.due_at.is_not(None))
                    )
                    or 0
                    for table in (Inbox, Outbox)
                )
            if not left or time.monotonic() >= ends:
                return left
            time.sleep(0.3)
    finally:
        database.dispose()


@dataclass(frozen=True, slots=True)
class Kept:
    """What the record has of one customer: his words, and ours to him, both in order."""

    heard: list[str]
    said: list[str]


def _record(ours: House) -> tuple[dict[tuple[str, str], Kept], dict[str, int]]:
    """By channel and address; and how our messages ended, by state."""
    database = Database(ours.settings.database)
    try:
        with database.read() as session:
            kept: dict[tuple[str, str], Kept] = {}
            for channel, address, author, text in session.execute(
                select(Known.channel, Known.address, Message.author, Message.text)
                .join(Conversation, Conversation.id == Message.conversation_id)
                .join(Known, Known.id == Conversation.customer_id)
                .where(Message.audience == "everyone")
                .order_by(Message.id)
            ):
                mine = kept.setdefault((channel, address), Kept([], []))
                (mine.heard if author == Author.CUSTOMER else mine.said).append(text)
            states = session.execute(select(Outbox.state, func.count()).group_by(Outbox.state))
            return kept, {str(state): count for state, count in states}
    finally:
        database.dispose()


def _figures(
    customers: list[Customer], delivered: Delivered, faults: Faults, left: int, ours: House
) -> list[Figure]:
    kept, states = _record(ours)
    nothing = Kept([], [])
    pairs = [(c, kept.get((c.channel, c.address), nothing)) for c in customers]
    said = sum(len(c.said) for c, _ in pairs)
    heard = sum(len(k.heard) for _, k in pairs)
    found = [
        plain("conversations", len(customers), "conversations"),
        plain("messages_in", said, "messages"),
        at_most("not_recorded_or_twice", abs(said - heard), "messages", 0),
        at_most("out_of_order", sum(not _ordered(c, k) for c, k in pairs), "conversations", 0),
        at_most("shown_twice", sum(_twice(c, k) for c, k in pairs), "lines", 0),
        plain("shown", sum(len(c.shown) for c in customers), "messages"),
        plain("failed_visibly", states.get(Delivery.FAILED, 0), "messages"),
        plain("not_at_rest", left, "rows"),
        plain("delivered_again", delivered.refused + delivered.repeats, "deliveries"),
    ]
    found += [plain(f"fault: {name}", faults.done[name], "sends") for name in FAULTS]
    for channel in sorted(delivered.acks):
        calm, troubled = delivered.spans(channel)
        found.append(plain(f"{channel}_ack_p50", 1000 * percentile(calm, 0.5), "ms"))
        p95 = 1000 * percentile(calm, 0.95)
        found.append(below(f"{channel}_ack_p95", p95, "ms", ACKNOWLEDGED))
        if troubled:
            p95 = 1000 * percentile(troubled, 0.95)
            found.append(plain(f"{channel}_ack_p95_around_kills", p95, "ms"))
    return found


def _lines(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in text.splitlines() if line.strip()]


def _known_lines(customer: Customer, kept: Kept) -> tuple[list[str], list[str]]:
    """The lines on his screen that the record has (numbers before choices are a channel's own),
    and the record's."""
    ours = _lines(kept.said)
    known = set(ours)
    return [line for line in _lines(customer.shown) if line in known], ours


def _twice(customer: Customer, kept: Kept) -> int:
    """Lines that stand on his screen more often than we said them."""
    shown, ours = _known_lines(customer, kept)
    return sum((Counter(shown) - Counter(ours)).values())


def _ordered(customer: Customer, kept: Kept) -> bool:
    """His words stand in the record as he said them, ours on his screen as we said them (some may
    have failed)."""
    shown, ours = _known_lines(customer, kept)
    rest = iter(ours)
    return customer.said == kept.heard and all(line in rest for line in shown)
