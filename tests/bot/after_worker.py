"""One process that asks what is due, at noon of today, until nothing is."""

from __future__ import annotations

import sys

from bot.after import AfterLoop
from store import clock
from store.claims import next_due
from store.engine import Database
from store.live import Live
from tests import rooms
from tickets.after.models import Ask


def main(address: str) -> None:
    database = Database(address)
    with clock.frozen(clock.now().replace(hour=4)):  # noon in Shanghai
        loop = AfterLoop(database, Live(database), rooms.build(database).after)
        print("ready", flush=True)
        while True:
            if loop.sweep():
                continue
            with database.read() as session:
                due = next_due(session, Ask)
            if due is None or due > clock.now():
                break
    database.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
