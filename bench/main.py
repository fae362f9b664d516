"""``./courier bench NAME``: measure, show, leave nothing behind.

A bench is a module of this folder with ``run(options) -> list[Figure]``, and a line in ``BENCHES``.
Exit codes: 0 when it measured (the figures say whether targets were met), 1 when it could not, 130
when it was interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import cast

from rich.console import Console

from bench.figures import Figure, as_json, as_table


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller asked for. ``console`` shows progress; it writes to stderr."""

    quick: bool
    peer: bool
    console: Console


Bench = Callable[[Options], list[Figure]]

BENCHES: dict[str, str] = {
    "channels": "conversations on three channels while platforms fail and the service is killed",
    "parcels": "scans taken in, a look-up among them, notices of them, on SQLite and PostgreSQL",
    "tickets": "clocks of 100,000 open tickets, each once though processes die; the desk's pages",
    "turn": "whole turns, from a message accepted to its answer stored, and memory",
}


def main(argv: list[str]) -> int:
    """Run one bench and show its figures; see the module's text."""
    parser = argparse.ArgumentParser(
        prog="./courier bench",
        description="Measure the product on this machine.",
        epilog="; ".join(f"{name}: {what}" for name, what in BENCHES.items()),
    )
    parser.add_argument("name", metavar="NAME", choices=sorted(BENCHES), help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--quick", action="store_true", help="a smaller run, under 50 s")
    parser.add_argument("--peer", action="store_true", help="beside its peer, where it has one")
    given = parser.parse_args(argv)
    options = Options(given.quick, given.peer, Console(stderr=True))
    bench = cast(Bench, importlib.import_module(f"bench.{given.name}").run)
    with _stopped_gently():
        figures = bench(options)
    if given.json:
        sys.stdout.write(as_json(figures) + "\n")
        sys.stdout.flush()
    else:
        Console().print(as_table(f"./courier bench {' '.join(argv)}", figures))
    return 0


@contextmanager
def _stopped_gently() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does, so that processes and files are cleaned up."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
