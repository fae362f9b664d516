"""Where a customer is told of his tickets."""

from __future__ import annotations

from sqlalchemy.orm import Session

from conversations import repository as record
from conversations.models import Conversation

NO_CHANNEL = "api"
"""The channel of customers known only to a program: its webhooks tell them."""


def reach(session: Session, customer_id: int) -> Conversation | None:
    """The conversation he wrote in last; None if we write to him nowhere."""
    conversation = record.latest_conversation(session, customer_id)
    if conversation is None or record.customer_of(session, conversation).channel == NO_CHANNEL:
        return None
    return conversation
