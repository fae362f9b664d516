"""Bringing a database to the present schema. Models are never created any other way."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from store.engine import Database

_MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["engine"] = database.engine
    return config


def migrate(database: Database) -> None:
    """Run the migrations not yet run; harmless when there is none."""
    command.upgrade(_config(database), "head")


def current(database: Database) -> bool:
    """Whether the schema is that of the newest migration."""
    with database.engine.connect() as connection:
        at = MigrationContext.configure(connection).get_current_revision()
    return at == ScriptDirectory.from_config(_config(database)).get_current_head()
