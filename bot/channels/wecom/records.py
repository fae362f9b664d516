"""What WeCom's channel asks of the record, each in the caller's transaction."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from bot.channels.wecom.convert import NAME, Person
from bot.channels.wecom.models import WecomAccount
from conversations import repository as record
from conversations import service as conversations
from conversations.models import (
    Audience,
    Author,
    Conversation,
    Customer,
    Delivery,
    Holder,
    Kind,
    Message,
    Outbox,
    Undelivered,
)
from store import clock
from store.claims import release

TICKET_LASTS = timedelta(minutes=10)
_SENT_ID = re.compile(r"[0-9a-f]{10}-([0-9]{1,10})-([0-9]{1,3})(?:-[0-9]{1,4})?")
_LOST = "wecom_lost"
"""How often a message was taken by WeCom and did not arrive: beside its buttons."""


def note(session: Session, kfid: str, ticket: str = "") -> None:
    """Something was written to this account: it falls due at once, also while it is pulled."""
    at = clock.now()
    row = session.scalar(_account(kfid).with_for_update())
    if row is None:
        row = WecomAccount(
            open_kfid=kfid, notes=0, prefix=secrets.token_hex(5), created_at=at, attempts=0
        )
        session.add(row)
    row.notes = (row.notes + 1) % 2**31
    row.due_at = at
    if ticket:
        row.ticket, row.ticket_until = ticket[:256], at + TICKET_LASTS
    session.flush()


def accounts(session: Session) -> list[str]:
    """The accounts that were ever heard of."""
    return list(session.scalars(select(WecomAccount.open_kfid)))


def held(session: Session, claimed: WecomAccount) -> WecomAccount | None:
    """The account, if the caller's lease on it still stands: nobody else has pulled since."""
    return session.scalar(
        select(WecomAccount)
        .where(WecomAccount.id == claimed.id, WecomAccount.leased_until == claimed.leased_until)
        .with_for_update()
    )


def sent_id(session: Session, kfid: str, message_id: int, index: int) -> str | None:
    """The id of a part, the same at each attempt: WeCom takes it once. None for an unknown account.

    At most 32 of ``[0-9a-zA-Z_-]``. The account's prefix keeps a new database, whose messages are
    numbered from 1 again, from using ids of an old one; what did not arrive after all gets a new
    id, or it could never be sent again.
    """
    prefix = session.scalar(select(WecomAccount.prefix).where(WecomAccount.open_kfid == kfid))
    message = session.get(Message, message_id)
    lost = message.payload.get(_LOST, 0) if message else 0
    return f"{prefix}-{message_id}-{index}" + (f"-{lost}" if lost else "") if prefix else None


def failed(session: Session, person: Person, msgid: str, reason: str) -> int | None:
    """What was sent by this id did not arrive; its conversation, None if it is none of ours."""
    named = _SENT_ID.fullmatch(msgid)
    message_id, index = (int(named[1]), int(named[2])) if named else (0, 0)
    if message_id >= 2**31 or msgid != sent_id(session, person.kfid, message_id, index):
        return None
    row = session.scalar(select(Outbox).where(Outbox.message_id == message_id))
    if row is None:
        return None
    message, customer = record.to_whom(session, [row])[row.message_id]
    theirs = (customer.channel, customer.account, customer.address)
    if theirs != (NAME, person.kfid, person.address):
        return None
    for lost in (row, *record.left_with(session, row)):
        lost.state, lost.reason = Delivery.FAILED, Undelivered.REFUSED
        release(lost, retry_at=None, error=f"WeCom: {reason}")
    message.payload = {**message.payload, _LOST: message.payload.get(_LOST, 0) + 1}
    row.parts_sent, row.outside_ids = min(row.parts_sent, index), row.outside_ids[:index]
    return row.conversation_id


def told(session: Session, person: Person, what: str) -> int | None:
    """Show staff what happened; the conversation, None if he never wrote."""
    conversation = _latest(session, person)
    if conversation is None:
        return None
    conversations.append(
        session, conversation, Author.SYSTEM, what, kind=Kind.EVENT, audience=Audience.STAFF
    )
    return conversation.id


def answered(session: Session, person: Person, text: str) -> int | None:
    """Keep what a colleague wrote in WeCom's own client. Invalid or TooLong for no words."""
    conversation = _latest(session, person)
    if conversation is None:
        return None
    conversations.append(session, conversation, Author.AGENT, conversations.words(text))
    return conversation.id


def waits_for_people(session: Session, conversation_id: int) -> bool:
    """Whether the bot has handed this conversation over and nobody has taken it."""
    return session.get_one(Conversation, conversation_id).holder == Holder.WAITING


def _latest(session: Session, person: Person) -> Conversation | None:
    customer: Customer | None = record.customer(session, NAME, person.kfid, person.address)
    return record.latest_conversation(session, customer.id) if customer else None


def _account(kfid: str) -> Select[WecomAccount]:
    return select(WecomAccount).where(WecomAccount.open_kfid == kfid)
