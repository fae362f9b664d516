"""The benches as a person runs them, on the real product."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot import model, settings
from bot.settings import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def trained() -> None:
    """The bench reuses the installation's model; training is not what is timed here."""
    installation = settings.load()
    if model.fitting(installation) is None:
        model.train(installation)


def test_a_quick_run_measures_everything_and_leaves_nothing() -> None:
    found = quick("turn")
    for name in ("turn_1_p50", "turn_8_p95", "parse_p50", "service_unique", "rasa_resident"):
        assert found[name]["value"] > 0, name
    assert found["turns_failed"] == {"value": 0, "unit": "turns", "target": 0, "ok": True}
    assert found["turn_1_p50"]["value"] <= found["turn_1_seen_p50"]["value"]


def test_three_channels_lose_nothing_and_say_nothing_twice_though_the_service_is_killed() -> None:
    found = quick("channels")
    assert found["messages_in"]["value"] > 60
    for name in ("not_recorded_or_twice", "out_of_order", "shown_twice"):
        assert found[name]["ok"], found
    for channel in ("telegram", "web", "wechat"):
        assert found[f"{channel}_ack_p95"]["value"] > 0
    assert found["delivered_again"]["value"] > 0


def test_clocks_fire_once_though_processes_are_killed_and_pages_open() -> None:
    found = quick("tickets")
    for name in ("sqlite_2_not_once", "postgresql_4_not_once"):
        assert found[name] == {"value": 0, "unit": "promises", "target": 0, "ok": True}
    for engine in ("sqlite", "postgresql"):
        assert found[f"{engine}_due_a_minute"]["value"] > 0
        assert found[f"{engine}_queue_p95_5000"]["value"] > 0


def quick(name: str) -> dict[str, Any]:
    """The figures of a quick run that left nothing behind."""
    homes = set(Path(tempfile.gettempdir()).glob("courier-bench-*"))
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "bot.cli", "bench", name, "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    # Under 50 s on a machine that does nothing else; tests may share it.
    assert time.monotonic() - began < 150
    left = set(Path(tempfile.gettempdir()).glob("courier-bench-*")) - homes
    assert not left
    assert not _running_in_a_bench_home(homes)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _running_in_a_bench_home(others: set[Path]) -> list[int]:
    """Processes whose installation is a bench's own folder, but for those that ran before."""
    found = []
    for process in psutil.process_iter():
        try:
            home = process.environ().get("COURIER_HOME", "")
        except psutil.Error:
            continue
        if "courier-bench-" in home and Path(home) not in others:
            found.append(process.pid)
    return found
