"""Wake-ups: "something changed under this topic". They carry no data and may be lost.

Whoever wakes reads the database; loops also sweep every few seconds. Inside one process an event
wakes; between processes PostgreSQL's NOTIFY does. Topics: ``inbox``, ``outbox``, ``queue``,
``files``, ``notices``, ``wecom``, ``conversation:<id>``, ``visitor:<address>``;
``typing:<conversation id>`` says all by itself: an agent is writing at this moment.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from store.engine import Database

CHANNEL = "courier_live"


class Live:
    """Topics and who listens to them, for one process. Thread safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = (
            defaultdict(set)
        )
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen to the other processes (PostgreSQL only)."""
        if not self._database.is_sqlite:
            self._thread = threading.Thread(target=self._listen, name="live", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def after_commit(self, session: Session, *topics: str) -> None:
        """Wake ``topics`` when (and only if) the session's transaction is committed."""
        pending: dict[str, None] = session.info.setdefault("wake", {})
        if not pending:
            event.listen(session, "after_commit", self._committed, once=True)
            if not self._database.is_sqlite:
                event.listen(session, "before_commit", _notify, once=True)
        pending.update(dict.fromkeys(topics))

    def _committed(self, session: Session) -> None:
        for topic in session.info.pop("wake", ()):
            self.wake(topic)

    def wake(self, topic: str) -> None:
        """Wake this process's listeners of ``topic``."""
        with self._lock:
            listeners = list(self._listeners.get(topic, ()))
        for loop, flag in listeners:
            loop.call_soon_threadsafe(flag.set)

    @contextmanager
    def listen(self, *topics: str) -> Iterator[asyncio.Event]:
        """An event set by each wake-up of one of ``topics``; the listener clears it."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            for topic in topics:
                self._listeners[topic].add(entry)
        try:
            yield entry[1]
        finally:
            with self._lock:
                for topic in topics:
                    self._listeners[topic].discard(entry)
                    if not self._listeners[topic]:
                        del self._listeners[topic]

    def _listen(self) -> None:
        address = self._database.engine.url.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
        while not self._stop.is_set():
            try:
                with psycopg.connect(address, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._stop.is_set():
                        for notice in connection.notifies(timeout=2):
                            self.wake(notice.payload)
            except psycopg.OperationalError:
                self._stop.wait(2)


_NOTIFY = text("SELECT pg_notify(:channel, topic) FROM unnest(CAST(:topics AS text[])) topic")


def _notify(session: Session) -> None:
    """Tell the other processes of all topics in one statement."""
    session.execute(_NOTIFY, {"channel": CHANNEL, "topics": list(session.info["wake"])})
