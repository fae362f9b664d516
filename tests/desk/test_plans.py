"""What a page of the desk asks costs the same however much there is."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import case, event, text, update

from bench.tickets_data import fill
from handoff.models import Case
from store import bulk, clock
from store.orders import OrderState
from tests.desk.world import World
from tests.parcels.test_plans import plans
from tickets.after.models import Ask, AskKind
from tickets.compensation.models import Coupon, Grant, GrantState, Kind, Payout
from tickets.models import TicketEvent

MANY, WAITING = 4000, 500
READS_ALL = re.compile(
    r"(?:SCAN|Seq Scan on) (?:tickets|ticket_events|cases|promises|messages|conversations|customers"
    r"|grants|payouts|coupons|asks)\b(?! USING)"
)


def filled(world: World) -> None:
    """Thousands of tickets, each with a sum that was paid, a coupon and a score; few of them are
    to be seen to."""
    database, at = world.database, clock.now()
    fill(database, world.tickets.clocks, MANY)
    numbers = range(1, MANY + 1)
    with database.write() as session:
        version = world.desk.money.compensation.policies.of(session, at)[0]
        bulk.insert_rows(session, Grant, [
            {"id": n, "key": f"g{n}", "about": f"a{n}", "ticket_id": n, "customer_id": n,
             "kind": Kind.DAMAGE, "fen": 100, "lines": [], "policy_id": version, "version": 1,
             "state": GrantState.DONE if n % 1000 else GrantState.WAITING, "granted_at": at,
             "needs_agreement": False} for n in numbers
        ])  # fmt: skip
        bulk.insert_rows(session, Payout, [
            {"public_id": f"p{n}", "grant_id": n, "state": OrderState.ACCEPTED, "placed_at": at,
             "attempts": 0, "attention": n % 1000 == 1} for n in numbers
        ])  # fmt: skip
        bulk.insert_rows(session, Coupon, [
            {"grant_id": n, "customer_id": n, "fingerprint": f"f{n}", "ending": "ABCD", "fen": 100,
             "valid_until": at} for n in numbers
        ])  # fmt: skip
        bulk.insert_rows(session, Ask, [
            {"key": f"s{n}", "kind": AskKind.SCORE, "customer_id": n, "conversation_id": n,
             "ticket_id": n, "team": "first_line", "created_at": at, "asked_at": at,
             "answered_at": at, "score": 1, "attempts": 0, "attention": n % 1000 == 2}
            for n in numbers
        ])  # fmt: skip
        bulk.insert_rows(session, TicketEvent, [
            {"ticket_id": n, "at": at, "actor": "system", "actor_name": "", "what": "opened",
             "details": {}} for n in numbers for _ in range(3)
        ])  # fmt: skip
        session.execute(
            update(Case)
            .where(Case.id > WAITING)
            .values(state=case((Case.id % 100 == 0, "taken"), else_="resolved"), staff_id=1)
        )
    with database.write() as session:
        session.execute(text("ANALYZE"))


def test_no_page_reads_a_whole_table(world: World, at: object) -> None:
    filled(world)
    with world.database.read() as session:
        number = session.execute(text("SELECT number FROM tickets WHERE id = 77")).scalar_one()
    chen = world.signed_in("chen")
    told: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if statement.startswith(("SELECT", "WITH")):
            told.append((statement, values))

    pages = ("/desk", f"/desk/tickets/{number}", "/desk/approvals", "/desk/scores", "/desk/tickets")
    for path in pages:
        told.clear()
        event.listen(world.database.engine, "before_cursor_execute", note)
        answer = chen.get(path)
        event.remove(world.database.engine, "before_cursor_execute", note)
        assert answer.status_code == 200
        assert 0 < len(told) < 60, (path, len(told))
        for plan in plans(world.database, told, by_index=True):
            found = READS_ALL.search(plan)
            assert found is None, f"{path}: {found and found[0]} in {plan[:300]}"
