"""Whole turns: a customer's message is accepted, understood, answered, and the answer is stored.

Real service, real Rasa, real HTTP. Times are taken from the record (message received to last answer
in the outbox); what the customer sees is told beside. With the peer, stock Rasa runs in the same
minutes and the two are measured by turns, so that a noisy machine disturbs both alike. Stock Rasa
keeps no record: its time is what its client sees, which is kept short by a lean client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from rich.console import Console

from bench import peer, record
from bench.driver import (
    ConsoleLine,
    Customers,
    Line,
    Played,
    RestLine,
    parse_in_turn,
    play,
    play_each,
)
from bench.figures import Figure, at_most, below, percentile, plain
from bench.house import House, Memory, house, memory, processor_seconds
from bench.main import Options
from bot.processes import Child

AT_ONCE = (1, 8, 32)
WARM_UP = 3
"""Dialogues before anything is measured."""
HALF = 0.5
"""Our p50 against stock Rasa's, at most."""
PARSE_MS = 8.0
"""Understanding one message, at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``rounds`` times each number of customers, for ``seconds`` each; every line of the dialogues
    is understood ``parses`` times."""

    rounds: int
    seconds: float
    parses: int


QUICK = Plan(1, 5.0, 4)
FULL = Plan(4, 8.0, 20)


@dataclass(slots=True)
class Measured:
    """What was seen of one system, by the number of customers at once."""

    played: dict[int, Played] = field(default_factory=lambda: {n: Played() for n in AT_ONCE})
    memory: dict[str, Memory] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    """Seconds of processor time while it was measured, by process."""
    parses: list[float] = field(default_factory=list)
    """Seconds of single parses."""

    @property
    def failed(self) -> int:
        return sum(played.failed for played in self.played.values())

    @property
    def turns(self) -> int:
        return sum(len(played.spans) for played in self.played.values())

    async def play(
        self, line: Line, children: list[Child], customers: Customers, at_once: int, seconds: float
    ) -> None:
        """One stretch of one system."""
        before = [processor_seconds(child) for child in children]
        self.played[at_once].add(await play(line, customers, at_once, seconds))
        for child, start in zip(children, before, strict=True):
            spent = processor_seconds(child) - start
            self.processor[child.title] = self.processor.get(child.title, 0.0) + spent


def run(options: Options) -> list[Figure]:
    """Measure turns and memory, beside stock Rasa if asked. CourierError says why it cannot."""
    plan = QUICK if options.quick else FULL
    with _stock(options) as stock, house(options.console) as ours:
        measured = asyncio.run(_measure(plan, ours, stock, options.console))
        recorded = record.read(ours.settings)
    return _figures(measured, recorded)


@contextmanager
def _stock(options: Options) -> Iterator[peer.Stock | None]:
    if not options.peer:
        yield None
        return
    with peer.running(options.console) as stock:
        yield stock


async def _measure(
    plan: Plan, ours: House, stock: peer.Stock | None, console: Console
) -> tuple[Measured, Measured | None]:
    """Ours, then stock's, then ours again …, for each number of customers."""
    desk, other = Measured(), Measured() if stock else None
    customers = Customers()
    unlimited = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=unlimited) as http:
        systems: list[tuple[Line, Measured, list[Child]]] = [
            (ConsoleLine(http, ours.settings), desk, ours.children)
        ]
        if stock and other:
            systems.append((RestLine(http, stock.address), other, [stock.child]))
        await play_each([line for line, _, _ in systems], [WARM_UP] * len(systems))
        servers = [ours.settings.rasa_url, *([stock.address] if stock else [])]
        parses = await parse_in_turn(http, servers, plan.parses)
        for (_, measured, _), spans in zip(systems, parses, strict=True):
            measured.parses = spans
        for number in range(1, plan.rounds + 1):
            for at_once in AT_ONCE:
                with console.status(
                    f"Round {number} of {plan.rounds}: {at_once} customers at once …"
                ):
                    for line, measured, children in systems:
                        await measured.play(line, children, customers, at_once, plan.seconds)
    desk.memory = _memory(ours.children)
    if stock and other:
        other.memory = _memory([stock.child])
    return desk, other


def _memory(children: list[Child]) -> dict[str, Memory]:
    return {child.title: memory(child) for child in children}


def _figures(measured: tuple[Measured, Measured | None], recorded: record.Recorded) -> list[Figure]:
    desk, stock = measured
    found: list[Figure] = []
    for at_once, played in desk.played.items():
        stored = [recorded.spans[number] for number, _ in played.spans]
        found += _times(f"turn_{at_once}", stored)
        found += _times(f"turn_{at_once}_seen", [seconds for _, seconds in played.spans])
        found.append(plain(f"turn_{at_once}_rate", len(stored) / played.seconds, "turns/s"))
    found.append(at_most("parse_p50", 1000 * percentile(desk.parses, 0.5), "ms", PARSE_MS))
    found.append(at_most("turns_failed", desk.failed + recorded.faults, "turns", 0))
    found += _processor(desk)
    for title, held in desk.memory.items():
        found += _held(title, held)
    total = _sum(desk.memory)
    found += _held("all", total)
    if stock is not None:
        found += _against(desk, stock, recorded, total)
    return found


def _against(
    desk: Measured, stock: Measured, recorded: record.Recorded, total: Memory
) -> list[Figure]:
    """Stock Rasa's figures, and ours as a share of them."""
    found: list[Figure] = []
    for at_once, played in stock.played.items():
        seen = [seconds for _, seconds in played.spans]
        found += _times(f"stock_{at_once}", seen)
        found.append(plain(f"stock_{at_once}_rate", len(seen) / played.seconds, "turns/s"))
    stock_parse = percentile(stock.parses, 0.5)
    found.append(plain("stock_parse_p50", 1000 * stock_parse, "ms"))
    ours = percentile(desk.parses, 0.5)
    found.append(at_most("parse_p50_to_stock", ours / stock_parse, "ratio", HALF))
    found.append(plain("stock_failed", stock.failed, "turns"))
    found += _processor(stock)
    held = _sum(stock.memory)
    found += _held("stock", held)
    for at_once, played in desk.played.items():
        theirs = percentile([seconds for _, seconds in stock.played[at_once].spans], 0.5)
        stored = percentile([recorded.spans[number] for number, _ in played.spans], 0.5)
        seen_by_us = percentile([seconds for _, seconds in played.spans], 0.5)
        found.append(at_most(f"turn_{at_once}_p50_to_stock", stored / theirs, "ratio", HALF))
        found.append(plain(f"turn_{at_once}_seen_p50_to_stock", seen_by_us / theirs, "ratio"))
    found.append(below("all_resident_to_stock", total.resident / held.resident, "ratio", 1.0))
    found.append(below("all_unique_to_stock", total.unique / held.unique, "ratio", 1.0))
    return found


def _times(name: str, seconds: list[float]) -> list[Figure]:
    return [
        plain(f"{name}_p50", 1000 * percentile(seconds, 0.5), "ms"),
        plain(f"{name}_p95", 1000 * percentile(seconds, 0.95), "ms"),
    ]


def _processor(measured: Measured) -> list[Figure]:
    """Steadier than times on a machine that has other work too."""
    return [
        plain(f"{title}_processor", 1000 * seconds / measured.turns, "ms/turn")
        for title, seconds in measured.processor.items()
    ]


def _held(name: str, held: Memory) -> list[Figure]:
    return [
        plain(f"{name}_resident", held.resident, "MiB"),
        plain(f"{name}_unique", held.unique, "MiB"),
    ]


def _sum(memories: dict[str, Memory]) -> Memory:
    return Memory(
        sum(held.resident for held in memories.values()),
        sum(held.unique for held in memories.values()),
    )
