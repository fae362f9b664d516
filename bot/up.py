"""``./courier up``: everything on this machine, from nothing to two answering processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

from bot import demo, model, processes
from bot.orders import SIMULATOR
from bot.processes import Child
from bot.settings import OutletSettings, Settings
from store import schema
from store.engine import Database
from store.errors import SettingsError

NEEDED_BYTES = 300 * 2**20
READY_SECONDS = 120.0
PEOPLE_FILE = "demo-people.json"


def prepare(settings: Settings, console: Console, *, empty: bool = False) -> Path:
    """Schema, demo data of the first start, and the model that fits the data: its file."""
    _require_space(settings)
    database = Database(settings.database)
    schema.migrate(database)
    if not empty:
        _seed(settings, database)
    database.dispose()
    fitting = model.fitting(settings)
    if fitting is None:
        with working(console, "Training the bot on data/ (a minute or two, once) …"):
            fitting = model.train(settings)
    return fitting


@contextmanager
def running(
    settings: Settings, console: Console | None = None, *, empty: bool = False
) -> Iterator[list[Child]]:
    """Service and Rasa, answering, for the time of the block."""
    console = console or Console(stderr=True, quiet=True)
    processes.require_free_port(settings.host, settings.port, "COURIER_PORT")
    processes.require_free_port("127.0.0.1", settings.rasa_port, "COURIER_RASA_PORT")
    fitting = prepare(settings, console, empty=empty)
    settings = with_simulators(settings)
    children = [processes.service(settings), processes.rasa(settings, fitting)]
    try:
        for child in children:
            child.start()
        with working(console, "Starting the service and Rasa …"):
            processes.wait_until(lambda: processes.answers(settings), children, READY_SECONDS)
        yield children
    finally:
        processes.stop(children)


def up(settings: Settings, *, empty: bool) -> int:
    """Run until Ctrl-C. A process that dies meanwhile is started again."""
    console = Console()
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()
        if not started:
            raise KeyboardInterrupt

    started = False
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        with running(settings, console, empty=empty) as children:
            started = True
            _welcome(settings, console)
            while not ended.wait(0.5):
                for child in children:
                    if not child.alive:
                        console.print(f"The {child.title} process died; starting it again.")
                        child.start()
            console.print("Stopping …")
    except KeyboardInterrupt:
        console.print("Stopped.")
    return 0


@contextmanager
def working(console: Console, what: str) -> Iterator[None]:
    """Say what is being done: with a moving sign on a terminal, as a line elsewhere."""
    if not console.is_terminal:
        console.print(what)
        yield
        return
    with console.status(what):
        yield


def _require_space(settings: Settings) -> None:
    free = shutil.disk_usage(settings.home).free
    if free < NEEDED_BYTES:
        raise SettingsError(
            f"The disk of {settings.home} is full ({free // 2**20} MB free, 300 MB needed); free "
            "some space or set COURIER_HOME to another disk."
        )


def _seed(settings: Settings, database: Database) -> None:
    """First start only; the passwords are kept where only the owner of this machine reads them."""
    with database.write() as session:
        people = demo.people(session)
        if not people:
            return
        demo.shipments(session)
        demo.branches(session)
    path = settings.home / PEOPLE_FILE
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump(
            [{"login": p.login, "role": p.role, "password": p.password} for p in people], file
        )


def with_simulators(settings: Settings) -> Settings:
    """A demo without a depot and a paymaster of its own gets simulators; nobody else does."""
    if not (settings.home / PEOPLE_FILE).exists():
        return settings
    simulated = OutletSettings(SIMULATOR)
    return replace(
        settings, depot=settings.depot or simulated, payouts=settings.payouts or simulated
    )


def _welcome(settings: Settings, console: Console) -> None:
    base = (
        settings.service_url if settings.everywhere else f"http://{settings.host}:{settings.port}"
    )
    console.print("\n[bold]Courier Desk[/] (快递客服台) is ready.")
    console.print(f"  Customer page   {base}/")
    console.print(f"  Desk            {base}/desk")
    people = settings.home / PEOPLE_FILE
    if people.exists():
        table = Table("role", "name", "password", title="Demo people (demo data)", box=None)
        for person in json.loads(people.read_text()):
            table.add_row(person["role"], person["login"], person["password"])
        console.print(table)
        console.print("  Demo waybills: SF1234567890123, YT7788990011223, JD0099887766554")
        if settings.depot is None:
            console.print("  Orders to the depot go to a simulator (COURIER_DEPOT_URL)")
        if settings.payouts is None:
            console.print("  Orders to pay go to a simulator (COURIER_PAYOUT_URL)")
    console.print("  Ctrl-C stops everything.\n")
