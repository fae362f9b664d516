"""Tickets for other systems: open one, read, list, comment. By API key; docs/tickets.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Inbound
from parcels import keys
from parcels.lookup import canonical
from parcels.models import Scope
from parcels.repository import by_waybill
from store.engine import Database
from store.errors import Conflict, Invalid, NotFound
from store.live import Live
from tickets import listing, repository, schemas
from tickets.events import Actor
from tickets.models import ActorKind, Ticket, TicketState, Urgency
from tickets.reach import NO_CHANNEL
from tickets.service import Complaint, Tickets, canonical_number

PREFIX = "/api/tickets"
MOST = 100
_BEARER = HTTPBearer(auto_error=False, description="./courier key add NAME --scope tickets:…")
Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,48}$")]
Number = Annotated[str, Path(max_length=20)]


def router(
    database: Database, live: Live, tickets: Tickets, problems: Collection[str]
) -> APIRouter:
    """``problems`` are the classes of tickets."""

    def allowed(presented: HTTPAuthorizationCredentials | None, scope: Scope) -> Actor:
        with database.read() as session:
            key = keys.check(session, presented.credentials if presented else "", scope)
            return Actor(ActorKind.API, key.id, key.name)

    async def reader(presented: Presented) -> Actor:
        return await asyncio.to_thread(allowed, presented, Scope.TICKETS_READ)

    async def writer(presented: Presented) -> Actor:
        return await asyncio.to_thread(allowed, presented, Scope.TICKETS_WRITE)

    faults: dict[int | str, dict[str, Any]] = {
        status: {"model": schemas.FaultOut} for status in (401, 403, 404, 409, 422)
    }
    routes = APIRouter(prefix=PREFIX, tags=["tickets"], responses=faults)
    _reading(routes, database, reader)
    _writing(routes, database, live, tickets, frozenset(problems), writer)
    return routes


def _reading(routes: APIRouter, database: Database, reader: Callable[..., object]) -> None:
    @routes.get("", dependencies=[Depends(reader)])
    def listed(
        state: TicketState | None = None,
        urgency: Urgency | None = None,
        team: Annotated[str | None, Query(max_length=40)] = None,
        waybill_no: Annotated[str | None, Query(max_length=60)] = None,
        overdue: bool = False,
        incident: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        after: Annotated[str | None, Query(max_length=20)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    ) -> schemas.ListOut:
        """Open ones, most urgent first; those of a state; those of a waybill, newest first."""
        wanted = listing.Wanted(
            state=state,
            urgency=urgency,
            team=team,
            waybill_no=canonical(waybill_no)[:40] if waybill_no else None,
            overdue=overdue,
            incident_id=incident,
        )
        with database.read() as session:
            last = _ticket(session, after) if after else None
            found = listing.listed(session, wanted, after=last, limit=limit)
            shown = listing.shown(session, found)
        return schemas.ListOut(
            tickets=shown,
            next=found[-1].number if len(found) == limit else None,
        )

    @routes.get("/{number}", dependencies=[Depends(reader)])
    def read(number: Number) -> schemas.WholeOut:
        """A ticket with all that happened to it."""
        with database.read() as session:
            return listing.whole(session, _ticket(session, number))


def _writing(
    routes: APIRouter,
    database: Database,
    live: Live,
    tickets: Tickets,
    problems: frozenset[str],
    writer: Callable[..., object],
) -> None:
    writing: Any = Depends(writer)

    @routes.post("", status_code=201, responses={200: {"model": schemas.OpenedOut}})
    def create(
        given: schemas.TicketIn,
        key: Key,
        response: Response,
        actor: Actor = writing,
    ) -> schemas.OpenedOut:
        """Open a ticket, or join the open one of this waybill and class. The same key gives the
        same answer and changes nothing; with another content it is refused (409)."""
        if given.kind not in problems:
            raise Invalid(f"unknown class; known: {', '.join(sorted(problems))}")
        with database.write() as session:
            name = f"api:{actor.id}:{key}"
            known = repository.by_idempotency_key(session, name)
            if known and (known.kind, known.description) != (given.kind, given.description):
                raise Conflict("this Idempotency-Key opened another ticket")
            opened = tickets.open(session, _complaint(session, given, name, actor))
            live.after_commit(session, "queue")
            if known or opened.joined:
                response.status_code = 200
            return schemas.OpenedOut(
                ticket=schemas.TicketOut.model_validate(opened.ticket), joined=opened.joined
            )

    @routes.post("/{number}/comments", status_code=201)
    def comment(
        number: Number,
        given: schemas.CommentIn,
        key: Key,
        actor: Actor = writing,
    ) -> schemas.EventOut:
        """Words for the people at the desk; the customer does not see them."""
        with database.write() as session:
            event = tickets.lifecycle.comment(
                session, _ticket(session, number), actor, given.text, key=f"api:{actor.id}:{key}"
            )
            return schemas.EventOut.model_validate(event)


def _ticket(session: Session, number: str) -> Ticket:
    found = repository.by_number(session, canonical_number(number) or "")
    if found is None:
        raise NotFound("no such ticket")
    return found


def _complaint(session: Session, given: schemas.TicketIn, key: str, actor: Actor) -> Complaint:
    talk = _conversation(session, given, actor)
    number = canonical(given.waybill_no)[:40] if given.waybill_no else None
    shipment = by_waybill(session, number) if number else None
    return Complaint(
        idempotency_key=key,
        kind=given.kind,
        conversation_id=talk.id,
        customer_id=talk.customer_id,
        description=given.description,
        waybill_no=number,
        goods=given.goods or (shipment.goods if shipment else None),
        goods_class=shipment.goods_class if shipment else "general",
        facts=dict(given.facts),
        actor=actor,
    )


def _conversation(session: Session, given: schemas.TicketIn, actor: Actor) -> Conversation:
    """Where the customer wrote last; for one only the program knows, a place of his own."""
    who = given.customer
    if who.channel is not None:
        customer = record.customer(session, who.channel, who.account, who.id)
        found = record.latest_conversation(session, customer.id) if customer else None
        if found is None:
            raise NotFound("no such customer")
        return found
    inbound = Inbound(
        NO_CHANNEL, str(actor.id), who.id, "", given.description,
        name=who.name, language=who.language,
    )  # fmt: skip
    fresh = conversations.open_conversation(session, inbound)
    if record.last_customer_message(session, fresh.id) is None:
        fresh.language = who.language
        conversations.append(session, fresh, Author.CUSTOMER, given.description)
    return fresh
