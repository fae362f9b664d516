"""Stock Rasa beside us: the same release with its own pins on Python 3.10, its default pipeline and
policies, our training data, its REST channel. Made once, outside the product, in ``FOLDER``.

What it knows is what ``rasa init`` gives, shaped for our intents: each is answered by one ready
text. It keeps its conversations in memory and calls no action server, which is the least work a
Rasa can do for a turn. It learns for few epochs: only time and memory are compared, not
understanding.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console

from bench.house import free_ports
from bot import processes
from bot.processes import Child
from bot.settings import ROOT
from store.errors import CourierError
from tools import setup_steps
from tools.progress import Stop, run

FOLDER = Path.home() / ".cache" / "courier-peer"
REQUIREMENTS = ("rasa==3.6.21", "setuptools<71")
EPOCHS = 1
READY_SECONDS = 240.0
_TEMPLATE = "lib/python3.10/site-packages/rasa/engine/recipes/config_files/default_config.yml"


class PeerUnavailable(CourierError):
    """Stock Rasa cannot be made or started here; the text is one sentence with the way out."""

    code = "peer_unavailable"


@dataclass(frozen=True, slots=True)
class Stock:
    """A running stock Rasa."""

    child: Child
    address: str


@contextmanager
def running(console: Console) -> Iterator[Stock]:
    """Stock Rasa, answering, for the time of the block. Raises PeerUnavailable."""
    environment = _environment(console)
    project = _project(environment)
    model = _model(environment, project, console)
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = _rasa(environment, project)
    command += ["run", "--enable-api", "--interface", "127.0.0.1"]
    command += ["--port", str(port), "--model", str(model)]
    child = Child("stock", command, project / "rasa.log", _variables())
    try:
        child.start()
        with console.status("Starting stock Rasa …"):
            _wait(child, address)
        yield Stock(child, address)
    finally:
        processes.stop([child])


def _environment(console: Console) -> Path:
    """The folder of an environment with stock Rasa in it, made at the first call."""
    folder = FOLDER / "venv"
    complete = FOLDER / "installed"
    if complete.exists() and complete.read_text("utf-8") == "\n".join(REQUIREMENTS):
        return folder
    python = _python()
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        uv = setup_steps.find_or_install_uv(ROOT / ".tools", ROOT / "requirements" / "uv.txt")
    except Stop as stop:
        raise PeerUnavailable(str(stop)) from stop
    shutil.rmtree(folder, ignore_errors=True)
    with console.status("Installing stock Rasa (about 2 GB, once) …"):
        for arguments in (
            ["venv", "--no-project", "--python", python, str(folder)],
            ["pip", "install", "--python", str(folder / "bin" / "python"), *REQUIREMENTS],
        ):
            heard = run([uv, *arguments, "--directory", str(FOLDER)])
            if heard.code != 0:
                raise PeerUnavailable(
                    "Stock Rasa could not be installed; run again when the network is there. "
                    f"uv says: {heard.text.strip().splitlines()[-1]}"
                )
    complete.write_text("\n".join(REQUIREMENTS), encoding="utf-8")
    return folder


def _python() -> str:
    """A Python 3.10 of this machine, looked for where ``./courier`` looks for its own."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("3.10.*/bin/python"))
    on_path = shutil.which("python3.10")
    for path in [*([on_path] if on_path else []), *map(str, kept)]:
        python = setup_steps.probe(path)
        if python is not None and python.version == "3.10":
            return python.path
    raise PeerUnavailable(
        "Stock Rasa needs Python 3.10 and none is here; install one (pyenv install 3.10) or run "
        "the bench without --peer."
    )


def _project(environment: Path) -> Path:
    """A Rasa project on our data, as ``rasa init`` lays it out. Written afresh each time: the files
    are what the model's name is made of."""
    project = FOLDER / "project"
    (project / "data").mkdir(parents=True, exist_ok=True)
    domain = yaml.safe_load((ROOT / "domain.yml").read_text("utf-8"))
    intents = list(domain["intents"])
    _write(project / "config.yml", _config(environment / _TEMPLATE))
    _write(
        project / "domain.yml",
        {
            "version": "3.1",
            "intents": intents,
            "entities": domain["entities"],
            "responses": {f"utter_{name}": [{"text": name}] for name in intents},
            "session_config": {
                "session_expiration_time": 60,
                "carry_over_slots_to_new_session": True,
            },
        },
    )
    rules = [
        {"rule": name, "steps": [{"intent": name}, {"action": f"utter_{name}"}]} for name in intents
    ]
    _write(project / "data" / "rules.yml", {"version": "3.1", "rules": rules})
    stories = [
        {
            "story": f"greeted, then {name}",
            "steps": [
                step
                for said in ("greet", name, "thank")
                for step in ({"intent": said}, {"action": f"utter_{said}"})
            ],
        }
        for name in ("track_parcel", "report_delay", "ask_price")
    ]
    _write(project / "data" / "stories.yml", {"version": "3.1", "stories": stories})
    _write(project / "credentials.yml", {"rest": None})
    _write(project / "endpoints.yml", {})
    return project


def _config(template: Path) -> dict[str, Any]:
    """The configuration that Rasa itself fills in where ``rasa init`` leaves it open, with few
    epochs."""
    config: dict[str, Any] = yaml.safe_load(template.read_text("utf-8"))
    config["assistant_id"] = "stock"
    for part in (*config["pipeline"], *config["policies"]):
        if "epochs" in part:
            part["epochs"] = EPOCHS
    return config


def _model(environment: Path, project: Path, console: Console) -> Path:
    """The model that fits project and data, trained if it is not there."""
    messages = ROOT / "data" / "nlu"
    digest = hashlib.sha256("\n".join(REQUIREMENTS).encode())
    for path in (*sorted(project.rglob("*.yml")), *sorted(messages.rglob("*.yml"))):
        digest.update(path.name.encode() + path.read_bytes())
    name = f"stock-{digest.hexdigest()[:16]}"
    models = FOLDER / "models"
    made = models / f"{name}.tar.gz"
    if made.exists():
        return made
    command = _rasa(environment, project)
    command += ["train", "--out", str(models), "--fixed-model-name", f"part-{name}"]
    command += ["--data", str(project / "data"), str(messages)]
    journal = project / "train.log"
    with console.status("Training stock Rasa (some minutes, once) …"), journal.open("wb") as output:
        training = subprocess.Popen(
            command, env=_variables(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            training.wait()
        finally:
            training.kill()
    part = models / f"part-{name}.tar.gz"
    if training.returncode or not part.exists():
        raise PeerUnavailable(f"Stock Rasa could not be trained; the reason is in {journal}.")
    for old in models.glob("stock-*.tar.gz"):
        old.unlink()
    return part.replace(made)


def _rasa(environment: Path, project: Path) -> list[str]:
    """Its command line, in its own folder: beside our files it would read them."""
    return ["env", "-C", str(project), str(environment / "bin" / "rasa")]


def _variables() -> dict[str, str]:
    """The caller's variables without what would lead it to our modules."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "2"}


def _wait(child: Child, address: str) -> None:
    """Until it understands a message: components load late."""
    deadline = time.monotonic() + READY_SECONDS
    while child.alive and time.monotonic() < deadline:
        try:
            first = {"sender": "nobody", "message": "hello"}
            if httpx.post(
                f"{address}/webhooks/rest/webhook", json=first, timeout=30, trust_env=False
            ).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.3)
    raise PeerUnavailable(f"Stock Rasa did not start; the reason is in {child.journal}.")


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
