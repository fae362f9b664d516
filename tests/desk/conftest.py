"""The desk's own fixture: a fresh database of the present schema with three people."""

from __future__ import annotations

import pytest

from store.engine import Database
from tests.desk.world import World, build, people


@pytest.fixture
def world(database: Database) -> World:
    people(database)
    return build(database)
