"""Topics: which conversations are shown in a group too, and what of the record is missing there.

The record is the truth. A topic's row falls due when the record holds more than the topic shows,
so nothing has to be told to it, and nothing is lost by a kill. In the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from conversations.models import Delivery, Kind, Message, Outbox
from handoff import repository
from handoff.models import Case, Topic, TopicLine, TopicProblem
from store import clock

Group = Callable[[str], int | None]
"""The group of a team, if it has one."""
MOST = 500
"""Open cases that are looked at."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What is to be done: topics that are ``missing`` (conversation, group), and those of these
    ``ids`` that show less than the record holds."""

    missing: tuple[tuple[int, int], ...]
    ids: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.ids)


def behind(session: Session, group: Group) -> Behind:
    """A look that takes no lock. Its cost follows the open cases and topics, never the record."""
    cases = {case.conversation_id: case for case, _, _ in repository.queue(session, limit=MOST)}
    known = _topics(session, cases)
    wanted = ((case.conversation_id, group(case.team)) for case in cases.values())
    missing = tuple((n, chat) for n, chat in wanted if chat is not None and (n, chat) not in known)
    idle = [topic for topic in known.values() if topic.due_at is None]
    newest = _newest_messages(session, {topic.conversation_id for topic in idle})
    speaking = {line.topic_id for line in _to_be_said(session, [topic.id for topic in idle])}
    late = [
        topic.id
        for topic in idle
        if _is_behind(topic, shown_case(cases.get(topic.conversation_id), topic, group), newest)
        or topic.id in speaking
    ]
    return Behind(missing, tuple(late))


def _is_behind(topic: Topic, case: Case | None, newest: dict[int, int]) -> bool:
    """``case`` is the open one it should show, if any."""
    if case is None:
        return topic.open
    if case.id != topic.case_id:
        return True
    if topic.problem == TopicProblem.DELETED:
        return False
    return not topic.open or newest.get(topic.conversation_id, 0) > topic.shown


def fall_due(session: Session, found: Behind) -> None:
    """Make the topics that are missing; all that are behind fall due."""
    at = clock.now()
    for conversation_id, chat in found.missing:
        session.add(
            Topic(conversation_id=conversation_id, chat=chat, created_at=at, due_at=at, attempts=0)
        )
    session.flush()
    session.execute(
        update(Topic)
        .where(Topic.id.in_(found.ids), Topic.due_at.is_(None))
        .values(due_at=at, attempts=0),
        execution_options={"synchronize_session": False},
    )


def shown_case(case: Case | None, topic: Topic, group: Group) -> Case | None:
    """The open case, if this topic's group is where its team sees it."""
    return case if case is not None and group(case.team) == topic.chat else None


def at(session: Session, chat: int, thread: int) -> Topic | None:
    return session.scalar(select(Topic).where(Topic.chat == chat, Topic.thread == thread))


def of_conversation(session: Session, conversation_id: int) -> Topic | None:
    """The newest topic of a conversation: what the desk names."""
    return session.scalar(
        select(Topic)
        .where(Topic.conversation_id == conversation_id)
        .order_by(Topic.open.desc(), Topic.id.desc())
        .limit(1)
    )


def line(session: Session, topic: Topic, outside_id: str) -> TopicLine | None:
    """What was heard there before under this number."""
    return session.scalar(
        select(TopicLine).where(TopicLine.topic_id == topic.id, TopicLine.outside_id == outside_id)
    )


def held(session: Session, topic: Topic, staff_id: int) -> Sequence[TopicLine]:
    """Words of this person that wait for his yes, the newest first."""
    return session.scalars(
        select(TopicLine)
        .where(
            TopicLine.topic_id == topic.id,
            TopicLine.staff_id == staff_id,
            TopicLine.held.is_not(None),
        )
        .order_by(TopicLine.id.desc())
    ).all()


def last_sent(session: Session, topic: Topic, staff_id: int) -> int | None:
    """The message of the record that this person's last words to the customer became."""
    return session.scalar(
        select(Message.id)
        .join(TopicLine, TopicLine.message_id == Message.id)
        .where(
            TopicLine.topic_id == topic.id,
            TopicLine.staff_id == staff_id,
            Message.kind != Kind.NOTE,
        )
        .order_by(TopicLine.id.desc())
        .limit(1)
    )


def unshown(session: Session, topic: Topic, limit: int) -> Sequence[Message]:
    """What the record holds beyond the topic and what was not written in it, in order."""
    here = select(TopicLine.message_id).where(
        TopicLine.topic_id == topic.id, TopicLine.message_id.is_not(None)
    )
    return session.scalars(
        select(Message)
        .where(
            Message.conversation_id == topic.conversation_id,
            Message.id > topic.shown,
            Message.id.not_in(here),
        )
        .order_by(Message.id)
        .limit(limit)
    ).all()


def newest_message(session: Session, topic: Topic) -> int:
    return _newest_messages(session, {topic.conversation_id}).get(topic.conversation_id, 0)


def to_be_said(session: Session, topic: Topic) -> Sequence[TopicLine]:
    """Lines whose answer, or whose failure to reach the customer, is not told yet."""
    return _to_be_said(session, [topic.id])


def _to_be_said(session: Session, topic_ids: Sequence[int]) -> Sequence[TopicLine]:
    if not topic_ids:
        return []
    failed = select(Outbox.message_id).where(
        Outbox.message_id == TopicLine.message_id, Outbox.state == Delivery.FAILED
    )
    return session.scalars(
        select(TopicLine)
        .where(
            TopicLine.topic_id.in_(topic_ids),
            or_(
                TopicLine.answer.is_not(None),
                TopicLine.failure_told.is_(False) & failed.exists(),
            ),
        )
        .order_by(TopicLine.id)
    ).all()


def _topics(session: Session, cases: dict[int, Case]) -> dict[tuple[int, int], Topic]:
    """Those of these conversations, and all that stand open, by conversation and group."""
    found = session.scalars(
        select(Topic).where(or_(Topic.conversation_id.in_(cases), Topic.open.is_(True)))
    )
    return {(topic.conversation_id, topic.chat): topic for topic in found}


def _newest_messages(session: Session, conversation_ids: set[int]) -> dict[int, int]:
    if not conversation_ids:
        return {}
    rows = session.execute(
        select(Message.conversation_id, func.max(Message.id))
        .where(Message.conversation_id.in_(conversation_ids))
        .group_by(Message.conversation_id)
    )
    return {row[0]: row[1] for row in rows}
