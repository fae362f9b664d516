"""Tickets that belong together: merged into one, or only linked. A split is ``Tickets.split``.

Inside the caller's transaction; both tickets are held until its end, the older one first.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from store import clock
from store.errors import Forbidden, Invalid, OutOfOrder
from tickets import repository
from tickets.events import Actor
from tickets.lifecycle import Change, Lifecycle
from tickets.models import (
    FINISHED,
    ActorKind,
    LinkKind,
    Ticket,
    TicketFile,
    TicketLink,
    TicketState,
    What,
)


def merge(
    session: Session,
    lifecycle: Lifecycle,
    ticket: Ticket,
    into: Ticket,
    actor: Actor,
    *,
    version: int | None = None,
) -> Ticket:
    """``ticket`` is cancelled and goes on in ``into``, which is returned: with its contacts, its
    evidence, what it knew, and its urgency if that is higher.

    Invalid unless both are of one customer or one parcel: nobody hears of another's matter.
    Besides all that a cancellation raises.
    """
    _hold(session, ticket, into)
    if ticket.customer_id != into.customer_id and ticket.waybill_no != into.waybill_no:
        raise Invalid("tickets of different customers and parcels")
    lifecycle.admit(session, ticket, Change.CANCEL, actor, version)
    if into.state in FINISHED:
        raise OutOfOrder(f"{into.number} is {into.state}", number=into.number)
    before = ticket.state
    ticket.state, ticket.closed_at = TicketState.CANCELLED, clock.now()
    ticket.waiting_for = ticket.waiting_until = ticket.waiting_why = None
    session.flush()  # only then may the other have its number
    into.contacts += ticket.contacts
    into.facts = ticket.facts | into.facts
    into.goods = into.goods or ticket.goods
    into.waybill_no = into.waybill_no or ticket.waybill_no
    if ticket.urgency_rank < into.urgency_rank:
        into.urgency, into.urgency_rank = ticket.urgency, ticket.urgency_rank
        into.urgency_rule = ticket.urgency_rule
    known = set(repository.file_ids(session, into.id))
    for file in set(repository.file_ids(session, ticket.id)) - known:
        session.add(TicketFile(ticket_id=into.id, attachment_id=file))
    _relate(session, ticket, into, LinkKind.MERGED)
    lifecycle.events.log(
        session, ticket, What.MERGED, actor,
        details={"from": before, "to": ticket.state, "into": into.number},
    )  # fmt: skip
    lifecycle.events.log(
        session, into, What.MERGED, actor, ticket.description, details={"other": ticket.number}
    )
    return into


def link(
    session: Session, lifecycle: Lifecycle, ticket: Ticket, other: Ticket, actor: Actor
) -> None:
    """Note that two tickets have to do with each other; a repeat changes nothing."""
    if actor.kind not in {ActorKind.STAFF, ActorKind.SYSTEM}:
        raise Forbidden(f"{actor.kind} may not link")
    _hold(session, ticket, other)
    if other.id in {other_of(found, ticket) for found in repository.links(session, ticket.id)}:
        return
    relate(session, lifecycle, ticket, other, actor, LinkKind.RELATED)


def relate(
    session: Session,
    lifecycle: Lifecycle,
    ticket: Ticket,
    other: Ticket,
    actor: Actor,
    kind: LinkKind,
) -> None:
    """Write the link and say so in both; ``ticket`` is what ``kind`` says to ``other``."""
    _relate(session, ticket, other, kind)
    what = What.SPLIT if kind == LinkKind.SPLIT else What.LINKED
    lifecycle.events.log(session, ticket, what, actor, details={"other": other.number})
    lifecycle.events.log(session, other, what, actor, details={"other": ticket.number})


def other_of(link: TicketLink, ticket: Ticket) -> int:
    """The ticket at the other end."""
    return link.other_id if link.ticket_id == ticket.id else link.ticket_id


def _relate(session: Session, ticket: Ticket, other: Ticket, kind: LinkKind) -> None:
    session.add(TicketLink(ticket_id=ticket.id, other_id=other.id, kind=kind))
    session.flush()


def _hold(session: Session, one: Ticket, other: Ticket) -> None:
    """Always in the same order: two who do this at once wait for each other, and do not lock up."""
    if one.id == other.id:
        raise Invalid("a ticket and itself")
    for ticket in sorted((one, other), key=lambda each: each.id):
        repository.hold(session, ticket)
