"""What the terminal is told: the answers of a turn, who holds the conversation, its ticket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from bot.channels import reading
from bot.channels.reading import Words
from conversations.models import Author, Conversation, Customer, Inbox
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

    With ``inbox_id`` the reading begins at the latest with the answers to that message, and nothing
    is told before they are all there; with neither, it begins now. NotFound for an inbox row that
    is not this customer's.
    """
    done = inbox_id is not None
    if inbox_id is not None:
        row = _own_row(session, channel, account, name, inbox_id)
        after = row.message_id if after is None else after
        # Most looks are before the answer: they cost one query. It is asked before the messages are
        # read: what is handled now has its answers in the record.
        handled = row.handled_at is not None or row.due_at is None
        if not handled or reading.on_its_way(session, row.conversation_id, row.message_id):
            return Answers([], False, after, f"conversation:{row.conversation_id}")
    known = reading.visitor(session, channel, account, name)
    if known is None:
        return Answers([], False, 0, None)
    customer, conversation = known
    if after is None:
        after = reading.last_id(session, customer)
    found = reading.after(session, customer, after, AT_ONCE)
    cursor = found[-1].id if found else after
    facts = _facts(session, conversation) if conversation and found else {}
    return Answers(
        [_answer(words) | facts for words in found if words.author != Author.CUSTOMER],
        done and len(found) < AT_ONCE,
        cursor,
        f"conversation:{conversation.id}" if conversation else None,
    )


_ROW = (
    select(Inbox.conversation_id, Inbox.message_id, Inbox.handled_at, Inbox.due_at)
    .join(Conversation, Conversation.id == Inbox.conversation_id)
    .join(Customer, Customer.id == Conversation.customer_id)
    .where(
        Inbox.id == bindparam("inbox_id"),
        Customer.channel == bindparam("channel"),
        Customer.account == bindparam("account"),
        Customer.address == bindparam("name"),
    )
)


def _own_row(
    session: Session, channel: str, account: str, name: str, inbox_id: int
) -> Row[int, int, datetime | None, datetime | None]:
    asked = {"channel": channel, "account": account, "name": name, "inbox_id": inbox_id}
    row = session.execute(_ROW, asked).first()
    if row is None:
        raise NotFound("no such message")
    return row


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
