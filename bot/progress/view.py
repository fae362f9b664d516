"""What a ticket's page shows its customer, drawn in the parts that are renewed while it is open.

Of the house's own work it shows nothing: only events that have a text there, and of people's words
only those that were written for him.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from markupsafe import Markup
from sqlalchemy.orm import Session

from bot.channels.web.page import Page
from conversations.texts import Texts
from handoff.repository import staff_names
from tickets import repository
from tickets.models import FINISHED, ActorKind, Ticket, TicketEvent, TicketState, What
from tickets.notices import news_of
from tickets.promises import repository as promises
from tickets.promises.models import Promise, PromiseKind, PromiseState
from tickets.routing import Routing

PATH = "/tickets/progress"
ROOM = "progress"
"""The texts of the page."""
STEPS = ("received", "working", "proposed", "agreed", "closed")
_STEP = {
    TicketState.RECEIVED: 0,
    TicketState.ASSIGNED: 1,
    TicketState.ACCEPTED: 1,
    TicketState.PROPOSED: 2,
    TicketState.AGREED: 3,
    TicketState.CLOSED: len(STEPS),
    TicketState.FOLLOWED_UP: len(STEPS),
}
_FOR_HIM = frozenset({What.PROPOSED, What.CLOSED})
_HIS = frozenset({What.OPENED, What.CONTACT, What.TOLD, What.AGREED, What.DECLINED, What.REOPENED})
_ANSWERED = (PromiseKind.SOLUTION, PromiseKind.PAYOUT, PromiseKind.CONTACT)
"""What is named first as the time by which something is done."""


def path_of(number: str) -> str:
    return f"{PATH}/{number}"


@dataclass(frozen=True, slots=True)
class Promised:
    """A promise as the customer sees it; ``anew`` is the time given in place of a broken one."""

    what: str
    by: datetime
    state: str
    anew: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened, in words for him; ``words`` are what was said."""

    at: datetime
    title: str
    words: str
    mine: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the page is renewed while it is open, as HTML; ``news`` is its headline in words."""

    news: str
    now: Markup
    promised: Markup
    said: Markup
    acts: Markup

    @property
    def version(self) -> str:
        """Changes whenever one of them would look different."""
        seen = "\0".join((self.now, self.promised, self.said, self.acts))
        return hashlib.blake2s(seen.encode(), digest_size=8).hexdigest()


class View:
    """Draws tickets."""

    def __init__(
        self, page: Page, texts: Texts, routing: Routing, upload: Callable[[str], str]
    ) -> None:
        """``upload`` is where photos of a ticket are sent, by its number."""
        self._page = page
        self._texts = texts
        self._routing = routing
        self._upload = upload

    def parts(self, session: Session, ticket: Ticket, language: str, action: str) -> Parts:
        """``action`` is where the page's forms go."""
        say = partial(self._texts.say, language)
        state = TicketState(ticket.state)
        made = promises.of_ticket(session, ticket.id)
        events = repository.events(session, ticket.id)
        news = say(f"{ROOM}.state.{state}")
        part = self._page.part(
            "_progress.html",
            ROOM,
            language,
            ticket=ticket,
            news=news,
            kind=say(f"words.kind.{ticket.kind}"),
            say=lambda key, **facts: say(f"{ROOM}.{key}", 0, **facts),
            when=lambda at: self._texts.when(at, language),
            steps=STEPS,
            step=_STEP.get(state),
            who=self._who(session, ticket, language),
            by=_next(made),
            promised=list(self._promised(made, language)),
            said=list(self._said(ticket, events, language)),
            proposal=next((e.why for e in reversed(events) if e.what == What.PROPOSED), ""),
            finished=state in FINISHED,
            proposed=state == TicketState.PROPOSED,
            closed=state in {TicketState.CLOSED, TicketState.FOLLOWED_UP},
            action=action,
            upload=self._upload(ticket.number),
        )
        return Parts(news, part.now(), part.promised_to(), part.history(), part.acts())

    def _who(self, session: Session, ticket: Ticket, language: str) -> tuple[str, str]:
        """Who has it, and his team; no name while nobody does."""
        name = staff_names(session).get(ticket.staff_id or 0, "")
        return name, self._routing.name(ticket.team, language)

    def _promised(self, made: Sequence[Promise], language: str) -> Iterator[Promised]:
        taken: set[int] = set()
        for promise in made:
            if promise.state == PromiseState.WITHDRAWN or promise.id in taken:
                continue
            anew = _anew(promise, made)
            if anew is not None and anew.state == PromiseState.OPEN:
                taken.add(anew.id)
            what = promise.words or self._texts.say(language, f"{ROOM}.promise.{promise.kind}")
            yield Promised(what, promise.by, promise.state, anew.by if anew else None)

    def _said(
        self, ticket: Ticket, events: Sequence[TicketEvent], language: str
    ) -> Iterator[Entry]:
        """Newest first."""
        for event in reversed(events):
            key = f"{ROOM}.event.{news_of(event)}"
            if not self._texts.has(key):
                continue
            mine = event.actor == ActorKind.CUSTOMER
            until = event.details.get("until")
            title = self._texts.say(
                language,
                key,
                name=event.details.get("name") or event.actor_name or "",
                team=self._routing.name(str(event.details.get("team", ticket.team)), language),
                until=datetime.fromisoformat(until) if until else event.at,
                into=event.details.get("into", ""),
            )
            yield Entry(event.at, title, _words(ticket, event), mine)


def _words(ticket: Ticket, event: TicketEvent) -> str:
    """What was said with it, if he said it or it was said to him."""
    what = What(event.what)
    if what == What.OPENED and event.actor == ActorKind.CUSTOMER:
        return ticket.description
    if what == What.WAITING:
        return event.why or "" if event.details.get("for") == "customer" else ""
    if what in _FOR_HIM or (what in _HIS and event.actor == ActorKind.CUSTOMER):
        return event.why or ""
    return ""


def _next(made: Sequence[Promise]) -> tuple[str, datetime] | None:
    """The time that matters to him most: of the solution, else of what comes first."""
    open_ones = [p for p in made if p.state == PromiseState.OPEN and p.left is None]
    for kind in _ANSWERED:
        for promise in open_ones:
            if promise.kind == kind:
                return promise.kind, promise.by
    return None


def _anew(broken: Promise, made: Sequence[Promise]) -> Promise | None:
    """What was promised in the place of a broken promise."""
    if broken.state != PromiseState.BROKEN:
        return None
    return next(
        (p for p in made if p.kind == broken.kind and p.step > broken.step and p.id > broken.id),
        None,
    )
