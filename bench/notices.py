"""What a bench needs of notices: subscribers in any number, and when each scan was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from conversations.models import Conversation, Customer, Outbox
from parcels.models import Scan
from parcels.notice_models import Notice, NoticeWish
from store import clock, ids
from store.engine import Database


@dataclass(frozen=True, slots=True)
class Told:
    """A scan (None: an incident) that became a message: ``at`` is when its outbox row was written,
    by the same clock as ``clock.now()`` before the POST. Notices are numbered in the order in which
    they fell due."""

    event_id: str | None
    at: datetime
    customer_id: int
    notice_id: int
    outbox_id: int


def subscribe(database: Database, waybill_nos: Sequence[str], channel: str = "web") -> None:
    """A customer with a conversation for each parcel, who is told of it."""
    at = clock.now()
    with database.write() as session:
        customers = session.scalars(
            insert(Customer).returning(Customer.id, sort_by_parameter_order=True),
            [
                {"channel": channel, "account": "bench", "address": number, "created_at": at}
                for number in waybill_nos
            ],
        ).all()
        session.execute(
            insert(Conversation),
            [
                {"key": ids.new_key(), "customer_id": c, "created_at": at, "last_message_at": at}
                for c in customers
            ],
        )
        session.execute(
            insert(NoticeWish),
            [
                {"customer_id": customer, "waybill_no": number, "wanted": True, "at": at}
                for customer, number in zip(customers, waybill_nos, strict=True)
            ],
        )


def told(database: Database) -> list[Told]:
    """All that was told, in the order in which the messages were written. A scan told to two
    customers is there twice, so that one told twice to the same shows."""
    with database.read() as session:
        rows = session.execute(
            select(Scan.event_id, Outbox.created_at, Notice.customer_id, Notice.id, Outbox.id)
            .select_from(Notice)
            .join(Outbox, Outbox.message_id == Notice.message_id)
            .outerjoin(Scan, Scan.id == Notice.scan_id)
            .order_by(Outbox.id)
        )
        return [Told(*row) for row in rows]
