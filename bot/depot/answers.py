"""What the depot says to an order, at once or later, noted once and told to the customer once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Message
from conversations.schemas import Button, Outbound
from conversations.texts import Texts
from parcels import orders
from parcels.change_models import DepotOrder, OrderKind
from store.live import Live
from store.orders import OrderState, Receipt
from tickets.promises import deliveries
from tickets.promises.clocks import Clocks

STILL_COMES = frozenset(
    {OrderKind.ADDRESS, OrderKind.NEIGHBOUR, OrderKind.DOOR, OrderKind.RECIPIENT}
)
"""Changes after which a parcel is still delivered when it was to be."""


def conversation_of(session: Session, order: DepotOrder) -> Conversation:
    """Wherever the customer wrote last."""
    found = record.latest_conversation(session, order.customer_id)
    assert found is not None, "an order without a conversation"
    return found


class Answers:
    """In the caller's transaction, which holds the order."""

    def __init__(self, texts: Texts, live: Live, clocks: Clocks) -> None:
        self._texts = texts
        self._live = live
        self._clocks = clocks

    def heard(self, session: Session, order: DepotOrder, receipt: Receipt) -> None:
        """Note and tell a final answer. The same again changes nothing; Conflict for another
        than before."""
        if orders.answered(session, order, receipt):
            self.tell(session, order)

    def tell(self, session: Session, order: DepotOrder) -> None:
        """How the order stands, in the customer's language."""
        conversation = conversation_of(session, order)
        language = conversation.language
        what = orders.describe(self._texts, language, order.kind, order.waybill_no, order.wish)
        words = self._texts.say(
            language,
            f"change.{order.state}",
            what=what,
            reason=self._reason(order, language),
        )
        buttons: tuple[Button, ...] = ()
        if order.state == OrderState.REFUSED:
            person = self._texts.say(language, "talk.ask_person")
            buttons = (Button(person, self._texts.say(language, "talk.ask_person_say")),)
        outbound = Outbound(f"depot:{order.id}:{order.state}", words, buttons)
        told = conversations.post(session, conversation, outbound, Author.BOT)
        if told is not None and order.state == OrderState.ACCEPTED:
            self._promise(session, order, told, what)
        self._live.after_commit(session, "outbox", f"conversation:{conversation.id}")

    def _promise(self, session: Session, order: DepotOrder, told: Message, what: str) -> None:
        """A delivery at another time is a promise, kept by its scan; of a pickup nothing tells us
        whether it was."""
        number = order.waybill_no
        if number is None:
            return
        if order.kind == OrderKind.RESCHEDULE:
            by = datetime.fromisoformat(order.wish["to"])
            deliveries.make(session, self._clocks, told, number, what, by, agreed=True)
        elif order.kind not in STILL_COMES:
            deliveries.withdraw(session, self._clocks, order.customer_id, number)

    def _reason(self, order: DepotOrder, language: str) -> str:
        """Our words for the depot's reason; its own are for people at the desk, not for him."""
        fixed = {OrderState.ACCEPTED: "none", OrderState.UNANSWERED: "silent"}
        key = f"change.reason.{fixed.get(order.state, order.reason or 'other')}"
        return self._texts.say(language, key if self._texts.has(key) else "change.reason.other")
