"""What the record says of a measurement: the driver's own cost is not in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from bot.settings import Settings
from conversations.models import Inbox, Outbox
from handoff.models import Case
from store.engine import Database


@dataclass(frozen=True, slots=True)
class Recorded:
    """``spans``: seconds from a message received to its last answer in the outbox, by inbox id.
    ``faults``: messages that were not handled, were tried twice, or met a bot that was down."""

    spans: dict[int, float]
    faults: int


def read(settings: Settings) -> Recorded:
    """Everything that this installation has recorded since it was made."""
    database = Database(settings.database)
    try:
        with database.read() as session:
            rows = session.execute(select(Inbox.id, Inbox.received_at))
            received = {row.id: row.received_at for row in rows}
            last: dict[int, datetime] = {}
            for key, at in session.execute(
                select(Outbox.key, Outbox.created_at).where(Outbox.key.like("in:%"))
            ):
                number = int(key.split(":")[1])
                last[number] = max(at, last.get(number, at))
            unhandled = session.scalar(
                select(func.count())
                .select_from(Inbox)
                .where(or_(Inbox.handled_at.is_(None), Inbox.attempts > 1))
            )
            down = session.scalar(
                select(func.count()).select_from(Case).where(Case.reason == "bot_down")
            )
    finally:
        database.dispose()
    spans = {
        number: (at - received[number]).total_seconds()
        for number, at in last.items()
        if number in received
    }
    return Recorded(spans, (unhandled or 0) + (down or 0))
