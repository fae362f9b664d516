"""Real processes for Rasa's tests: its command line, its server, a place for custom actions."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvicorn
from fastapi import FastAPI
from rasa_sdk import Action
from rasa_sdk.executor import ActionExecutor

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **(extra or {})}


def rasa(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One Rasa command in `folder`, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bot.nlu.compat", *arguments],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


class ActionTrack(Action):  # type: ignore[misc]
    """Answers with the waybill that Rasa learned, and remembers that it ran."""

    def name(self) -> str:
        return "action_track"

    def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[dict[str, Any]]:
        dispatcher.utter_message(text=f"On its way: {tracker.get_slot('waybill')}")
        return []


@contextmanager
def action_server() -> Iterator[str]:
    """rasa-sdk's ActionExecutor behind one HTTP route, as the service has it; gives the address."""
    executor = ActionExecutor()
    executor.register_action(ActionTrack)
    app = FastAPI()

    @app.post("/webhook")
    async def run_action(call: dict[str, Any]) -> Any:
        return await executor.run(call)

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/webhook"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@dataclass(frozen=True, slots=True)
class RasaServer:
    """A running Rasa. `seconds` of processor time passed up to its first answer."""

    address: str
    process: subprocess.Popen[str]
    seconds: float

    def say(self, sender: str, text: str) -> list[str]:
        """What the bot answers, through the REST channel."""
        answer = httpx.post(
            f"{self.address}/webhooks/rest/webhook",
            json={"sender": sender, "message": text},
            timeout=30,
        )
        answer.raise_for_status()
        return [str(part["text"]) for part in answer.json()]

    def slot(self, sender: str, name: str) -> Any:
        tracker = httpx.get(f"{self.address}/conversations/{sender}/tracker", timeout=30)
        tracker.raise_for_status()
        return tracker.json()["slots"][name]

    def append(self, sender: str, event: dict[str, Any]) -> int:
        """Append an event to a conversation from outside; gives the HTTP status."""
        return httpx.post(
            f"{self.address}/conversations/{sender}/tracker/events", json=event, timeout=30
        ).status_code

    def memory(self) -> int:
        """Resident bytes of the process."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@contextmanager
def rasa_server(
    folder: Path, endpoints: str, environment: Mapping[str, str] | None = None
) -> Iterator[RasaServer]:
    """`rasa run` on the model in `folder`, answering; stopped on the way out."""
    port = free_port()
    written = folder / f"endpoints-{port}.yml"
    written.write_text(endpoints, encoding="utf-8")
    log = folder / f"rasa-{port}.log"
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bot.nlu.compat", "run", "--enable-api"),
                *("--interface", "127.0.0.1", "--port", str(port), "--endpoints", str(written)),
            ],
            cwd=folder,
            env=_environment(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() - began < 60, log.read_text(encoding="utf-8")
            try:
                if httpx.get(f"{address}/status", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        first = RasaServer(address, process, 0.0)
        first.say("nobody", "hello")
        spent = psutil.Process(process.pid).cpu_times()
        yield RasaServer(address, process, spent.user + spent.system)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
