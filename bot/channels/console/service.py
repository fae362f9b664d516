"""What the terminal is told: the answers of a turn, who holds the conversation, its ticket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from bot.channels import reading
from bot.channels.reading import Words
from conversations.models import Author, Conversation, Inbox
from handoff import repository as cases
from store.errors import NotFound
from tickets import repository as tickets
from tickets.models import Ticket

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Answers:
    """``done``: the message was handled (or given up) and all its answers are here. ``cursor``:
    ask for what comes after it next time. ``topic`` is woken when there is more."""

    answers: list[dict[str, Any]]
    done: bool
    cursor: int
    topic: str | None


def answers(
    session: Session, channel: str, account: str, name: str, inbox_id: int | None, after: int | None
) -> Answers:
    """What the customer ``name`` was answered after the message ``after``.

    With ``inbox_id`` the reading begins at the latest with the answers to that message; with
    neither, now. NotFound for an inbox row that is not this customer's.
    """
    known = reading.visitor(session, channel, account, name)
    if known is None:
        if inbox_id is not None:
            raise NotFound("no such message")
        return Answers([], False, 0, None)
    customer, conversation = known
    row = _own_row(session, inbox_id, customer.id) if inbox_id is not None else None
    if after is None:
        after = row.message_id if row else reading.last_id(session, customer)
    done = False
    if row is not None:
        # Asked before the messages are read: what is handled now has its answers in the record.
        handled = row.handled_at is not None or row.due_at is None
        done = handled and not reading.on_its_way(session, row.conversation_id, row.message_id)
    found = reading.after(session, customer, after, AT_ONCE)
    cursor = found[-1].id if found else after
    # Most looks find nothing yet: what is told beside an answer is asked only for one.
    facts = _facts(session, conversation) if conversation and found else {}
    return Answers(
        [_answer(words) | facts for words in found if words.author != Author.CUSTOMER],
        done and len(found) < AT_ONCE,
        cursor,
        f"conversation:{conversation.id}" if conversation else None,
    )


def _own_row(session: Session, inbox_id: int, customer_id: int) -> Inbox:
    row = session.get(Inbox, inbox_id)
    if row is not None:
        conversation = session.get_one(Conversation, row.conversation_id)
        if conversation.customer_id == customer_id:
            return row
    raise NotFound("no such message")


def _answer(words: Words) -> dict[str, Any]:
    return {
        "id": words.id,
        "text": words.text,
        "buttons": [{"title": b.title, "say": b.say} for b in words.buttons],
        "files": [file.name or file.kind for file in words.files],
        "author": words.author,
        "name": words.name,
    }


def _facts(session: Session, conversation: Conversation) -> dict[str, Any]:
    ticket = latest_ticket(session, conversation)
    case = cases.open_case(session, conversation.id)
    return {
        "holder": conversation.holder,
        "ticket": ticket.number if ticket else None,
        "urgency": ticket.urgency if ticket else case.urgency if case else None,
    }


def latest_ticket(session: Session, conversation: Conversation) -> Ticket | None:
    """The ticket opened or joined last in this conversation: by the newest entry of its log that
    is not older than the conversation."""
    concerned = {t.id: t for t in tickets.of_conversation(session, conversation.id)}
    concerned |= {t.id: t for t in tickets.of_customer(session, conversation.customer_id)}
    case = cases.latest_case(session, conversation.id)
    if case is not None and case.ticket_id is not None and case.ticket_id not in concerned:
        concerned[case.ticket_id] = session.get_one(Ticket, case.ticket_id)
    touched = [
        (event.id, ticket)
        for ticket in concerned.values()
        for event in tickets.events(session, ticket.id)
        if event.what in {"opened", "contact"} and event.at >= conversation.created_at
    ]
    return max(touched, key=lambda pair: pair[0])[1] if touched else None
