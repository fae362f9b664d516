"""What the bot promises of a delivery: a window that was agreed, or that a courier is on his way
with. An estimate is none: it says itself how sure it is.

In the caller's transaction. ``handoff/promising.py:delivered`` keeps such a promise.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from conversations.models import Conversation, Message
from tickets.models import Urgency
from tickets.promises import repository
from tickets.promises.clocks import About, Clocks
from tickets.promises.models import Promise, PromiseKind, PromiseState


def make(
    session: Session,
    clocks: Clocks,
    message: Message,
    waybill_no: str,
    words: str,
    by: datetime,
    *,
    agreed: bool,
) -> None:
    """``message`` told its customer that a parcel is delivered by then.

    What he ``agreed`` to takes the place of what he was promised of this parcel before. A time that
    nobody asked him about does so only where it is nearer: it puts nothing off.
    """
    talk = session.get_one(Conversation, message.conversation_id)
    if not agreed and any(p.by <= by for p in _open(session, talk.customer_id, waybill_no)):
        return
    withdraw(session, clocks, talk.customer_id, waybill_no)
    about = About(talk.id, Urgency.GREEN)
    clocks.say(
        session, about, words, by, message_id=message.id, staff_id=None, waybill_no=waybill_no
    )


def withdraw(session: Session, clocks: Clocks, customer_id: int, waybill_no: str) -> None:
    """The customer wants it otherwise: the delivery he was promised is not owed any more."""
    for promise in _open(session, customer_id, waybill_no):
        clocks.end(session, promise, PromiseState.WITHDRAWN)


def _open(session: Session, customer_id: int, waybill_no: str) -> list[Promise]:
    return [
        promise
        for promise in repository.to_customer(session, customer_id, open_only=True)
        if promise.kind == PromiseKind.WORD and promise.waybill_no == waybill_no
    ]
