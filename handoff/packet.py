"""The packet: everything already known, as the agent receives it. Version 1.

A JSON object, built once when a case is opened, stored with it, shown as a card on the desk and
served by ``GET /api/cases/{id}/packet``. Instants are ISO 8601 in UTC; languages ``zh`` or ``en``.
A reader must ignore fields it does not know; a field is never removed or given another meaning
without a new ``version``. No system we studied carries intent, confidence or slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy.orm import Session

from conversations import allowance, attachments
from conversations import repository as record
from conversations.models import Conversation, Kind
from conversations.schemas import Capabilities
from parcels import repository as parcels
from parcels.service import whereabouts
from tickets import repository as tickets
from tickets.models import Ticket
from tickets.promises import repository as promises
from tickets.promises.models import Promise, PromiseState
from tickets.urgency import Verdict

VERSION: Literal[1] = 1
EARLIER = 5


@dataclass(frozen=True, slots=True)
class Guess:
    """An intent the message may have, with the classifier's calibrated probability (0 to 1)."""

    intent: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Learned:
    """A slot's value, where it came from and when. ``message_id`` is the customer's message."""

    slot: str
    value: Any
    source: str  # customer | record
    message_id: int | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Request:
    """Why a person is asked for, and what the bot knew at that moment."""

    reason: str
    rule: str
    intent: str
    verdict: Verdict
    guesses: tuple[Guess, ...] = ()
    learned: tuple[Learned, ...] = ()
    ticket_id: int | None = None
    waybill_no: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Urgent(BaseModel):
    """The colour and the rule that set it."""

    colour: str
    rule: str


class IntentGuess(BaseModel):
    name: str
    confidence: float


class Slot(BaseModel):
    """A fact with its origin: nothing here is to be asked again."""

    name: str
    value: Any
    source: str
    message_id: int | None
    at: datetime | None


class Node(BaseModel):
    """The parcel's last scan."""

    at: datetime | None
    place: str | None
    status: str
    next_place: str | None
    next_at: datetime | None
    reason: str | None


class Parcel(BaseModel):
    waybill_no: str
    known: bool
    status: str | None = None
    goods: str | None = None
    goods_class: str | None = None
    eta_to: datetime | None = None
    last_scan: Node | None = None


class TicketCard(BaseModel):
    number: str
    kind: str
    urgency: str
    state: str
    contacts: int
    description: str


class Promised(BaseModel):
    """A time given to this customer. ``state`` is open, kept or broken; ``words`` are what somebody
    wrote in the message ``message_id``, null where the house promised by itself."""

    id: int | None = None
    kind: str
    due_at: datetime
    made_at: datetime
    kept_at: datetime | None
    state: str = ""
    words: str | None = None
    message_id: int | None = None
    warned: bool = False


class Channel(BaseModel):
    """What the customer's channel can carry; ``replies_left`` is null without a quota."""

    name: str
    buttons: bool
    images: bool
    max_length: int
    reply_quota: int | None
    replies_left: int | None


class Episode(BaseModel):
    """An earlier conversation of the same customer."""

    key: str
    began: datetime
    ended: datetime
    last_words: str | None
    tickets: list[str]


class File(BaseModel):
    """A file beside a line; ``address`` answers with it once it is here."""

    kind: str
    name: str
    size: int | None
    address: str


class Entry(BaseModel):
    """One line of the transcript."""

    id: int
    at: datetime
    author: str
    kind: str
    text: str
    attachments: list[File]


class Packet(BaseModel):
    """See the module's text."""

    version: Literal[1] = VERSION
    conversation: str
    customer: str | None
    language: str
    reason: str
    rule: str
    urgency: Urgent
    intents: list[IntentGuess]
    slots: list[Slot]
    parcel: Parcel | None
    ticket: TicketCard | None
    promises: list[Promised]
    channel: Channel
    earlier: list[Episode]
    transcript: list[Entry]


def build(
    session: Session, conversation: Conversation, request: Request, can: Capabilities
) -> Packet:
    """Gather the packet for a conversation as it stands now."""
    customer = record.customer_of(session, conversation)
    earlier = record.earlier_conversations(session, conversation, EARLIER)
    ticket = (
        session.get(Ticket, request.ticket_id)
        if request.ticket_id
        else tickets.open_about(session, conversation.id)
    )
    waybill = request.waybill_no or (ticket.waybill_no if ticket else None)
    meter = allowance.meter(session, conversation.id, can)
    return Packet(
        conversation=conversation.key,
        customer=customer.name,
        language=conversation.language,
        reason=request.reason,
        rule=request.rule,
        urgency=Urgent(colour=request.verdict.colour, rule=request.verdict.rule),
        intents=[
            IntentGuess(name=g.intent, confidence=round(g.confidence, 3))
            for g in request.guesses[:3]
        ],
        slots=[
            Slot(name=s.slot, value=s.value, source=s.source, message_id=s.message_id, at=s.at)
            for s in request.learned
        ],
        parcel=parcel_card(session, waybill) if waybill else None,
        ticket=TicketCard.model_validate(ticket, from_attributes=True) if ticket else None,
        promises=promised_to(session, customer.id),
        channel=Channel(
            name=customer.channel,
            buttons=can.buttons,
            images=can.images,
            max_length=can.max_length,
            reply_quota=can.reply_quota,
            replies_left=meter.left if meter else None,
        ),
        earlier=[_episode(session, episode) for episode in earlier],
        transcript=_transcript(session, conversation),
    )


def promised(made: Iterable[Promise]) -> list[Promised]:
    """Promises as people read them, but for those that are not owed any more."""
    return [
        Promised(
            id=p.id,
            kind=p.kind,
            due_at=p.by,
            made_at=p.made_at,
            kept_at=p.kept_at,
            state=p.state,
            words=p.words,
            message_id=p.message_id,
            warned=p.warned_at is not None,
        )
        for p in made
        if p.state != PromiseState.WITHDRAWN
    ]


def promised_to(session: Session, customer_id: int) -> list[Promised]:
    """What this customer was promised, wherever, and what became of it; oldest first."""
    return promised(reversed(promises.to_customer(session, customer_id)))


def _transcript(session: Session, conversation: Conversation) -> list[Entry]:
    messages = record.messages(session, conversation.id)
    files = attachments.beside(session, messages)
    return [
        Entry(
            id=m.id,
            at=m.created_at,
            author=m.author,
            kind=m.kind,
            text=m.text,
            attachments=[
                File(kind=f.kind, name=f.name, size=f.size, address=f"/desk/files/{f.id}")
                for f in files.get(m.id, ())
            ],
        )
        for m in messages
        if m.kind != Kind.EVENT
    ]


def parcel_card(session: Session, waybill_no: str) -> Parcel:
    shipment = parcels.by_waybill(session, waybill_no)
    if shipment is None:
        return Parcel(waybill_no=waybill_no, known=False)
    at = whereabouts(session, shipment)
    return Parcel(
        waybill_no=waybill_no,
        known=True,
        status=shipment.status,
        goods=shipment.goods,
        goods_class=shipment.goods_class,
        eta_to=shipment.eta_to,
        last_scan=Node(
            at=at.at,
            place=at.place,
            status=at.status,
            next_place=at.next_place,
            next_at=at.next_at,
            reason=at.reason,
        ),
    )


def _episode(session: Session, episode: Conversation) -> Episode:
    last = record.last_customer_message(session, episode.id)
    return Episode(
        key=episode.key,
        began=episode.created_at,
        ended=episode.last_message_at,
        last_words=last.text if last else None,
        tickets=[t.number for t in tickets.of_conversation(session, episode.id)],
    )
