"""What happens to tickets is written here and nowhere else, and told to whoever hangs on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy.orm import Session

from store import clock
from tickets.models import ActorKind, Ticket, TicketEvent, What


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. ``id`` is the member of staff's, the API key's or the customer's;
    ``name`` is how events call him."""

    kind: ActorKind
    id: int | None = None
    name: str | None = None
    supervisor: bool = False


SYSTEM = Actor(ActorKind.SYSTEM)
CUSTOMER = Actor(ActorKind.CUSTOMER)

Hook = Callable[[Session, Ticket, TicketEvent], None]
"""Called within the transaction, after the event and the change it tells of are written."""


class Events:
    """The one place where an event is appended. Hooks are called in order after each."""

    def __init__(self, *hooks: Hook) -> None:
        self._hooks = list(hooks)

    def after_event(self, hook: Hook) -> None:
        """Register ``hook(session, ticket, event)``: done where the rooms are put together."""
        self._hooks.append(hook)

    def log(
        self,
        session: Session,
        ticket: Ticket,
        what: What,
        actor: Actor,
        why: str | None = None,
        *,
        key: str | None = None,
        conversation_id: int | None = None,
        details: Mapping[str, object] = MappingProxyType({}),
    ) -> TicketEvent:
        """Append an event together with what was changed of ``ticket``."""
        event = TicketEvent(
            ticket_id=ticket.id,
            key=key,
            at=clock.now(),
            actor=actor.kind,
            actor_name=actor.name,
            staff_id=actor.id if actor.kind == ActorKind.STAFF else None,
            api_key_id=actor.id if actor.kind == ActorKind.API else None,
            what=what,
            why=why,
            details=dict(details),
            conversation_id=conversation_id,
        )
        session.add(event)
        session.flush()
        for hook in self._hooks:
            hook(session, ticket, event)
        return event
