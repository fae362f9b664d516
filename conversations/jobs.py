"""What is done beside the messages, now and then."""

from __future__ import annotations

from collections.abc import Sequence

from conversations import repository
from conversations.files import Files
from store.engine import Database

AT_ONCE = 500


def sweep_files(database: Database, files: Files) -> None:
    """Remove files that nobody needs: uploads that were never sent, rests of killed writers."""

    def named(hashes: Sequence[str]) -> set[str]:
        found: set[str] = set()
        with database.read() as session:
            for first in range(0, len(hashes), AT_ONCE):
                found |= repository.files_named(session, hashes[first : first + AT_ONCE])
        return found

    files.sweep(named)
