"""A whole installation for one measurement: service and Rasa in a home of their own."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from rich.console import Console

from bot import model, processes, settings, up
from bot.processes import Child
from bot.settings import Settings

MIB = 2**20
SERVES_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class House:
    """What runs: ``children`` are its processes, the service first."""

    settings: Settings
    children: list[Child]


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process and all below it, in MiB. ``unique`` is what would be freed if
    it ended; ``resident`` counts shared pages too."""

    resident: float
    unique: float


@contextmanager
def house(
    console: Console, variables: Callable[[str], Mapping[str, str]] = lambda _: {}
) -> Iterator[House]:
    """Service and Rasa, answering, on free ports in a temporary folder that is removed at the end.

    The trained model is the installation's own, so nothing is trained that was trained before.
    ``variables`` gives more settings for it, from its own address.
    """
    with tempfile.TemporaryDirectory(prefix="courier-bench-") as folder:
        port, rasa_port = free_ports(2)
        home = settings.load(
            {
                "COURIER_HOME": folder,
                "COURIER_PORT": str(port),
                "COURIER_RASA_PORT": str(rasa_port),
            }
        )
        _bring_model(settings.load(), home, console)
        with _variables(variables(home.service_url)), up.running(home, console) as children:
            yield House(home, children)


@contextmanager
def service_alone(
    console: Console, folder: Path, database: str, variables: Mapping[str, str] | None = None
) -> Iterator[House]:
    """The service without Rasa, answering, with its home in ``folder`` and on this database.
    ``variables`` are more settings for it."""
    port, rasa_port = free_ports(2)
    home = settings.load(
        {
            "COURIER_HOME": str(folder),
            "COURIER_PORT": str(port),
            "COURIER_RASA_PORT": str(rasa_port),
            "COURIER_DATABASE": database,
        }
    )
    with _variables(variables or {}):
        children = [processes.service(home)]
    try:
        children[0].start()
        with console.status("Starting the service …"):
            processes.wait_until(lambda: serves(home), children, SERVES_SECONDS)
        yield House(home, children)
    finally:
        processes.stop(children)


def serves(home: Settings) -> bool:
    try:
        health = httpx.get(f"{home.service_url}/health", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return health.status_code == 200


@contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """Put into the environment that the processes get, and taken out again."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held while the next is looked for."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def memory(child: Child) -> Memory:
    """What a running process holds now."""
    root = psutil.Process(child.pid)
    resident = unique = 0
    for process in (root, *root.children(recursive=True)):
        info = process.memory_full_info()
        resident, unique = resident + info.rss, unique + info.uss
    return Memory(resident / MIB, unique / MIB)


def processor_seconds(child: Child) -> float:
    """Processor time that a running process has used since its start."""
    spent = psutil.Process(child.pid).cpu_times()
    return float(spent.user + spent.system)


def _bring_model(installation: Settings, home: Settings, console: Console) -> None:
    fitting = model.fitting(installation)
    if fitting is None:
        with console.status("Training the bot on data/ (about a minute, once) …"):
            fitting = model.train(installation)
    home.models.mkdir(parents=True, exist_ok=True)
    link_or_copy(fitting, home.models / fitting.name)


def link_or_copy(source: Path, target: Path) -> None:
    """The same file at ``target``; a copy where the folders lie on different disks."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
