"""What a turn no longer pays in Rasa, and that everything else is as it was."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.nlu import compat

compat.prepare()
pytestmark = pytest.mark.anyio
SENDER = "ann"


@pytest.fixture
def rasa_events() -> Any:
    return importlib.import_module("rasa.shared.core.events")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """Rasa's SQL tracker store on a SQLite file."""
    domain = importlib.import_module("rasa.shared.core.domain").Domain.empty()
    made = importlib.import_module("rasa.core.tracker_store").SQLTrackerStore
    return made(domain, dialect="sqlite", db=str(tmp_path / "rasa.db"))


def tracker(events: list[Any]) -> Any:
    """A conversation in which ``events`` happened."""
    made = importlib.import_module("rasa.shared.core.trackers").DialogueStateTracker
    found = made(SENDER, [])
    for event in events:
        found.update(event)
    return found


def told(found: Any) -> list[dict[str, Any]]:
    return [event.as_dict() for event in found.events]


async def test_calls_of_one_endpoint_share_a_connection() -> None:
    connections: set[Any] = set()

    async def answer(request: web.Request) -> web.Response:
        connections.add(request.transport)
        return web.json_response({"events": []})

    app = web.Application()
    app.router.add_post("/actions", answer)
    async with TestServer(app) as server:
        config = importlib.import_module("rasa.utils.endpoints").EndpointConfig
        endpoint = config(url=str(server.make_url("/actions")))
        for _ in range(3):
            assert await endpoint.request(json={}) == {"events": []}
        assert len(connections) == 1
        async with endpoint.session() as session:
            await session.close()
        assert await endpoint.request(json={}) == {"events": []}
        async with endpoint.session() as session:
            await session.close()


async def test_a_stored_conversation_is_read_back_whole(store: Any, rasa_events: Any) -> None:
    parsed = {"intent": {"name": "greet", "confidence": 0.9}, "entities": [], "text": "你好"}
    said = rasa_events.UserUttered("你好", parsed["intent"], [], parsed)
    before = tracker([rasa_events.ActionExecuted("action_listen"), said])
    await store.save(before)
    assert told(await store.retrieve(SENDER)) == told(before)
    with store.session_scope() as session:
        row = session.query(store.SQLEvent).filter_by(type_name="user").one()
        assert (row.sender_id, row.intent_name) == (SENDER, "greet")
        assert row.timestamp == said.timestamp


async def test_only_what_is_new_is_written(store: Any, rasa_events: Any) -> None:
    growing = tracker([rasa_events.SlotSet("waybill_no", "SF1")])
    await store.save(growing)
    await store.save(growing)
    growing.update(rasa_events.SlotSet("waybill_no", "SF2"))
    await store.save(growing)
    with store.session_scope() as session:
        assert session.query(store.SQLEvent).count() == 2


async def test_reading_begins_with_the_latest_session(store: Any, rasa_events: Any) -> None:
    await store.save(
        tracker(
            [
                rasa_events.SessionStarted(timestamp=1.0),
                rasa_events.SlotSet("goods", "old", timestamp=2.0),
                rasa_events.SessionStarted(timestamp=3.0),
                rasa_events.SlotSet("goods", "new", timestamp=4.0),
            ]
        )
    )
    latest = told(await store.retrieve(SENDER))
    assert [event["event"] for event in latest] == ["session_started", "slot"]
    assert latest[1]["value"] == "new"
    assert len(told(await store.retrieve_full_tracker(SENDER))) == 4


async def test_an_unknown_conversation_is_none(store: Any) -> None:
    assert await store.retrieve("nobody") is None


def test_saving_on_sqlite_does_not_wait_for_the_disk(store: Any) -> None:
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 1


class Words:
    """A component of the graph below: what it is asked for is noted."""

    def join(self, **parts: Any) -> str:
        if "bad" in parts.values():
            raise RuntimeError("told to")
        return "-".join(str(parts[name]) for name in sorted(parts))


@pytest.fixture
def runner() -> Any:
    """Rasa's runner over a small graph: two ends that share a middle, and one not asked for."""
    graph = importlib.import_module("rasa.engine.graph")
    needs = {
        "all": {"a": "left", "b": "right", "c": "__tracker__"},
        "right": {"b": "middle"},
        "left": {"a": "middle", "b": "__message__"},
        "middle": {"a": "__tracker__"},
        "idle": {"a": "unknown"},
    }
    nodes = {
        name: graph.SchemaNode(needs=inputs, uses=Words, fn="join", constructor_name="", config={})
        for name, inputs in needs.items()
    }
    made = importlib.import_module("rasa.engine.runner.dask").DaskGraphRunner
    found = made.__new__(made)
    found._graph_schema = graph.GraphSchema(nodes)
    found._execution_context = None
    found._instantiated_nodes = {
        name: lambda *given, name=name: (name, Words().join(**dict(given))) for name in nodes
    }
    return found


def test_a_message_runs_through_the_graph_in_order_without_dask(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"__tracker__": "t", "__message__": "m"}
    targets = ["all", "right"]
    dask = importlib.import_module("dask")
    graph = runner._build_dask_graph(runner._graph_schema.minimal_graph_schema(targets))
    runner._add_inputs_to_graph(inputs, graph)
    expected = dict(dask.get(graph, targets))
    monkeypatch.delattr(dask, "get")
    for _ in range(2):
        assert runner.run(inputs, targets) == expected
    assert set(expected) == {"all", "right"}
    error = importlib.import_module("rasa.engine.exceptions").GraphRunError
    with pytest.raises(error):
        runner.run({"__tracker__": "bad", "__message__": "m"}, targets)


def test_whether_a_domain_is_empty_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = importlib.import_module("rasa.shared.core.domain").Domain
    empty, full = domain.empty(), domain.from_dict({"intents": ["greet"]})
    assert (empty.is_empty(), full.is_empty()) == (True, False)
    monkeypatch.delattr(domain, "as_dict")
    assert (empty.is_empty(), full.is_empty()) == (True, False)
