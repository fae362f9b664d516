"""What Telegram's channel asks of the record, each in the caller's transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.channels.telegram.convert import NAME
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Holder, Inbox, Message
from conversations.schemas import Inbound, Outbound
from store import clock
from store.claims import release


def unchanged(session: Session, account: str, outside_id: str, text: str) -> bool:
    """Whether a message was stored with these same words (Telegram calls a new link preview and
    a reaction an edit too)."""
    row = record.inbox_row(session, NAME, account, outside_id)
    return row is not None and (
        session.get_one(Message, row.message_id).text == conversations.clean(text)
    )


def rename(session: Session, account: str, old: str, new: str) -> bool:
    """The chat ``old`` goes on as ``new``; False if nothing had to be done.

    Where both are known, the old one keeps its past, and its answers are sent to the new chat.
    """
    customer = record.customer(session, NAME, account, old)
    if customer is None or record.customer(session, NAME, account, new) is not None:
        return False
    customer.address = new
    return True


def keep(
    session: Session, inbound: Inbound, polite: str, once: str | None
) -> tuple[Inbox, bool, bool]:
    """Store what has no words for the bot, handled, with a polite answer where the bot holds.

    ``once`` is the answer's key where several messages share one (an album). The row, whether it
    is new, and whether the answer was queued.
    """
    row, new = conversations.receive(session, inbound)
    if not new:
        return row, False, False
    row.handled_at = clock.now()
    release(row, retry_at=None)
    conversation = session.get_one(Conversation, row.conversation_id)
    if conversation.holder != Holder.BOT:
        return row, True, False
    answer = Outbound(once or f"in:{row.id}:0", polite)
    posted = conversations.post(session, conversation, answer, Author.SYSTEM)
    return row, True, posted is not None
