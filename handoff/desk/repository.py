"""Queries that only the desk's pages need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from conversations.models import Author, Conversation, Customer, Kind, Message
from handoff.models import Case, ParcelLook
from handoff.repository import OPEN
from parcels import road_repository
from tickets.after.models import Ask
from tickets.incidents.models import Proposal, ProposalState, TicketPlace
from tickets.models import Ticket
from tickets.promises.models import Promise


def last_replies(session: Session, conversation_ids: Collection[int]) -> dict[int, int]:
    """The id of the last message an agent sent to the customer, by conversation."""
    if not conversation_ids:
        return {}
    rows = session.execute(
        select(Message.conversation_id, func.max(Message.id))
        .where(
            Message.conversation_id.in_(conversation_ids),
            Message.author == Author.AGENT,
            Message.kind != Kind.NOTE,
        )
        .group_by(Message.conversation_id)
    )
    return {row[0]: row[1] for row in rows}


def cases_of(session: Session, conversation_id: int) -> Sequence[Case]:
    """Every handoff of a conversation, newest first."""
    return session.scalars(
        select(Case).where(Case.conversation_id == conversation_id).order_by(Case.id.desc())
    ).all()


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken promise with what it was about; ``case_id`` where people have the conversation."""

    promise: Promise
    conversation: Conversation
    customer: Customer
    ticket: Ticket | None
    case_id: int | None


def broken_promises(
    session: Session, *, before: int | None = None, limit: int = 40
) -> Sequence[Broken]:
    """Those that no supervisor has seen, newest first."""
    query = (
        select(Promise, Conversation, Customer, Ticket, Case.id)
        .join(Conversation, Conversation.id == Promise.conversation_id)
        .join(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(Ticket, Ticket.id == Promise.ticket_id)
        .outerjoin(Case, (Case.conversation_id == Conversation.id) & Case.state.in_(OPEN))
        .where(Promise.attention)
    )
    if before is not None:
        query = query.where(Promise.id < before)
    return [Broken(*row) for row in session.execute(query.order_by(Promise.id.desc()).limit(limit))]


@dataclass(frozen=True, slots=True)
class Scored:
    """A low score with what it was given for."""

    ask: Ask
    conversation: Conversation
    customer: Customer
    ticket: Ticket | None


def low_scores(session: Session, *, before: int | None = None, limit: int = 40) -> Sequence[Scored]:
    """Those that no supervisor has seen, newest first."""
    query = (
        select(Ask, Conversation, Customer, Ticket)
        .join(Conversation, Conversation.id == Ask.conversation_id)
        .join(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(Ticket, Ticket.id == Ask.ticket_id)
        .where(Ask.attention)
    )
    if before is not None:
        query = query.where(Ask.id < before)
    return [Scored(*row) for row in session.execute(query.order_by(Ask.id.desc()).limit(limit))]


def looks(session: Session, waybill_no: str, limit: int) -> Sequence[ParcelLook]:
    """Who looked at what is personal of a parcel, newest first."""
    return session.scalars(
        select(ParcelLook)
        .where(ParcelLook.waybill_no == waybill_no)
        .order_by(ParcelLook.id.desc())
        .limit(limit)
    ).all()


def customers(session: Session, ids: Collection[int]) -> dict[int, Customer]:
    found = session.scalars(select(Customer).where(Customer.id.in_(ids)))
    return {customer.id: customer for customer in found}


def incidents_for_attention(session: Session) -> str:
    """How many proposals are undecided and alarms unseen, and what tells a change of them."""
    counted = (
        select(func.count(TicketPlace.ticket_id.distinct()))
        .where(TicketPlace.proposal_id == Proposal.id)
        .scalar_subquery()
    )
    rises = session.execute(
        select(Proposal.id, counted).where(Proposal.state == ProposalState.OPEN)
    ).all()
    alarms = [i.id for i in road_repository.unended(session) if i.alarm_at and not i.alarm_seen_by]
    state = sorted(tuple(row) for row in rises)
    return f"{len(rises) + len(alarms)} {state} {alarms}"
