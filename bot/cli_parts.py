"""What the commands share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from bot import settings as configuration
from store.engine import Database


def parser_for(name: str, purpose: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"./courier {name}", description=purpose)


@contextmanager
def database_in_use() -> Iterator[Database]:
    """The configured database at the present schema."""
    from store import schema

    database = Database(configuration.load().database)
    schema.migrate(database)
    try:
        yield database
    finally:
        database.dispose()
