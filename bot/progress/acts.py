"""What a customer can do on the page of his ticket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bot.channels.http.links import Links
from bot.channels.web.limits import Limits
from bot.channels.web.page import Page
from conversations import service as conversations
from conversations.models import Author, Conversation, Holder
from conversations.texts import Texts
from handoff.service import Handoffs
from parcels import identity
from store.engine import Database
from store.errors import Conflict, Invalid
from store.live import Live
from tickets import repository
from tickets.after.service import After
from tickets.models import FINISHED, Ticket
from tickets.service import Tickets


@dataclass(frozen=True, slots=True)
class Progress:
    """The rooms that the page works with."""

    database: Database
    live: Live
    texts: Texts
    tickets: Tickets
    handoffs: Handoffs
    after: After
    rules: identity.Rules
    links: Links
    upload: Callable[[str], str]
    page: Page
    limits: Limits
    secure_cookies: bool

    def words(self, language: str, name: str) -> str:
        """What a button says."""
        return self.texts.say(language, f"after.choice.{name}.title")


def do(
    session: Session,
    with_: Progress,
    ticket: Ticket,
    what: str,
    words: str,
    version: int,
    key: str,
) -> None:
    """Conflict if the ticket is another by now than he saw, or what he wishes does not fit it."""
    repository.hold(session, ticket)
    said = conversations.words(words, needed=what == "tell")
    talk = session.get_one(Conversation, ticket.conversation_id)
    if what == "tell":
        if ticket.state in FINISHED:
            raise Conflict("finished")
        once = f"page:{ticket.id}:{key}" if key else None
        if once and repository.event_by_key(session, once) is not None:
            return
        with_.tickets.told(session, ticket, said, key=once)
    elif ticket.version != version:
        raise Conflict("changed since")
    elif what == "agree":
        with_.after.agree(session, ticket, said or with_.words(talk.language, "agree"))
    elif what == "unsolved":
        why = said or with_.words(talk.language, "unsolved")
        if not with_.after.unsolved(session, ticket, why, told=False):
            raise Conflict("too late")
        with_.handoffs.again(session, talk, ticket)
    else:
        raise Invalid("nothing of the kind")
    if said:  # for whoever reads the conversation
        message = conversations.append(session, talk, Author.CUSTOMER, said)
        if talk.holder != Holder.BOT:
            with_.handoffs.heard(session, talk, message.id)
    with_.live.after_commit(session, "queue", f"conversation:{talk.id}")
