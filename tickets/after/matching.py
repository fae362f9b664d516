"""Whether a message can be the answer to a question, and which of its choices it names."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from conversations import service as conversations
from conversations.models import Conversation, Message
from conversations.schemas import Button
from conversations.search import fold
from tickets.after import repository
from tickets.after.models import Ask
from tickets.models import Ticket
from tickets.service import without_number


@dataclass(frozen=True, slots=True)
class Said:
    """A customer's words, held against one question. ``choice`` counts from 0; ``pressed``: in the
    very words of a button."""

    text: str
    choice: int | None
    pressed: bool = False


def pressed(
    session: Session, ask: Ask, conversation: Conversation, message: Message
) -> Said | None:
    """The very words of one of the question's buttons: these name the ticket themselves."""
    says = [fold(button.say) for button in _buttons(session, ask)]
    text = fold(message.text)
    return Said(message.text, says.index(text), pressed=True) if text in says else None


def right_after(
    session: Session, ask: Ask, conversation: Conversation, message: Message
) -> Said | None:
    """Any words right after the question, or such as name its ticket."""
    assert ask.told_id is not None, "asked, and yet not told"
    if ask.told_id >= message.id:
        return None
    text, named = without_number(message.text)
    ticket = session.get(Ticket, ask.ticket_id) if named and ask.ticket_id else None
    talks = {ask.conversation_id, conversation.id}
    if named and (ticket is None or ticket.number != named):
        return None
    if not named and repository.spoke_since(session, talks, ask.told_id, message.id):
        return None
    buttons = _buttons(session, ask)
    folded, titles = fold(text), [fold(button.title) for button in buttons]
    choice = titles.index(folded) if folded in titles else None
    if choice is None and folded.isdecimal() and 1 <= int(folded[:3]) <= len(buttons):
        choice = int(folded[:3]) - 1
    return Said(text, choice) if text else None


def _buttons(session: Session, ask: Ask) -> tuple[Button, ...]:
    return conversations.buttons_of(session.get_one(Message, ask.message_id))
