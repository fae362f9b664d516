"""The desk's own fixtures: a fresh database built by the migrations, three people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import schema
from store.engine import Database
from tests.desk.world import World, build


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'desk.db'}")
    schema.migrate(database)
    yield build(database)
    database.dispose()
