"""Other systems hear of tickets: an event becomes a row for each system that wants it, in the
transaction that wrote it. ``bot/webhooks.py`` delivers them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from store import clock, ids
from store.errors import NotFound
from store.live import Live
from tickets.models import Ticket, TicketEvent, WebhookDelivery
from tickets.schemas import EventOut, TicketOut, Webhook

TOPIC = "webhooks"


class Webhooks:
    """``queue`` hangs on ``Events.after_event``. ``systems``: who wants which events."""

    def __init__(self, systems: Mapping[str, Collection[str]], live: Live) -> None:
        self._systems = systems
        self._live = live

    def queue(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        wanting = [name for name, events in self._systems.items() if event.what in events]
        if not wanting:
            return
        body = Webhook(
            type=f"ticket.{event.what}",
            timestamp=event.at,
            ticket=TicketOut.model_validate(ticket),
            event=EventOut.model_validate(event),
        ).model_dump_json()
        at = clock.now()
        session.add_all(
            WebhookDelivery(
                public_id=ids.new_key(), system=name, event_id=event.id, body=body,
                created_at=at, due_at=at, attempts=0,
            )
            for name in wanting
        )  # fmt: skip
        session.flush()
        self._live.after_commit(session, TOPIC)


def dead(session: Session, limit: int = 100) -> Sequence[WebhookDelivery]:
    """What was given up, newest first."""
    return session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.due_at.is_(None), WebhookDelivery.delivered_at.is_(None))
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
    ).all()


def again(session: Session, public_id: str) -> None:
    """Send a dead letter once more; NotFound for what is none."""
    row = session.scalar(select(WebhookDelivery).where(WebhookDelivery.public_id == public_id))
    if row is None or row.due_at is not None or row.delivered_at is not None:
        raise NotFound(f"no dead letter {public_id[:24]}")
    row.due_at, row.attempts, row.last_error = clock.now(), 0, None
