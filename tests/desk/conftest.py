"""The desk's own fixtures: a fresh database built by the migrations, three people."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import schema
from store.engine import Database
from tests.desk.world import World, build, people


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of three people. Passwords are slow to hash: once is enough."""
    path = tmp_path_factory.mktemp("desk") / "template.db"
    database = Database(f"sqlite:///{path}")
    schema.migrate(database)
    people(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture
def world(template: Path, tmp_path: Path) -> Iterator[World]:
    path = shutil.copy(template, tmp_path / "desk.db")
    database = Database(f"sqlite:///{path}")
    yield build(database)
    database.dispose()
