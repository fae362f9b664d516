"""Photos, voice and files a customer sends beside his words are evidence of what he complains of.

Inside the caller's transaction. The bytes are stored, sniffed and capped by ``conversations``.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from tickets import repository
from tickets.events import CUSTOMER
from tickets.lifecycle import Lifecycle
from tickets.models import Ticket, TicketFile, What


def gather(
    session: Session, lifecycle: Lifecycle, conversation_id: int, ticket: Ticket | None = None
) -> Ticket | None:
    """Put what came in this conversation and belongs to no ticket yet beside its open one, or
    beside the one it was sent for."""
    ticket = ticket or repository.open_about(session, conversation_id)
    if ticket is None:
        return None
    repository.hold(session, ticket)
    fresh = repository.loose_files(session, conversation_id)
    if not fresh:
        return None
    session.add_all(TicketFile(ticket_id=ticket.id, attachment_id=file) for file in fresh)
    lifecycle.heard(session, ticket, CUSTOMER)
    lifecycle.events.log(
        session, ticket, What.EVIDENCE, CUSTOMER,
        conversation_id=conversation_id, details={"files": len(fresh)},
    )  # fmt: skip
    return ticket
