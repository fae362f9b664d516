"""Agents promise: what they write is set against the ledger, and goes into it if they wish.

In the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Kind, Message
from conversations.texts import Texts
from handoff.models import Case
from parcels import repository as parcels
from parcels.models import Status
from store import clock, ids
from store.errors import Contradicts, Invalid, NotFound
from tickets.models import Ticket, Urgency
from tickets.promises import repository
from tickets.promises.clocks import About, Clocks
from tickets.promises.ledger import Said
from tickets.promises.models import Promise, PromiseKind, PromiseState, Topic


def confirmation(text: str) -> str:
    """What comes along when the same words are sent once more, although they put off a promise."""
    return ids.fingerprint(conversations.clean(text))


class Promising:
    """The ledger of one customer, as the desk uses it."""

    def __init__(self, clocks: Clocks, texts: Texts) -> None:
        self._clocks = clocks
        self._texts = texts

    def check(self, session: Session, conversation: Conversation, text: str) -> None:
        """Contradicts, if ``text`` names a later time than is promised already."""
        said = self._clocks.ledger.find(text, clock.now(), self._texts.zone)
        if not said:
            return
        owed = repository.to_customer(session, conversation.customer_id, open_only=True)
        for each in said:
            earlier = self._clocks.ledger.contradicted(each, owed)
            if earlier is not None:
                raise Contradicts(
                    f"promise {earlier.id}",
                    kind=earlier.kind,
                    words=earlier.words,
                    by=earlier.by,
                    said=each.words,
                    confirm=confirmation(text),
                )

    def in_words(self, message: Message) -> tuple[Said, ...]:
        """What a message of an agent promises."""
        return self._clocks.ledger.find(message.text, message.created_at, self._texts.zone)

    def record(self, session: Session, case: Case, message_id: int, staff_id: int) -> list[Promise]:
        """Keep what a message of this case promises, once. NotFound for a message of another one,
        Invalid if it promises nothing."""
        message = session.get(Message, message_id)
        if message is None or message.conversation_id != case.conversation_id:
            raise NotFound(f"message {message_id}")
        known = repository.by_message(session, message_id)
        if known:
            return list(known)
        said = self.in_words(message)
        if message.author != Author.AGENT or message.kind == Kind.NOTE or not said:
            raise Invalid("a message that promises nothing")
        about = About(case.conversation_id, Urgency(case.urgency), "", case.ticket_id)
        waybill_no = self._waybill(session, case)
        return [
            self._clocks.say(
                session,
                about,
                each.words,
                each.by,
                message_id=message.id,
                staff_id=staff_id,
                waybill_no=waybill_no if each.topic == Topic.DELIVERY else None,
            )
            for each in said
        ]

    def end(self, session: Session, case: Case, promise_id: int, state: PromiseState) -> Promise:
        """It was kept, or is not owed any more. NotFound for one of another customer."""
        promise = session.get(Promise, promise_id)
        if promise is None or not _same_customer(session, promise, case):
            raise NotFound(f"promise {promise_id}")
        self._clocks.end(session, promise, state)
        return promise

    def delivered(self, session: Session, promise: Promise) -> bool:
        """Whether what was promised is a delivery that has come in time: then it is kept."""
        if promise.kind != PromiseKind.WORD or promise.waybill_no is None:
            return False
        shipment = parcels.by_waybill(session, promise.waybill_no)
        if shipment is None or shipment.status != Status.DELIVERED:
            return False
        scan = parcels.last_scan(session, shipment.id)
        if scan is None or scan.at > promise.by:
            return False
        return self._clocks.end(session, promise, PromiseState.KEPT)

    @staticmethod
    def _waybill(session: Session, case: Case) -> str | None:
        ticket = session.get(Ticket, case.ticket_id) if case.ticket_id else None
        parcel = case.packet.get("parcel") or {}
        return (ticket.waybill_no if ticket else None) or parcel.get("waybill_no")


def _same_customer(session: Session, promise: Promise, case: Case) -> bool:
    here, there = (
        session.get_one(Conversation, conversation_id)
        for conversation_id in (case.conversation_id, promise.conversation_id)
    )
    return record.customer_of(session, here).id == record.customer_of(session, there).id
