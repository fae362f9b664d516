"""What people write in the groups, done by the same service as the web desk's buttons.

Everything of one message is one transaction, and its number is kept: delivered again, it says
nothing new. What is to be answered is a row too, and leaves by the mirror.
"""

from __future__ import annotations

import re

from sqlalchemy.orm import Session
from telegram import Message, Update

from bot.channels.telegram.desk import Groups
from bot.channels.telegram.desk.words import TopicWords
from handoff import links, repository, topics
from handoff.desk.parts import may_open
from handoff.models import Case, CaseState, Topic, TopicLine
from handoff.service import Handoffs
from handoff.staff import SignedIn
from store import clock
from store.engine import Database
from store.errors import (
    AlreadyTaken,
    Contradicts,
    CourierError,
    Invalid,
    NotFound,
    NotYours,
    TooLong,
)
from store.live import Live

_LINK = re.compile(r"/link(?:@\w+)?(?:\s+(\S+))?\s*")
_COMMAND = re.compile(r"/(\w+)(?:@\w+)?(?:\s+(.*))?", re.DOTALL)
MOST = 2**31 - 1
"""The largest topic number that a table has."""


class Hearing:
    """Takes what concerns the groups; everything else is customers'."""

    def __init__(
        self,
        database: Database,
        live: Live,
        handoffs: Handoffs,
        groups: Groups,
        words: TopicWords,
    ) -> None:
        self._database = database
        self._live = live
        self._handoffs = handoffs
        self._groups = groups
        self._words = words

    def concerns(self, update: Update) -> bool:
        """Whether this is staff's: written in a group of theirs, or a code to link oneself."""
        query = update.callback_query
        message = query.message if query else update.message or update.edited_message
        if message is None:
            return False
        if message.chat.id in self._groups:
            return True
        text = update.message.text if update.message else None
        return message.chat.type == "private" and _LINK.fullmatch(text or "") is not None

    def take(self, update: Update) -> str | None:
        """Do what is written; words to be said at once where it was, if it was in no topic."""
        message = update.message or update.edited_message
        if message is None or message.from_user is None:
            return None
        if update.message and (code := _LINK.fullmatch(message.text or "")):
            return self._link(code[1] or "", message.from_user.id)
        if message.chat.id in self._groups and message.is_topic_message:
            self._hear(message, edited=update.message is None)
        return None

    def _link(self, code: str, user_id: int) -> str:
        try:
            with self._database.write() as session:
                staff = links.redeem(session, code, user_id)
        except NotFound:
            return self._words.say("wrong_code")
        return self._words.say("linked", name=staff.name)

    def _hear(self, message: Message, *, edited: bool) -> None:
        if message.text is None and message.effective_attachment is None:
            return  # Telegram's own notices: pinned, closed, ...
        with self._database.write() as session:
            thread = message.message_thread_id or 0
            topic = topics.at(session, message.chat.id, thread) if thread <= MOST else None
            if topic is None:
                return
            number = str(message.message_id)
            if edited:
                first = topics.line(session, topic, number)
                if first is None or first.message_id is None or message.edit_date is None:
                    return
                number = f"{number}:{int(message.edit_date.timestamp())}"
            if topics.line(session, topic, number) is not None:
                return
            line = TopicLine(topic_id=topic.id, outside_id=number)
            try:
                self._do(session, topic, line, message, edited=edited)
            except CourierError as error:
                line.answer = self._sentence(session, topic, error)
            session.add(line)
            if line.answer is not None and topic.due_at is None:
                topic.due_at, topic.attempts = clock.now(), 0
            self._live.after_commit(session, "queue")

    def _do(
        self, session: Session, topic: Topic, line: TopicLine, message: Message, *, edited: bool
    ) -> None:
        """Note in ``line`` the message of the record it became, and what is to be answered."""
        assert message.from_user is not None
        person = links.person(session, message.from_user.id)
        if person is None or edited or message.text is None:
            key = "not_linked" if person is None else "no_edits" if edited else "words_only"
            line.answer = self._words.say(key)
            return
        line.staff_id = person.id
        case = repository.latest_case(session, topic.conversation_id)
        if case is None:
            raise NotFound("a topic without a case")
        found = _COMMAND.fullmatch(message.text)
        if found is not None:
            self._command(session, topic, line, case, person, found[1].lower(), found[2] or "")
            return
        for earlier in topics.held(session, topic, person.id):
            earlier.held = None  # he has thought better of it
        self._send(session, line, case, person, message.text, confirmed=False)

    def _send(
        self,
        session: Session,
        line: TopicLine,
        case: Case,
        person: SignedIn,
        text: str,
        *,
        confirmed: bool,
    ) -> None:
        """Words to the customer; held back, with a question, where they put off a promise."""
        key = f"tg:{line.topic_id}:{line.outside_id}"
        try:
            sent = self._handoffs.reply(session, case.id, person, text, key, confirmed=confirmed)
        except Contradicts as error:
            line.held = text
            line.answer = self._words.contradicts(error)
            return
        if sent is not None:
            line.message_id = sent.id
            promised = self._handoffs.promising.in_words(sent)
            line.answer = self._words.promised("offered", promised) if promised else None

    def _command(
        self,
        session: Session,
        topic: Topic,
        line: TopicLine,
        case: Case,
        person: SignedIn,
        name: str,
        words: str,
    ) -> None:
        match name:
            case "take":
                self._handoffs.take(session, case.id, person)
            case "note" if words.strip():
                may_open(person, case)
                line.message_id = self._handoffs.note(session, case.id, person, words).id
            case "note":
                line.answer = self._words.say("empty_note")
            case "send":
                held = topics.held(session, topic, person.id)
                if not held:
                    line.answer = self._words.say("nothing_held")
                    return
                text, held[0].held = held[0].held or "", None
                self._send(session, line, case, person, text, confirmed=True)
            case "promise":
                sent = topics.last_sent(session, topic, person.id) or 0
                try:
                    made = self._handoffs.promise(session, case.id, person, sent)
                except (Invalid, NotFound):
                    line.answer = self._words.say("nothing_promised")
                else:
                    line.answer = self._words.promised("recorded", made)
            case "resolve":
                self._handoffs.resolve(session, case.id, person, words.strip()[:500] or None)
            case "bot":
                self._handoffs.hand_back(session, case.id, person)
            case _:
                line.answer = self._words.say("unknown")

    def _sentence(self, session: Session, topic: Topic, error: CourierError) -> str:
        """Why nothing was done, as the person who wrote reads it."""
        if isinstance(error, TooLong):
            return self._words.say("too_long")
        case = repository.latest_case(session, topic.conversation_id)
        match error, case.state if case is not None else None:
            case _, CaseState.WAITING:
                return self._words.say("take_first")
            case _, CaseState.RESOLVED | CaseState.RETURNED:
                return self._words.say("ended")
            case AlreadyTaken(), _:
                return self._words.say("already_taken", name=error.facts.get("by", "?"))
            case NotYours(), _:
                return self._words.say("not_yours")
        return self._words.say("not_done")
