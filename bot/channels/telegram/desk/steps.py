"""What a topic needs next to show what the record holds: one call to Telegram at a time.

A step is noted once Telegram has done it. After a kill the step is done again: at worst a topic
without a card stands twice, or colleagues read a line twice. Customers never do: their messages
leave by the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from sqlalchemy.orm import Session

from bot.channels.telegram.desk.words import TopicWords
from conversations.models import Message
from handoff import repository, topics
from handoff.models import Case, Topic, TopicLine, TopicProblem
from handoff.topics import Group

MERGED = 100
"""Entries of the record that leave together at most."""


class Do(Enum):
    CREATE = auto()
    REOPEN = auto()
    CARD = auto()
    PIN = auto()
    POST = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """``text`` is a name for CREATE, the lines for POST; ``shown`` and ``lines`` are what the topic
    holds after it, ``case_id`` the case it is about."""

    do: Do
    case_id: int
    text: tuple[str, ...] = ()
    shown: int = 0
    lines: tuple[int, ...] = ()


def next_step(session: Session, topic: Topic, group: Group, words: TopicWords) -> Step | None:
    """``None`` once the topic shows all."""
    newest = repository.latest_case(session, topic.conversation_id)
    open_case = repository.open_case(session, topic.conversation_id)
    case = topics.shown_case(open_case, topic, group)
    if newest is None or (case is None and topic.thread is None):
        return None
    if case is not None and case.id != topic.case_id and topic.problem == TopicProblem.DELETED:
        topic.thread = None
    if case is not None and (step := _opening(topic, case, words)):
        return step
    if topic.card and not topic.pinned and topic.open:
        return Step(Do.PIN, newest.id)
    if step := _post(session, topic, newest, words):
        return step
    if case is None and topic.open:
        return Step(Do.CLOSE, newest.id)
    return None


def _opening(topic: Topic, case: Case, words: TopicWords) -> Step | None:
    if topic.thread is None:
        return Step(Do.CREATE, case.id, (words.name(case),))
    if not topic.open:
        return Step(Do.REOPEN, case.id)
    if case.id != topic.case_id:
        shown = max((entry["id"] for entry in case.packet["transcript"]), default=0)
        return Step(Do.CARD, case.id, (words.card(case),), shown=max(shown, topic.shown))
    return None


def _post(session: Session, topic: Topic, case: Case, words: TopicWords) -> Step | None:
    """All that is missing, in one message; what shows nothing is passed over."""
    said = topics.to_be_said(session, topic)
    texts = [
        words.say("failed", text=_words(session, line)) if line.answer is None else line.answer
        for line in said
    ]
    shown = topic.shown
    if topic.open:
        newest = topics.newest_message(session, topic)
        messages = list(topics.unshown(session, topic, MERGED))
        texts += words.lines(messages, repository.staff_names(session))
        shown = messages[-1].id if len(messages) == MERGED else max(newest, shown)
    if not texts:
        topic.shown = shown
        return None
    return Step(Do.POST, case.id, tuple(texts), shown, tuple(line.id for line in said))


def done(session: Session, topic: Topic, step: Step, number: int) -> None:
    """Note what Telegram did; ``number`` is that of the topic or message it made."""
    topic.problem = None
    match step.do:
        case Do.CREATE:
            topic.thread, topic.open, topic.case_id = number, True, None
        case Do.REOPEN:
            topic.open = True
        case Do.CARD:
            topic.card, topic.case_id, topic.pinned = number, step.case_id, False
            topic.shown = step.shown
        case Do.PIN:
            topic.pinned = True
        case Do.POST:
            topic.shown = step.shown
            for line_id in step.lines:
                line = session.get_one(TopicLine, line_id)
                line.answer, line.failure_told = None, line.failure_told or line.answer is None
        case Do.CLOSE:
            topic.open = False


def _words(session: Session, line: TopicLine) -> str:
    return session.get_one(Message, line.message_id).text
