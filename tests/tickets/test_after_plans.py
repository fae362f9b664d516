"""What a message costs stays the same however much customers were asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import event, insert, text

from conversations.models import Conversation, Message
from store import clock
from store.claims import claim
from store.engine import Database
from tests import rooms
from tests.parcels.test_plans import plans
from tickets.after import repository
from tickets.after.models import Ask, AskKind

READS_ALL = {"sqlite": "SCAN asks", "postgresql": "Seq Scan on asks"}


def test_nothing_reads_all_that_was_asked(database: Database, at: object) -> None:
    with database.write() as session:
        talk = rooms.said(session, "碎了")
        rows = [
            {
                "key": f"k{n}", "kind": AskKind.SCORE, "customer_id": talk.customer_id,
                "conversation_id": talk.id, "team": "first_line", "created_at": clock.now(),
                "asked_at": clock.now() - timedelta(hours=n), "attempts": 0, "attention": False,
            }
            for n in range(4000)
        ]  # fmt: skip
        session.execute(insert(Ask), rows)
        if not database.is_sqlite:
            session.execute(text("ANALYZE"))
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        asked.append((statement, values))

    with database.write() as session:
        event.listen(database.engine, "before_cursor_execute", note)
        repository.asked(session, 77, clock.now() - timedelta(days=30))
        repository.of_ticket(session, 77)
        repository.after_ticket(session, 77)
        repository.in_conversation(session, 77)
        repository.count_low(session)
        repository.by_key(session, "k7")
        claim(session, Ask, 10, timedelta(seconds=60))
        event.remove(database.engine, "before_cursor_execute", note)
        assert session.query(Conversation).count() == session.query(Message).count() == 1
    statements = [each for each in asked if " asks" in each[0]]
    assert len(statements) == 7
    for plan in plans(database, statements):
        # That index holds nothing but what waits for a supervisor.
        rest = plan.replace("SCAN asks USING INDEX ix_asks_attention", "")
        assert READS_ALL[database.engine.dialect.name] not in rest, plan
