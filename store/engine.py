"""The database: one engine a process, one transaction a request, job or action."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker


class Database:
    """An address (``sqlite:///…`` or ``postgresql+psycopg://…``) and how to work in it.

    ``write()`` opens a transaction that is committed at the end of the block and rolled back on
    any exception. On SQLite it takes the write lock at its start, so that a read followed by a
    write cannot fail half way with "database is locked". ``read()`` never blocks a writer, and
    all its queries see one moment: a view put together from several does not contradict itself.
    """

    def __init__(self, address: str) -> None:
        url = make_url(address)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        self.is_sqlite = url.get_backend_name() == "sqlite"
        # Errors are logged with their statement; what customers said and are called stays out.
        options: dict[str, Any] = {"pool_pre_ping": not self.is_sqlite, "hide_parameters": True}
        if self.is_sqlite:
            options["connect_args"] = {"timeout": 15, "check_same_thread": False}
        else:
            options |= {"pool_size": 8, "max_overflow": 8}
        self.engine: Engine = create_engine(url, **options)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        looking = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._looks = sessionmaker(self.engine.execution_options(**looking), expire_on_commit=False)
        # SQLite has one writer. Threads of one process queue here instead of polling the file lock
        # with growing sleeps.
        self._writing = _Queue() if self.is_sqlite else nullcontext()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that changes something."""
        with self._writing, self._sessions() as session:
            if self.is_sqlite:
                session.connection(execution_options={"courier_write": True})
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only looks, at one moment; rolled back at the end."""
        with self._looks() as session:
            yield session

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


class _Queue:
    """A lock that is handed over in the order of asking. A plain one goes to whoever is quickest:
    a thread that stores a batch part by part would take it again before others have woken up."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver must not open transactions of its own: _begin_sqlite decides the kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        # NORMAL survives kill -9 of any process; only a power cut can lose the last commits.
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "cache_size=-16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("courier_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
