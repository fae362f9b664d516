"""What the depot says to an order, at once or later, noted once and told to the customer once."""

from __future__ import annotations

from sqlalchemy.orm import Session

from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Button, Outbound
from conversations.texts import Texts
from parcels import orders
from parcels.change_models import DepotOrder
from store.live import Live
from store.orders import OrderState, Receipt


def conversation_of(session: Session, order: DepotOrder) -> Conversation:
    """Wherever the customer wrote last."""
    found = record.latest_conversation(session, order.customer_id)
    assert found is not None, "an order without a conversation"
    return found


class Answers:
    """In the caller's transaction, which holds the order."""

    def __init__(self, texts: Texts, live: Live) -> None:
        self._texts = texts
        self._live = live

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
        conversations.post(session, conversation, outbound, Author.BOT)
        self._live.after_commit(session, "outbox", f"conversation:{conversation.id}")

    def _reason(self, order: DepotOrder, language: str) -> str:
        """Our words for the depot's reason; its own are for people at the desk, not for him."""
        fixed = {OrderState.ACCEPTED: "none", OrderState.UNANSWERED: "silent"}
        key = f"change.reason.{fixed.get(order.state, order.reason or 'other')}"
        return self._texts.say(language, key if self._texts.has(key) else "change.reason.other")
