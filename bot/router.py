"""Who answers a customer's message: the only place that decides.

``holder`` is read here. ``bot``: Rasa is asked and its answers are posted in the transaction that
marks the message handled. ``waiting`` and ``agent``: people answer; the desk has been woken when
the message was stored, and Rasa is told later what was said meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.nlu.normalise import normalise
from bot.nlu.numbers import find_numbers
from bot.rasa import Answer, Rasa
from conversations import repository as record
from conversations import service as conversations
from conversations.attachments import WITH_FILES
from conversations.models import Author, Conversation, Holder, Inbox, Kind, Message
from conversations.schemas import Outbound
from conversations.texts import Texts
from handoff.packet import Learned, Request
from handoff.repository import open_case, waiting_before
from handoff.service import Handoffs
from parcels import repository as parcels
from parcels.lookup import canonical
from parcels.models import GoodsClass
from store import clock
from store.claims import release, waits_behind
from store.engine import Database
from store.errors import BotUnavailable
from store.live import Live
from tickets import evidence
from tickets.after.service import After
from tickets.service import Tickets
from tickets.urgency import Circumstances

log = logging.getLogger(__name__)

LOCATED = "ask_service_point"
"""What a shared location asks, without any words; a form under way takes it its own way."""
QUIET = timedelta(seconds=20)
"""So long after our last words a waiting customer is not told his place again."""
FORM_SLOTS = (
    "requested_slot", "report_kind", "report_text", "proposals", "pending", "not_known", "detail",
    "also", "change",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A message for the bot, and what it has missed before it."""

    key: str
    text: str
    metadata: dict[str, Any]
    missed: tuple[dict[str, Any], ...]
    intent: str | None


class Router:
    """Takes one inbox row to whoever holds the conversation."""

    def __init__(
        self,
        database: Database,
        live: Live,
        rasa: Rasa,
        handoffs: Handoffs,
        tickets: Tickets,
        after: After,
        texts: Texts,
    ) -> None:
        self._database = database
        self._live = live
        self._rasa = rasa
        self._handoffs = handoffs
        self._tickets = tickets
        self._after = after
        self._texts = texts

    async def route(self, row: Inbox) -> None:
        """Answer the row, or leave it to people, and mark it handled: at most once."""
        asked = await asyncio.to_thread(self._prepare, row)
        if asked is None:
            return
        try:
            answers = await self._ask(row, asked)
        except BotUnavailable as error:
            log.warning("bot unavailable for inbox %s: %s", row.id, error)
            await asyncio.to_thread(self._without_bot, row)
        else:
            await asyncio.to_thread(self._post, row, answers)

    async def _ask(self, row: Inbox, asked: Asked) -> list[Answer]:
        if row.attempts > 1:
            # A worker died with this row: if Rasa answered then, the answer stands.
            answered = await self._rasa.answered_already(asked.key, row.id)
            if answered:
                return answered
        if asked.missed:
            await self._rasa.append(asked.key, asked.missed)
        return await self._rasa.ask(asked.key, asked.text, asked.metadata, asked.intent)

    def _prepare(self, row: Inbox) -> Asked | None:
        """What to ask the bot; None, and handled, if the customer answered what we had asked him,
        people hold the conversation, or a file came without words, which no bot can understand."""
        with self._database.read() as session:
            conversation = session.get_one(Conversation, row.conversation_id)
            expected = self._after.expects(session, conversation.customer_id)
        if expected and self._answered(row):
            return None
        with self._database.read() as session:
            conversation = session.get_one(Conversation, row.conversation_id)
            message = session.get_one(Message, row.message_id)
            located = "point" in message.payload
            wordless = message.payload.get("label") == message.text and not located
            if conversation.holder == Holder.BOT and not wordless:
                return Asked(
                    key=conversation.key,
                    text=message.text,
                    intent=LOCATED if located else None,
                    metadata={"inbox_id": row.id, "message_id": message.id},
                    missed=tuple(self._missed(session, conversation, message)),
                )
        with self._database.write() as session:
            conversation = session.get_one(Conversation, row.conversation_id)
            if conversation.holder != Holder.BOT:
                self._handoffs.heard(session, conversation, row.message_id)
            if conversation.holder == Holder.WAITING:
                self._while_waiting(session, conversation, row)
            elif conversation.holder == Holder.BOT and wordless:
                words = self._texts.say(conversation.language, "talk.got_file")
                outbound = Outbound(f"in:{row.id}:0", words)
                conversations.post(session, conversation, outbound, Author.SYSTEM)
            self._handled(session, row)
        return None

    def _answered(self, row: Inbox) -> bool:
        """Whether the message answers what we had asked the customer about his ticket or our
        service; whoever holds the conversation. What is not solved goes to a person."""
        with self._database.write() as session:
            conversation = session.get_one(Conversation, row.conversation_id)
            message = session.get_one(Message, row.message_id)
            heard = self._after.hear(session, conversation, message, f"in:{row.id}:0")
            if heard is None:
                return False
            if heard.unsolved is not None:
                self._handoffs.again(session, conversation, heard.unsolved)
            self._handled(session, row)
            return True

    def _while_waiting(self, session: Session, conversation: Conversation, row: Inbox) -> None:
        """Nobody talks into silence: his place and time again, but not after every line.

        A waybill number that comes now goes into the ticket and the packet.
        """
        message = session.get_one(Message, row.message_id)
        for waybill_no in _waybills(message):
            self._handoffs.learn_waybill(session, conversation, waybill_no, message)
        case = open_case(session, conversation.id)
        before = record.last_of_ours(session, conversation.id)
        if case is None or (before and clock.now() - before.created_at < QUIET):
            return
        ahead = waiting_before(session, case)
        key = "handoff.still_waiting" if ahead else "handoff.still_waiting_next"
        words = self._texts.say(conversation.language, key, ahead=ahead, by=case.contact_by)
        conversations.post(session, conversation, Outbound(f"in:{row.id}:0", words), Author.SYSTEM)

    def _missed(
        self, session: Session, conversation: Conversation, message: Message
    ) -> list[dict[str, Any]]:
        """Events for what people said while the bot was silent; the form begins afresh after it."""
        people = [
            entry
            for entry in record.messages(session, conversation.id, after=conversation.bot_knows)
            if entry.id < message.id
            and entry.kind not in (Kind.NOTE, Kind.EVENT)
            and entry.author != Author.BOT
        ]
        if not any(entry.author == Author.AGENT for entry in people):
            return []
        events: list[dict[str, Any]] = [{"event": "active_loop", "name": None}]
        events += [{"event": "slot", "name": name, "value": None} for name in FORM_SLOTS]
        events += [
            {
                "event": "user" if entry.author == Author.CUSTOMER else "bot",
                "text": entry.text,
                "timestamp": entry.created_at.timestamp(),
                "metadata": {"message_id": entry.id, "author": entry.author},
                # Rasa refuses a user event without: nobody has read these words for an intent.
                "parse_data": {"intent": {}, "entities": [], "intent_ranking": []},
            }
            for entry in people
        ]
        return [*events, {"event": "action", "name": "action_listen"}]

    def _post(self, row: Inbox, answers: Sequence[Answer]) -> None:
        with self._database.write() as session:
            conversation = session.get_one(Conversation, row.conversation_id)
            for number, answer in enumerate(answers):
                conversations.post(
                    session,
                    conversation,
                    Outbound(f"in:{row.id}:{number}", answer.text, answer.buttons),
                    Author.BOT,
                )
            conversation.bot_knows = max(conversation.bot_knows, row.message_id)
            self._handled(session, row)

    def _without_bot(self, row: Inbox) -> None:
        """An honest sentence and a person; nothing the customer wrote is lost.

        A number needs no bot to be read: what the record knows of it decides how urgent this is.
        """
        with self._database.write() as session:
            conversation = session.get_one(Conversation, row.conversation_id)
            message = session.get_one(Message, row.message_id)
            number = next(_waybills(message), None)
            shipment = parcels.by_waybill(session, number) if number else None
            verdict = self._tickets.urgency.decide(
                Circumstances(
                    intent="complain",
                    text=message.text,
                    goods_class=shipment.goods_class if shipment else GoodsClass.GENERAL,
                    anger=conversation.anger,
                )
            )
            told = Learned("waybill_no", number, "customer", message.id, message.created_at)
            placed = self._handoffs.request(
                session,
                conversation,
                Request(
                    reason="bot_down",
                    rule="bot_unavailable",
                    intent="complain",
                    verdict=verdict,
                    learned=(told,) if number else (),
                    waybill_no=number,
                ),
            )
            waiting = "handoff.waiting" if placed.ahead else "handoff.waiting_next"
            words = [
                self._texts.say(conversation.language, "handoff.bot_down"),
                self._texts.say(
                    conversation.language, waiting, ahead=placed.ahead, by=placed.contact_by
                ),
            ]
            conversations.post(
                session,
                conversation,
                Outbound(f"in:{row.id}:0", "\n".join(words)),
                Author.SYSTEM,
            )
            self._handled(session, row)

    def _handled(self, session: Session, row: Inbox) -> None:
        current = session.get_one(Inbox, row.id)
        current.handled_at = clock.now()
        if session.get_one(Message, row.message_id).kind in WITH_FILES:
            evidence.gather(session, self._tickets.lifecycle, row.conversation_id)
        release(current, retry_at=None)
        topics = ["outbox", f"conversation:{row.conversation_id}"]
        if waits_behind(session, [current]):
            topics.append("inbox")
        self._live.after_commit(session, *topics)


def _waybills(message: Message) -> Iterator[str]:
    """The waybill numbers in a message, as the record writes them."""
    for number in find_numbers(normalise(message.text).text):
        if number.kind == "waybill_no":
            yield canonical(number.value)
