"""The two processes of one machine, the service and Rasa: started, watched, stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bot.assembly import derived
from bot.settings import ROOT, Settings
from store.errors import SettingsError

STOP_SECONDS = 4.0
_PR_SET_PDEATHSIG = 1


class Child:
    """One process with its journal; started again if it dies by itself."""

    def __init__(self, title: str, command: list[str], journal: Path, env: dict[str, str]) -> None:
        self.title = title
        self.journal = journal
        self._command = command
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        with self.journal.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """The last line of the journal: an expected failure is told in one."""
        lines = self.journal.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive:
            os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within ``seconds``."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(seconds, 0.01))
        except subprocess.TimeoutExpired:
            return False
        return True


def _die_with_parent() -> None:
    """Linux ends the child when ``up`` itself is killed hard, so that nothing is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def environment(settings: Settings) -> dict[str, str]:
    """What both processes need to find each other; secrets travel here and never in addresses."""
    tracker = (
        f"sqlite:///{settings.home / 'rasa.db'}"
        if settings.database.startswith("sqlite")
        else settings.database.replace("postgresql://", "postgresql+psycopg://")
    )
    return {
        **os.environ,
        "COURIER_HOME": str(settings.home),
        "COURIER_DATABASE": settings.database,
        "COURIER_HOST": settings.host,
        "COURIER_PORT": str(settings.port),
        "COURIER_RASA_PORT": str(settings.rasa_port),
        "COURIER_DEPOT_URL": settings.depot.url if settings.depot else "",
        "COURIER_PAYOUT_URL": settings.payouts.url if settings.payouts else "",
        "COURIER_ACTIONS_URL": f"{settings.service_url}/internal/actions",
        "COURIER_ACTIONS_TOKEN": derived(settings, "actions"),
        "COURIER_TRACKER_DATABASE": tracker,
        "PYTHONUNBUFFERED": "1",
    }


def service(settings: Settings) -> Child:
    command = [sys.executable, "-m", "bot.cli", "serve"]
    return Child("service", command, settings.logs / "service.log", environment(settings))


def rasa(settings: Settings, model: Path) -> Child:
    """Rasa's server: loopback only; its API is for the service alone."""
    command = [sys.executable, "-m", "bot.cli", "rasa", "run", "--enable-api"]
    command += ["--interface", "127.0.0.1", "--port", str(settings.rasa_port)]
    command += ["--model", str(model), "--endpoints", "endpoints.yml"]
    command += ["--credentials", "credentials.yml"]
    return Child("rasa", command, settings.logs / "rasa.log", environment(settings))


def stop(children: list[Child]) -> None:
    """End all of them within five seconds, gently first."""
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        if not child.wait(deadline - time.monotonic()):
            child.signal(signal.SIGKILL)
            child.wait(1)


def require_free_port(host: str, port: int, variable: str) -> None:
    """SettingsError with the way out if somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} is in use; stop what listens there or set {variable} to a free one."
            ) from error


def wait_until(ready: Callable[[], bool], children: list[Child], seconds: float) -> None:
    """Wait for ``ready``; SettingsError names the journal of a process that died or is too slow."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for child in children:
            if not child.alive:
                raise SettingsError(
                    f"The {child.title} process stopped at start: {child.last_words()} "
                    f"(more in {child.journal})"
                )
        if ready():
            return
        time.sleep(0.1)
    journals = ", ".join(str(child.journal) for child in children)
    raise SettingsError(f"Not ready after {seconds:.0f} s; look into {journals}.")


def answers(settings: Settings) -> bool:
    """Whether the service answers and says that the bot does."""
    try:
        health = httpx.get(f"{settings.service_url}/health", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return health.status_code == 200 and bool(health.json().get("bot"))
