"""Open tickets by the hundred thousand, with their cases and clocks, written in bulk."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.orm import Session

from conversations.models import Conversation, Customer, Message
from handoff.models import Case
from store import clock, ids
from store.engine import Database
from tickets.models import Ticket, Urgency
from tickets.promises.clocks import Clocks
from tickets.promises.models import Promise

CLOCKS = ("contact", "next_step", "solution")
DAY = timedelta(days=1)
KINDS = ("report_delay", "report_damage", "report_loss", "report_courier_attitude")
TEAMS = ("first_line", "second_line", "regional", "headquarters")
AT_ONCE = 2_000
PACKET = {
    "version": 1, "reason": "ticket", "rule": "problem_reported", "intents": [], "slots": [],
    "urgency": {"colour": "yellow", "rule": "problem_reported"}, "parcel": None, "ticket": None,
    "promises": [], "earlier": [], "transcript": [], "customer": None, "language": "zh",
    "channel": {"name": "web", "buttons": True, "images": True, "max_length": 4000,
                "reply_quota": None, "replies_left": None},
}  # fmt: skip


def fill(database: Database, clocks: Clocks, upto: int) -> None:
    """Make it ``upto`` open tickets, each of a customer of its own, with one message, one open case
    and three clocks that fall due, evenly, within the next day."""
    with database.write() as session:
        clocks.apply(session, ())
        made = session.scalar(select(func.count()).select_from(Ticket)) or 0
        policy_id = session.scalar(text("SELECT MAX(id) FROM policy_versions"))
    for first in range(made, upto, AT_ONCE):
        numbers = range(first + 1, min(first + AT_ONCE, upto) + 1)
        with database.write() as session:
            _write(session, numbers, clock.now(), policy_id)
    with database.write() as session:
        session.execute(text("ANALYZE"))
        if not database.is_sqlite:
            for table in ("customers", "conversations", "messages", "tickets", "cases"):
                last = f"SELECT MAX(id) FROM {table}"
                session.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ({last}))")
                )


def _write(session: Session, numbers: range, at: datetime, policy_id: Any) -> None:
    add = session.connection().execute
    add(insert(_of(Customer)), [
        {"id": n, "channel": "web", "account": "page", "address": f"bench-{n}", "name": None,
         "language": "zh", "created_at": at} for n in numbers
    ])  # fmt: skip
    add(insert(_of(Conversation)), [
        {"id": n, "key": ids.new_key(), "customer_id": n, "holder": "bot", "language": "zh",
         "failures": 0, "anger": 0, "bot_knows": 0, "created_at": at, "last_message_at": at}
        for n in numbers
    ])  # fmt: skip
    add(insert(_of(Message)), [
        {"id": n, "conversation_id": n, "author": "customer", "kind": "text",
         "audience": "everyone", "text": f"快递 {n} 还没到", "payload": {}, "created_at": at}
        for n in numbers
    ])  # fmt: skip
    add(insert(_of(Ticket)), [_ticket(n, at) for n in numbers])
    add(insert(_of(Case)), [
        {"id": n, "conversation_id": n, "ticket_id": n, "state": "waiting", "reason": "ticket",
         "rule": "problem_reported", **_urgency(n), "team": TEAMS[n % 4], "packet": PACKET,
         "queued_at": at, "contact_by": at + DAY} for n in numbers
    ])  # fmt: skip
    add(insert(_of(Promise)), [
        _promise(n, place, at, policy_id) for n in numbers for place in range(len(CLOCKS))
    ])  # fmt: skip


def _ticket(n: int, at: datetime) -> dict[str, Any]:
    return {
        "id": n, "number": f"CS260101-{n:07d}", "version": 1,
        "idempotency_key": f"bench:{n}",
        "kind": KINDS[n % 4], **_urgency(n), "urgency_rule": "problem_reported",
        "state": "received", "team": TEAMS[n % 4], "conversation_id": n, "customer_id": n,
        "waybill_no": f"SF{n:013d}",
        "goods_class": "general", "description": "还没到", "facts": {}, "contacts": 1,
        "created_at": at, "next_due_at": at + DAY * (n % 997) / 997,
    }  # fmt: skip


def _promise(n: int, place: int, at: datetime, policy_id: Any) -> dict[str, Any]:
    """Every other one is warned of already and breaks next."""
    due = at + DAY * ((n * 7919 + place * 3301) % 86_400) / 86_400
    warned = (n + place) % 2 == 0
    return {
        "conversation_id": n, "ticket_id": n, "policy_id": policy_id, "kind": CLOCKS[place],
        "urgency": _urgency(n)["urgency"], "state": "open", "step": 0, "made_at": at,
        "by": due if warned else due + timedelta(hours=1), "warn_at": due,
        "warned_at": at if warned else None, "due_at": due, "attempts": 0, "attention": False,
    }  # fmt: skip


def _urgency(n: int) -> dict[str, Any]:
    colour = list(Urgency)[min(n % 10, 3)]
    return {"urgency": colour, "urgency_rank": colour.rank}


def _of(model: type[Any]) -> Table:
    table: Table = model.__table__
    return table
