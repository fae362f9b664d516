"""Commands on tickets: what is open, one of them whole, and what other systems never heard."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from bot import settings as configuration
from bot.cli_parts import database_in_use, parser_for

if TYPE_CHECKING:
    from tickets.models import Ticket
    from tickets.schemas import TicketOut, WholeOut


def tickets(arguments: list[str]) -> int:
    from store.errors import NotFound
    from tickets import listing, repository
    from tickets.models import TicketState, Urgency
    from tickets.service import canonical_number

    parser = parser_for("tickets", "list tickets, or show one")
    parser.add_argument("number", nargs="?", help="show this one with all that happened to it")
    parser.add_argument("--state", choices=list(TicketState), help="default: all open ones")
    parser.add_argument("--urgency", choices=list(Urgency))
    parser.add_argument("--team")
    parser.add_argument("--waybill")
    parser.add_argument("--overdue", action="store_true")
    parser.add_argument("--incident", type=int, metavar="ID", help="those that have this cause")
    parser.add_argument("--after", metavar="NUMBER", help="the page behind this ticket")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args(arguments)

    with database_in_use() as database, database.read() as session:

        def find(typed: str) -> Ticket:
            found = repository.by_number(session, canonical_number(typed) or "")
            if found is None:
                raise NotFound(f"There is no ticket {typed}.")
            return found

        if options.number:
            shown = listing.whole(session, find(options.number))
            print(shown.model_dump_json() if options.json else _whole(shown))
            return 0
        wanted = listing.Wanted(
            state=options.state and TicketState(options.state),
            urgency=options.urgency and Urgency(options.urgency),
            team=options.team,
            waybill_no=options.waybill,
            overdue=options.overdue,
            incident_id=options.incident,
        )
        last = find(options.after) if options.after else None
        found = listing.listed(session, wanted, after=last, limit=max(1, min(options.limit, 1000)))
        for row in listing.shown(session, found):
            print(row.model_dump_json() if options.json else _line(row))
    return 0


def webhooks(arguments: list[str]) -> int:
    from tickets import webhooks as letters

    parser = parser_for("webhooks", "events that other systems never took")
    parser.add_argument("again", nargs="*", metavar="ID", help="send these once more")
    options = parser.parse_args(arguments)
    with database_in_use() as database, database.write() as session:
        for public_id in options.again:
            letters.again(session, public_id)
        for row in letters.dead(session):
            kind = json.loads(row.body)["type"]
            print(f"{row.public_id}\t{row.system}\t{kind}\t{row.attempts}\t{row.last_error}")
    return 0


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(configuration.load().zone):%Y-%m-%d %H:%M}"


def _line(row: TicketOut) -> str:
    waits = f" (waits for {row.waiting_for})" if row.waiting_for else ""
    incident = f"incident {row.incident_id}" if row.incident_id else ""
    return "  ".join(
        (
            f"{row.number:<14}",
            f"{row.urgency:<6}",
            f"{row.state + waits:<30}",
            f"{f'{row.team} ({row.team_rule})':<32}",
            f"{row.kind:<24}",
            f"{row.waybill_no or '-':<20}",
            _at(row.created_at),
            incident,
        )
    ).rstrip()


def _whole(shown: WholeOut) -> str:
    lines = [_line(shown), "", shown.description, ""]
    for event in shown.events:
        who = event.actor_name or event.actor
        lines.append(f"{_at(event.at)}  {event.what:<12} {who:<14} {event.why or ''}".rstrip())
    return "\n".join(lines)


COMMANDS = {"tickets": tickets, "webhooks": webhooks}
