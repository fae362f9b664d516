"""One process that sweeps promises until nothing is due, with the company's own policies.

``python -m bench.sweeper <database address>``: prints a line when it is ready, one at its end.
"""

from __future__ import annotations

import sys
from zoneinfo import ZoneInfo

from bot import contract
from bot.promises import AT_ONCE, PromiseLoop
from bot.settings import ROOT
from conversations.schemas import Capabilities
from conversations.texts import Texts
from handoff.overdue import Overdue
from handoff.service import Handoffs
from store import clock
from store.claims import next_due
from store.engine import Database
from store.live import Live
from tickets.promises.clocks import Clocks
from tickets.promises.models import Promise
from tickets.promises.policy import Policies
from tickets.routing import Routing
from tickets.service import Tickets
from tickets.urgency import UrgencyRules

POLICIES = ROOT / "policies"
ZONE = ZoneInfo("Asia/Shanghai")


def rooms(database: Database) -> tuple[Tickets, Handoffs, PromiseLoop]:
    """The rooms that promises need, put together as the service does it."""
    live = Live(database)
    texts = Texts(POLICIES / "texts", ZONE)
    agreed = contract.read(POLICIES / "taxonomy.yml")
    urgency = UrgencyRules.from_file(POLICIES / "urgency.yml", agreed.intents)
    routing = Routing.from_file(POLICIES / "teams.yml", ZONE, agreed.intents, urgency.names)
    clocks = Clocks(Policies(POLICIES, ZONE, agreed.problems))
    tickets = Tickets(urgency, routing, clocks, ZONE)
    handoffs = Handoffs(texts, tickets, lambda _: Capabilities(), live)
    return tickets, handoffs, PromiseLoop(database, live, Overdue(tickets, handoffs, texts, live))


def main(address: str) -> None:
    database = Database(address)
    _, _, loop = rooms(database)
    print("ready", flush=True)
    done = 0
    while True:
        found = loop.sweep()
        done += found
        if found < AT_ONCE:
            with database.read() as session:
                due = next_due(session, Promise)
            if due is None or due > clock.now():
                break
    print(done, flush=True)
    database.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
