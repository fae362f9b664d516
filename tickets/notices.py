"""The customer hears of each step of his ticket: in his language, wherever he wrote last.

What he is told stands in ``policies/texts/<language>/ticket.yml`` under ``news``; an event without
a text there is the house's own and never leaves it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from conversations import service as conversations
from conversations.models import Author
from conversations.schemas import Outbound
from conversations.texts import Texts
from store.live import Live
from tickets.after.asking import Asking
from tickets.models import ActorKind, Ticket, TicketEvent, What
from tickets.reach import reach
from tickets.routing import Routing


class Notices:
    """``tell`` hangs on ``Events.after_event``."""

    def __init__(
        self,
        texts: Texts,
        routing: Routing,
        live: Live,
        asking: Asking,
        link: Callable[[str], str],
    ) -> None:
        """``link`` is the address of a ticket's progress page, by its number."""
        self._texts = texts
        self._routing = routing
        self._live = live
        self._asking = asking
        self._link = link

    def tell(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        """Queue the words for an event, in the transaction that wrote it; once, by its id."""
        news = news_of(event)
        key = f"ticket.news.{news}"
        if event.details.get("told") or not self._texts.has(key):
            return
        conversation = reach(session, ticket.customer_id)
        if conversation is None:
            return
        language = conversation.language
        team = self._routing.policy.teams.get(ticket.team)
        words = self._texts.say(
            language,
            key,
            number=_numbers(event, language) or ticket.number,
            kind=self._texts.say(language, f"words.kind.{ticket.kind}"),
            name=event.details.get("name") or event.actor_name or "",
            team=(team.zh if language == "zh" else team.en) if team else ticket.team,
            words=event.why or "",
            until=_instant(event, "until") or ticket.waiting_until or event.at,
            into=event.details.get("into", ""),
            by=_instant(event, "by") or event.at,
            place=event.details.get("place", ""),
            cause=self._cause(event, language),
        )
        if news in self._asking.policy.progress.link_in:
            words += "\n" + self._texts.say(
                language, "progress.link", link=self._link(ticket.number)
            )
        buttons = self._asking.buttons(session, ticket, event, language)
        outbound = Outbound(f"ticket:{event.id}", words, buttons)
        message = conversations.post(session, conversation, outbound, Author.SYSTEM)
        if message is not None:
            self._asking.noted(session, ticket, event, message)
        self._live.after_commit(session, "outbox", f"conversation:{conversation.id}")

    def _cause(self, event: TicketEvent, language: str) -> str:
        """Why an incident holds things up: in the supervisor's words, where there are some."""
        words: dict[str, str] = event.details.get("words") or {}
        reason = f"notices.reason.{event.details.get('kind')}"
        usual = reason if self._texts.has(reason) else "notices.reason.other"
        return words.get(language, "").rstrip("。. ") or self._texts.say(language, usual)


def _instant(event: TicketEvent, name: str) -> datetime | None:
    told = event.details.get(name)
    return datetime.fromisoformat(told) if told else None


def _numbers(event: TicketEvent, language: str) -> str:
    """All tickets that an event tells of, if it is of several."""
    return ("、" if language == "zh" else ", ").join(event.details.get("numbers", ()))


def news_of(event: TicketEvent) -> str:
    """What an event is to the customer: some are told in one of several ways, or not at all."""
    match event.what:
        case What.OPENED:  # his own report is answered where he made it
            return "mine" if event.actor == ActorKind.CUSTOMER else event.what
        case What.ASSIGNED:
            return "assigned_to" if "staff" in event.details else event.what
        case What.WAITING:
            return f"waiting_{event.details['for']}"
        case What.MERGED:
            return "merged" if "into" in event.details else "taken_in"
        case What.INCIDENT:
            return "incident_moved" if event.details["moved"] else event.what
        case What.ACCEPTED:
            return "accepted" if event.actor_name else "taken_on"
        case _:
            return event.what
