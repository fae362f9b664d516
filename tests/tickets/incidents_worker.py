"""A process that looks for rises and tells customers until nothing is due: for tests to kill."""

from __future__ import annotations

import sys

from store.claims import next_due
from store.engine import Database
from tests.tickets.incidents_house import House
from tickets.incidents.models import IncidentTicket


def main(address: str) -> None:
    house = House(Database(address))
    print("ready", flush=True)
    while True:
        house.loop.sweep()
        with house.database.read() as session:
            if next_due(session, IncidentTicket) is None:
                break


if __name__ == "__main__":
    main(sys.argv[1])
