"""The bench of turns as a person runs it, on the real product."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    homes = set(Path(tempfile.gettempdir()).glob("courier-bench-*"))
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "bot.cli", "bench", "turn", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    # Under 50 s on a machine that does nothing else; tests may share it.
    assert time.monotonic() - began < 150
    found = json.loads(ended.stdout)
    for name in ("turn_1_p50", "turn_8_p95", "parse_p50", "service_unique", "rasa_resident"):
        assert found[name]["value"] > 0, name
    assert found["turns_failed"] == {"value": 0, "unit": "turns", "target": 0, "ok": True}
    assert found["turn_1_p50"]["value"] <= found["turn_1_seen_p50"]["value"]
    left = set(Path(tempfile.gettempdir()).glob("courier-bench-*")) - homes
    assert not left
    assert not _running_in_a_bench_home(homes)


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
