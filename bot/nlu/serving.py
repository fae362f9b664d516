"""Changes to Rasa 3.6.21's own code that only concern a running server: what a turn costs.

Nothing here touches training, so a model stays fitting when this module changes (bot/model.py).
tests/rasa/test_serving.py holds each to what it promises.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from types import ModuleType
from typing import Any

_TRACKER = "__tracker__"  # rasa.engine.constants.PLACEHOLDER_TRACKER


class _Kept:
    """Lends a client session to ``async with`` without closing it at the end."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def __aenter__(self) -> Any:
        return self._session

    async def __aexit__(self, *_: object) -> None:
        return None


def keep_connections(module: ModuleType) -> None:
    """Each call of a custom action opened a client session and a TCP connection, and closed both.

    An endpoint keeps one session for the loop it runs in. The service keeps idle connections longer
    (30 s) than aiohttp does (15 s), so none is used that the other side is about to close.
    """
    config = module.EndpointConfig
    make = config.session

    def session(self: Any) -> _Kept:
        loop = asyncio.get_running_loop()
        known = self.__dict__.get("_courier_session")
        if known is None or known[0] is not loop or known[1].closed:
            known = self.__dict__["_courier_session"] = (loop, make(self))
        return _Kept(known[1])

    config.session = session


def run_in_order(module: ModuleType) -> None:
    """dask planned every message's graph anew and ran its few nodes through queues and a pool: 5 %
    of a parse.

    For a message or a tracker the nodes run one after another, in dask's own order, found once for
    each set of targets. Training, where dask lets go of what no later node needs, is left to it.
    """
    runner = module.DaskGraphRunner
    run_by_dask = runner.run

    def run(self: Any, inputs: Any = None, targets: Any = None) -> dict[str, Any]:
        if not inputs or _TRACKER not in inputs:
            planned: dict[str, Any] = run_by_dask(self, inputs, targets)
            return planned
        wanted = tuple(targets or self._graph_schema.target_names)
        orders = self.__dict__.setdefault("_courier_orders", {})
        if wanted not in orders:
            graph = self._build_dask_graph(self._graph_schema.minimal_graph_schema(list(wanted)))
            orders[wanted] = [(name, *graph[name]) for name in module.dask.core.toposort(graph)]
        done: dict[str, Any] = {}
        self._add_inputs_to_graph(inputs, done)
        try:
            for name, node, *needs in orders[wanted]:
                done[name] = node(*(done.get(need, need) for need in needs))
        except RuntimeError as error:
            raise module.GraphRunError("Error running runner.") from error
        return dict(done[name] for name in wanted)

    runner.run = run


def remember_emptiness(module: ModuleType) -> None:
    """After every parse Rasa asks whether the domain is empty, and builds an empty one and two
    dictionaries to tell: 2 % of a parse. A domain does not change once it is made.
    """
    domain = module.Domain
    look = domain.is_empty

    def is_empty(self: Any) -> bool:
        known = self.__dict__.get("_courier_empty")
        if known is None:
            known = self.__dict__["_courier_empty"] = look(self)
        return bool(known)

    domain.is_empty = is_empty


def lighten_tracker_store(module: ModuleType) -> None:
    """A third of Rasa's time in a turn was its SQL tracker store.

    On SQLite each save waited for the disk twice: write-ahead log and ``synchronous=NORMAL`` as in
    store/engine.py, which survive a killed process. Events were read and written as mapped objects,
    and counted through a subquery of whole rows: plain statements on the same table do the same.
    """
    import sqlalchemy as sa

    store = module.SQLTrackerStore
    events = store.SQLEvent.__table__
    started = module.SessionStarted.type_name
    opened = (
        sa.select(sa.func.max(events.c.timestamp))
        .where(events.c.sender_id == sa.bindparam("sender"), events.c.type_name == started)
        .scalar_subquery()
    )
    whole = events.c.sender_id == sa.bindparam("sender")
    latest = sa.and_(whole, events.c.timestamp >= sa.func.coalesce(opened, 0))
    read = {
        True: sa.select(events.c.data).where(whole).order_by(events.c.id),
        False: sa.select(events.c.data).where(latest).order_by(events.c.id),
    }
    count = sa.select(sa.func.count()).select_from(events).where(latest)
    build = store.__init__

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        build(self, *arguments, **options)
        url = self.engine.url
        if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            # The connection that made the tables was opened before.
            self.engine.dispose()

    async def retrieve(self: Any, sender_id: str, fetch_events_from_all_sessions: bool) -> Any:
        with self.session_scope() as session:
            statement = read[fetch_events_from_all_sessions]
            rows = session.execute(statement, {"sender": sender_id}).scalars().all()
        if not self.domain or not rows:
            return None
        told = [json.loads(data) for data in rows]
        return module.DialogueStateTracker.from_dict(sender_id, told, self.domain.slots)

    async def save(self: Any, tracker: Any) -> None:
        await self.stream_events(tracker)
        sender = tracker.sender_id
        with self.session_scope() as session:
            stored = session.execute(count, {"sender": sender}).scalar_one()
            new = itertools.islice(tracker.events, stored, len(tracker.events))
            rows = [_row(sender, event) for event in new]
            if rows:
                session.execute(events.insert(), rows)
            session.commit()

    store.__init__ = init
    store._retrieve = retrieve
    store.save = save


def _row(sender: str, event: Any) -> dict[str, Any]:
    """An event as Rasa stores it."""
    told = event.as_dict()
    return {
        "sender_id": sender,
        "type_name": event.type_name,
        "timestamp": told.get("timestamp"),
        "intent_name": told.get("parse_data", {}).get("intent", {}).get("name"),
        "action_name": told.get("name"),
        "data": json.dumps(told),
    }


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
