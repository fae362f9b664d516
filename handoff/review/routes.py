"""``/desk/review``: every conversation, its transcript, and a search over what was said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Conversation, Customer, Message
from handoff import repository, staff
from handoff.desk import repository as desk_repository
from handoff.desk import views
from handoff.desk.edge import page
from handoff.desk.parts import Desk, looking
from handoff.desk.words import Pages, language_of
from handoff.packet import promised_to
from handoff.staff import SignedIn
from store.errors import NotFound

PAGE = 40
MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that holds the searched words, with its conversation."""

    message: Message
    conversation: Conversation
    customer: Customer
    author_name: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation in the list, with the customer's last words."""

    conversation: Conversation
    customer: Customer
    last_words: str | None


def search(session: Session, query: str, limit: int = 50) -> list[Hit]:
    """Messages and notes that contain the query as a phrase, newest first."""
    messages = conversations.find(session, query, limit=limit)
    of = repository.conversations_by_id(session, {m.conversation_id for m in messages})
    names = repository.staff_names(session)
    return [
        Hit(m, *of[m.conversation_id], names.get(m.staff_id) if m.staff_id else None)
        for m in messages
    ]


def leaf(session: Session, before: int | None) -> list[Listed]:
    """A page of conversations, newest first."""
    found = repository.recent_conversations(session, before=before, limit=PAGE)
    last = repository.last_words(session, [conversation.id for conversation, _ in found])
    return [
        Listed(conversation, customer, said.text if (said := last.get(conversation.id)) else None)
        for conversation, customer in found
    ]


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """The list with its search, and one transcript. Supervisors only."""

    def supervisor(session: Session, request: Request) -> SignedIn:
        person = looking(session, request)
        staff.require_supervisor(person)
        return person

    @router.get("/desk/review")
    def listing(
        request: Request,
        q: Annotated[str, Query(max_length=200)] = "",
        before: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    ) -> Response:
        query = conversations.clean(q)
        with desk.database.read() as session:
            person = supervisor(session, request)
            hits = search(session, query) if query else None
            listed = [] if query else leaf(session, before)
            html = pages.render(
                "review.html",
                language_of(request),
                person=person,
                here="/desk/review",
                query=query,
                hits=hits,
                listed=listed,
                older=listed[-1].conversation.id if len(listed) == PAGE else None,
                first=before is None,
            )
        return page(html)

    @router.get("/desk/review/{key}")
    def transcript(request: Request, key: Annotated[str, Path(max_length=32)]) -> Response:
        with desk.database.read() as session:
            person = supervisor(session, request)
            conversation = record.by_key(session, key)
            if conversation is None:
                raise NotFound("conversation")
            names = repository.staff_names(session)
            customer = record.customer_of(session, conversation)
            html = pages.render(
                "review_case.html",
                language_of(request),
                person=person,
                here=f"/desk/review/{conversation.key}",
                conversation=conversation,
                customer=customer,
                promises=promised_to(session, customer.id),
                thread=views.transcript(session, conversation, names),
                cases=desk_repository.cases_of(session, conversation.id),
                names=names,
            )
        return page(html)
