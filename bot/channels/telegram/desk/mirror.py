"""Topics are brought up to the record, step by step, at the pace Telegram allows in a group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from bot.channels.base import SendFailed, TryLater, UnknownResult, Unreachable
from bot.channels.telegram.client import Client, Moved
from bot.channels.telegram.desk import Groups
from bot.channels.telegram.desk.steps import Do, Step, done, next_step
from bot.channels.telegram.desk.words import TopicWords
from bot.channels.telegram.pace import Full, Pace
from bot.loops import Loop
from handoff import topics
from handoff.models import Topic, TopicProblem
from store import clock
from store.claims import backoff, claim, next_due, release
from store.engine import Database
from store.live import Live

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
SIDE_BY_SIDE = 8
STEPS = 10
"""At most, of one topic in one claim: each waits some seconds at worst."""
RESERVE = 3
"""When no more is left of a group's minute, a topic names the web desk."""
MENDED = timedelta(minutes=10)
"""A supervisor may give the bot its rights back at any time: so often it is tried."""

PROBLEMS: Mapping[TopicProblem, str] = {
    TopicProblem.DELETED: "a topic was deleted in the group; its case goes on on the web desk",
    TopicProblem.NOT_FORUM: "the group has no topics; switch them on in its settings",
    TopicProblem.NO_RIGHTS: (
        "the bot lacks rights in the group; make it an administrator who may manage topics and "
        "pin messages"
    ),
    TopicProblem.NOT_THERE: (
        "the bot is not in the group, or there is none of this id; invite it, or correct "
        "COURIER_TELEGRAM_DESK"
    ),
    TopicProblem.REFUSED: "the group refuses what is to be shown; the web desk has it",
}
"""What a supervisor can do about it."""

_WORDS = (
    (TopicProblem.DELETED, ("thread not found", "topic_deleted", "topic_id_invalid")),
    (TopicProblem.NOT_FORUM, ("not a forum", "channel_forum_missing", "topics are not enabled")),
    (TopicProblem.NO_RIGHTS, ("not enough rights", "admin_required", "rights to")),
    (TopicProblem.NOT_THERE, ("chat not found", "not a member", "kicked", "new id")),
)
"""How Telegram says it, in small letters."""
_DONE_BEFORE = "topic_not_modified"
_FULL = "the group's minute is full"


def problem_of(error: SendFailed) -> TopicProblem:
    """What a refusal means."""
    said = str(error).lower()
    found = (problem for problem, words in _WORDS if any(word in said for word in words))
    return next(found, TopicProblem.REFUSED)


class Mirror:
    """One loop over all groups; ``pace`` is the channel's own, shared with customers' chats."""

    def __init__(
        self,
        client: Client,
        database: Database,
        live: Live,
        groups: Groups,
        words: TopicWords,
        pace: Pace,
    ) -> None:
        self._client = client
        self._database = database
        self._live = live
        self._groups = groups
        self._words = words
        self._pace = pace
        self._loop = Loop(live, "queue", self._work)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    async def _work(self) -> bool:
        claimed = await asyncio.to_thread(self._claim)
        await asyncio.gather(*map(self._bring_up, claimed))
        return bool(claimed)

    def _claim(self) -> list[Topic]:
        """Mostly there is nothing to do: nobody waits for the lock then."""
        with self._database.read() as session:
            behind = topics.behind(session, self._groups.of)
            due = next_due(session, Topic)
        if not behind and (due is None or due > clock.now()):
            return []
        try:
            with self._database.write() as session:
                topics.fall_due(session, behind)
                found: list[Topic] = claim(session, Topic, SIDE_BY_SIDE, LEASE)
                return found
        except IntegrityError:  # another worker made the same topic at this moment
            return []

    async def _bring_up(self, topic: Topic) -> None:
        try:
            for _ in range(STEPS):
                step = await asyncio.to_thread(self._next, topic.id)
                if step is None:
                    return
                number = await self._do(step, topic.id)
                await asyncio.to_thread(self._done, topic.id, step, number)
        except SendFailed as error:
            await asyncio.to_thread(self._failed, topic.id, error)
        except Exception as error:
            log.exception("topic %s failed", topic.id)
            await asyncio.to_thread(self._failed, topic.id, UnknownResult(type(error).__name__))
        else:
            await asyncio.to_thread(self._again_now, topic.id)

    def _next(self, topic_id: int) -> Step | None:
        with self._database.write() as session:
            topic = session.get_one(Topic, topic_id)
            step = next_step(session, topic, self._groups.of, self._words)
            if step is None:
                release(topic, retry_at=None)
            return step

    async def _do(self, step: Step, topic_id: int) -> int:
        topic = await asyncio.to_thread(self._read, topic_id)
        chat, thread = topic.chat, topic.thread or 0
        crowded = topic.last_error == _FULL or self._pace.left(chat) <= RESERVE
        await asyncio.sleep(self._pace.book(chat))
        try:
            match step.do:
                case Do.CREATE:
                    return await self._client.create_topic(chat, step.text[0])
                case Do.REOPEN:
                    await self._client.reopen_topic(chat, thread)
                case Do.CLOSE:
                    await self._client.close_topic(chat, thread)
                case Do.CARD:
                    return int(await self._client.say(chat, step.text[0], topic=thread))
                case Do.PIN:
                    await self._client.pin(chat, topic.card or 0)
                case Do.POST:
                    text = self._words.post(list(step.text), step.case_id, crowded=crowded)
                    return int(await self._client.say(chat, text, topic=thread))
        except TryLater as error:
            if error.after is not None:
                self._pace.hold(chat, error.after)
            raise
        except Unreachable as error:
            if not self._may_pass(step, error):
                raise
        return 0

    @staticmethod
    def _may_pass(step: Step, error: Unreachable) -> bool:
        """It is so already; or the card is only not pinned, and can be read all the same."""
        if step.do is Do.PIN:
            log.warning("a card in a group is not pinned: %s", error)
            return True
        return step.do in (Do.REOPEN, Do.CLOSE) and _DONE_BEFORE in str(error).lower()

    def _read(self, topic_id: int) -> Topic:
        with self._database.read() as session:
            return session.get_one(Topic, topic_id)

    def _done(self, topic_id: int, step: Step, number: int) -> None:
        with self._database.write() as session:
            topic = session.get_one(Topic, topic_id)
            done(session, topic, step, number)
            topic.last_error, topic.leased_until = None, clock.now() + LEASE
            self._live.after_commit(session, f"conversation:{topic.conversation_id}")

    def _again_now(self, topic_id: int) -> None:
        """Much to do: others first."""
        with self._database.write() as session:
            release(session.get_one(Topic, topic_id), retry_at=clock.now())

    def _failed(self, topic_id: int, error: SendFailed) -> None:
        with self._database.write() as session:
            topic = session.get_one(Topic, topic_id)
            wait = backoff(topic.attempts, first=timedelta(seconds=1), most=MENDED)
            if isinstance(error, TryLater):
                wait = error.after or wait
            elif isinstance(error, Unreachable | Moved):
                wait = MENDED
                self._note(topic, problem_of(error), error)
                self._live.after_commit(session, f"conversation:{topic.conversation_id}")
            gone = topic.problem == TopicProblem.DELETED
            topic.open = topic.open and not gone
            full = _FULL if isinstance(error, Full) else str(error)
            release(topic, retry_at=None if gone else clock.now() + wait, error=full)

    @staticmethod
    def _note(topic: Topic, problem: TopicProblem, error: SendFailed) -> None:
        """Once each: it is tried again for as long as it lasts."""
        if topic.problem != problem:
            topic.problem = problem
            log.error("Telegram group %s: %s (%s)", topic.chat, PROBLEMS[problem], error)
