"""What a parcel's page shows one visitor, drawn in the parts that are renewed while it is open."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import Request
from markupsafe import Markup
from sqlalchemy.orm import Session

from bot.channels.web import page as pages
from bot.channels.web import visitors
from bot.channels.web.parts import Web
from conversations import repository as record
from conversations.models import Customer
from conversations.texts import Texts
from parcels import identity, repository, timeline
from parcels.models import Shipment, Status
from parcels.telling import why
from parcels.timeline import View
from store import clock
from store.errors import NotFound

ROOM = "timeline"
"""The texts of the page."""
SIGNS = {
    "time": "clock",
    "place": "pin",
    "hurry": "bolt",
    "code": "box",
    "missing": "search",
    "broken": "box",
    "person": "chat",
}
_ON_ITS_WAY = ("time", "place", "hurry", "person")
_OFFERED = {
    Status.AVAILABLE_FOR_PICKUP: ("code", "person"),
    Status.DELIVERED: ("missing", "broken", "person"),
    Status.EXCEPTION: ("hurry", "person"),
    Status.NOT_FOUND: ("person",),
    Status.RETURNED: ("person",),
}
_STEPS = {
    Status.OUT_FOR_DELIVERY: 2,
    Status.DELIVERY_FAILURE: 2,
    Status.AVAILABLE_FOR_PICKUP: 2,
    Status.DELIVERED: 3,
    Status.RETURNED: 3,
    Status.INFO_RECEIVED: 0,
    Status.NOT_FOUND: 0,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the page is renewed while it is open, as HTML; ``news`` is its headline in words."""

    news: str
    now: Markup
    road: Markup
    private: Markup
    asks: Markup

    @property
    def version(self) -> str:
        """Changes whenever one of them would look different."""
        seen = "\0".join((self.now, self.road, self.private, self.asks))
        return hashlib.blake2s(seen.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Look:
    """One visitor's look at one parcel's page, as often as it is renewed."""

    web: Web
    request: Request
    code: str
    wrong: bool = False

    @property
    def language(self) -> str:
        return pages.language_of(self.request)

    def now(self) -> tuple[str, Parts]:
        """The parcel's number, and what stands on its page. NotFound if there is none any more."""
        web = self.web
        with web.database.read() as session:
            shipment = shipment_of(session, self.code)
            number, proven, locked = shipment.waybill_no, False, False
            customer = self._customer(session)
            if customer is not None:
                proven = identity.proven(session, web.identity, customer, number)
                locked = not proven and identity.locked(session, web.identity, customer, number)
            seen = timeline.view(session, shipment, proven=proven)
        return number, self._parts(seen, locked=locked)

    def stamp(self) -> tuple[Any, ...] | None:
        """Whether it is worth while to look again."""
        with self.web.database.read() as session:
            return repository.page_stamp(session, self.code)

    def _customer(self, session: Session) -> Customer | None:
        visitor = visitors.of_cookie(self.request)
        if visitor is None:
            return None
        return record.customer(session, self.web.name, visitor.account, visitor.address)

    def _parts(self, seen: View, *, locked: bool) -> Parts:
        texts, language, status = self.web.texts, self.language, seen.now.status
        say = partial(texts.say, language)
        part = self.web.page.part(
            "_parcel.html",
            ROOM,
            language,
            view=seen,
            say=lambda key, **facts: say(f"{ROOM}.{key}", 0, **facts),
            when=lambda at: texts.when(at, language),
            then=_then(texts, language, seen),
            eta=_eta(texts, language, seen),
            why=why(texts, language, seen.now),
            steps=("ordered", "moving", *_last_steps(status)),
            step=_STEPS.get(status, 1),
            offered=_offered(seen),
            signs=SIGNS,
            here=path_of(self.code),
            locked=locked,
            wrong=self.wrong,
            lock_minutes=self.web.identity.lock_minutes,
        )
        news = say(f"{ROOM}.status.{status}")
        return Parts(news, part.now(), part.road(), part.private(), part.asks())


def path_of(code: str) -> str:
    return f"{timeline.PATH}/{code}"


def shipment_of(session: Session, code: str) -> Shipment:
    found = timeline.of_code(session, code)
    if found is None:
        raise NotFound("no page of this code")
    return found


def _then(texts: Texts, language: str, seen: View) -> str:
    """What happens next."""
    now = seen.now
    if now.next_place and now.next_at:
        return texts.say(language, "timeline.next_at", place=now.next_place, at=now.next_at)
    if now.next_place and now.next_by:
        return texts.say(language, "timeline.next_by", place=now.next_place, by=now.next_by)
    if now.next_place:
        return texts.say(language, "timeline.next", place=now.next_place)
    if seen.private and seen.private.pickup_code:
        return texts.say(language, "timeline.then.code")
    key = f"timeline.then.{now.status}"
    return texts.say(language, key) if texts.has(key) else ""


def _eta(texts: Texts, language: str, seen: View) -> tuple[str, str]:
    """When it comes, and how sure that is; both empty if nothing can honestly be said."""
    eta = seen.now.eta
    if eta is None:
        return "", ""
    if eta.earliest is None or eta.earliest <= clock.now():
        when, sure = texts.say(language, "timeline.eta.by", at=eta.latest), f"{eta.basis}_by"
    else:
        when, sure = texts.window(eta.earliest, eta.latest, language), eta.basis.value
    return when, texts.say(language, f"timeline.eta.sure.{sure}", parcels=eta.parcels)


def _offered(seen: View) -> tuple[str, ...]:
    """What a button says in the chat, the likeliest first; a code that stands here need not be
    asked for, and a parcel that is late is to be chased."""
    offered = _OFFERED.get(seen.now.status, _ON_ITS_WAY)
    if seen.now.late and "hurry" in offered:
        offered = ("hurry", *(name for name in offered if name != "hurry"))
    return tuple(name for name in offered if name != "code" or seen.private is None)


def _last_steps(status: Status) -> tuple[str, str]:
    third = "waiting" if status == Status.AVAILABLE_FOR_PICKUP else "out"
    return third, "returned" if status == Status.RETURNED else "delivered"
