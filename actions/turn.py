"""One message being answered: what Rasa understood of it, what the record knows, how we say it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, get_args

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet
from sqlalchemy.orm import Session

from actions.runtime import Services
from conversations import repository as record
from conversations.models import Conversation, Message
from conversations.schemas import Button
from handoff.packet import Guess, Learned
from parcels import notices, orders
from parcels import repository as parcels
from parcels.lookup import canonical
from parcels.models import Shipment
from parcels.points import Position
from store.errors import NotFound
from tickets.intake import Fact

FORM = "report_form"
"""The form that every report_* intent runs."""
CHANGE_FORM = "change_form"
"""The form that every change runs."""
FACTS = ("waybill_no", "goods", "amount", "time", "place", "phone", "courier_name", "ticket_no")

PLAIN = ("goods", "amount")
"""Facts whose plain answer is understood by the question."""
LONGEST_PLAIN = 40


@dataclass(frozen=True, slots=True)
class Reply:
    """What a skill says and what Rasa is to remember."""

    words: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    events: tuple[EventType, ...] = ()


@dataclass
class Turn:
    """One message being answered: the tracker, the record, and the words for it."""

    tracker: Tracker
    session: Session
    services: Services
    conversation: Conversation
    message: Message | None
    inbox_id: int

    @property
    def language(self) -> str:
        return self.conversation.language

    @property
    def text(self) -> str:
        return self.message.text if self.message else self.tracker.latest_message.get("text") or ""

    @property
    def intent(self) -> str:
        intent: dict[str, Any] = self.tracker.latest_message.get("intent") or {}
        return str(intent.get("name") or "nlu_fallback")

    @cached_property
    def guesses(self) -> tuple[Guess, ...]:
        """Intents from the likeliest on; the fallback's own entry is no intent."""
        ranking = self.tracker.latest_message.get("intent_ranking") or []
        return tuple(
            Guess(entry["name"], float(entry["confidence"]))
            for entry in ranking
            if entry.get("name") and entry["name"] != "nlu_fallback"
        )

    def slot(self, name: str) -> str | None:
        """A slot's value as text; of several values the last."""
        value = self.tracker.get_slot(name)
        if isinstance(value, list):
            value = value[-1] if value else None
        return str(value) if value not in (None, "") else None

    def given_now(self, entity: str) -> str | None:
        """The value this very message gives for an entity."""
        return next(iter(self.all_given(entity)), None)

    def all_given(self, entity: str) -> list[str]:
        """All values this very message gives for an entity, each once."""
        given = self.tracker.get_latest_entity_values(entity)
        return list(dict.fromkeys(str(value) for value in given if value))

    def say(self, key: str, **facts: object) -> str:
        """A text of policies/texts in the customer's language; variants in turn."""
        return self.services.texts.say(self.language, key, self.inbox_id, **facts)

    @property
    def shared(self) -> Position | None:
        """The location that the customer shared with this message."""
        point = self.message.payload.get("point") if self.message else None
        return Position(*point) if point else None

    @property
    def number(self) -> str | None:
        """The waybill this message is about: given now, or known before and not of other goods.

        A customer who has asked about his laptop and now says the crabs are rotting means another
        parcel.
        """
        given = self.given_now("waybill_no")
        if given is not None:
            return given
        if self.told:
            number = self.told[0] if len(self.told) == 1 else None
        else:
            number = self.slot("waybill_no")
        return number if number and self._same_goods(number) else None

    @cached_property
    def told(self) -> Sequence[str]:
        """The parcels that our last notice told of, if since then no number was spoken of: what an
        answer such as "reschedule" is about. Not in a form, which knows what it is about."""
        if self.message is None:
            return ()
        at, numbers = notices.told_in(self.session, self.conversation, self.message.id)
        heard = spoken = 0
        form = form_before = None
        for event in self.tracker.events:
            match event:
                case {"event": "user"}:
                    heard = (event.get("metadata") or {}).get("message_id") or heard
                    form_before = form
                case {"event": "active_loop"}:
                    form = event.get("name")
                case {"event": "slot", "name": "waybill_no", "value": value} if value:
                    spoken = heard
        return () if form_before or spoken > at else numbers

    @cached_property
    def shipment(self) -> Shipment | None:
        """The shipment of that number, if it is known exactly."""
        number = self.number
        return parcels.by_waybill(self.session, canonical(number)) if number else None

    def _same_goods(self, number: str) -> bool:
        named = self.given_now("goods")
        known = parcels.by_waybill(self.session, canonical(number)) if named else None
        if known is None or not known.goods or not named:
            return True
        classify = self.services.goods.classify
        return (
            known.goods in named or named in known.goods or (known.goods_class == classify(named))
        )

    @property
    def form(self) -> str | None:
        """The form under way."""
        name: str | None = (self.tracker.active_loop or {}).get("name")
        return name

    @property
    def in_form(self) -> bool:
        return self.form == FORM

    @property
    def requested(self) -> str | None:
        """The fact the report form asked for last; the other form's question is none of it."""
        asked = self.slot("requested_slot") if self.in_form else None
        return asked if asked in get_args(Fact) else None

    @property
    def shrugs(self) -> bool:
        """ "I don't know", "no number": an answer, and the fact is not asked again."""
        return any(word in self.text.lower() for word in self.say("report.shrugs").split("|"))

    @property
    def plain_answer(self) -> dict[str, str]:
        """The fact the form asked for, if nothing was recognised: a short answer as it is.

        What parcels hold can be learned only so far, and nobody likes to be asked the same again.
        """
        fact = self.requested
        if fact not in PLAIN or self.given_now(fact) or self.intent == "deny" or self.shrugs:
            return {}
        if len(self.text) > LONGEST_PLAIN or (fact == "amount" and not _counts(self.text)):
            return {}
        return {fact: self.text}

    def learned(self) -> tuple[Learned, ...]:
        """Every fact with the message it came from, then what the record adds."""
        origin: tuple[int | None, datetime | None] = (None, None)
        found: dict[str, Learned] = {}
        for event in self.tracker.events:
            if event.get("event") == "user":
                at = event.get("timestamp")
                origin = (
                    (event.get("metadata") or {}).get("message_id"),
                    datetime.fromtimestamp(at, UTC) if at else None,
                )
            elif event.get("event") == "slot" and event.get("name") in FACTS:
                name, value = event["name"], event.get("value")
                if value in (None, ""):
                    found.pop(name, None)
                elif name not in found or found[name].value != value:
                    found[name] = Learned(name, value, "customer", *origin)
        if self.shipment is not None:
            for name, value in (
                ("goods", self.shipment.goods),
                ("goods_class", self.shipment.goods_class),
                ("destination", self.shipment.destination),
            ):
                if value and name not in found:
                    found[name] = Learned(name, str(value), "record", None, None)
        change = self.tracker.get_slot("change")
        if isinstance(change, dict):
            told = orders.facts(
                self.services.texts, self.language, change["kind"], change["details"]
            )
            for name, value in told.items():
                found.setdefault(name, Learned(name, value, "customer", None, None))
        return tuple(found.values())


def _counts(text: str) -> bool:
    return any(map(str.isnumeric, text))


def open_turn(tracker: Tracker, session: Session, available: Services) -> Turn:
    """The turn of a tracker's latest message; NotFound for a conversation we do not have."""
    conversation = record.by_key(session, str(tracker.sender_id))
    if conversation is None:
        raise NotFound("conversation of this sender")
    metadata = tracker.latest_message.get("metadata") or {}
    message_id = metadata.get("message_id")
    return Turn(
        tracker=tracker,
        session=session,
        services=available,
        conversation=conversation,
        message=session.get(Message, message_id) if message_id else None,
        inbox_id=int(metadata.get("inbox_id") or 0),
    )


def remember(**slots: object) -> tuple[EventType, ...]:
    """Slot events, as rasa-sdk wants them."""
    return tuple(SlotSet(name, value) for name, value in slots.items())


def joined(parts: Iterable[str | None], language: str) -> str:
    """Sentences as one text: Chinese ones touch, others are spaced."""
    return ("" if language == "zh" else " ").join(part for part in parts if part)


def yes_or_number(options: Sequence[str]) -> tuple[Button, ...]:
    """Buttons that say one of the given numbers."""
    return tuple(Button(title=option, say=option) for option in options)
