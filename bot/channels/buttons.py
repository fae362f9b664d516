"""What a pressed button says: the platform carries an opaque id, the words stay in the record."""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Message
from conversations.schemas import Button

_ID = re.compile(r"([0-9a-f]{1,16})\.([0-9]{1,2})")
_MOST = 2**31 - 1
"""The largest id a table has; PostgreSQL refuses to look for more."""


def button_id(message_id: int, number: int) -> str:
    """What a button carries: at most 64 bytes, and nothing of what it says."""
    return f"{message_id:x}.{number}"


def read_id(data: str) -> tuple[int, int] | None:
    """The message of the record and which of its buttons; None for what is no ``button_id``."""
    found = _ID.fullmatch(data)
    return (int(found[1], 16), int(found[2])) if found else None


def pressed(
    session: Session, channel: str, account: str, address: str, message_id: int, number: int
) -> Button | None:
    """The button of a message that was sent to this very customer; None for any other."""
    if message_id > _MOST:
        return None
    message = session.get(Message, message_id)
    if message is None or message.author == Author.CUSTOMER:
        return None
    conversation = session.get_one(Conversation, message.conversation_id)
    customer = record.customer_of(session, conversation)
    if (customer.channel, customer.account, customer.address) != (channel, account, address):
        return None
    buttons = conversations.buttons_of(message)
    return buttons[number] if number < len(buttons) else None
