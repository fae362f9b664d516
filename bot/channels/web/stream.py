"""The live stream of one browser: each message once and in order, and who speaks at present."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sse_starlette import ServerSentEvent

from bot.channels import reading
from bot.channels.reading import Progress, State, Words
from bot.channels.web import schemas, sse
from bot.channels.web.visitors import Visitor
from conversations.models import Author, Holder
from store import clock
from store.engine import Database
from store.live import Live

SWEEP_SECONDS = 3.0
WRITES = timedelta(seconds=5)
"""The desk says every three seconds that its agent is still writing."""

AT_ONCE = 100
FIRST_PAGE = 60


@dataclass(frozen=True, slots=True)
class View:
    """What a visitor can see now: messages, whether there are earlier ones, and the state."""

    messages: list[Words]
    more: bool
    state: State
    progress: Progress
    conversation_id: int | None


NOTHING = View([], False, reading.QUIET, Progress(), None)
"""What somebody sees who has written nothing yet."""


def topic(address: str) -> str:
    """The wake-up for one visitor: his first words open a conversation nobody listens to yet."""
    return f"visitor:{address}"


class Streams:
    """Reads the record for visitors of one channel."""

    def __init__(self, database: Database, live: Live, channel: str) -> None:
        self._database = database
        self._live = live
        self._channel = channel

    def latest(self, visitor: Visitor, *, before: int | None = None) -> View:
        """The newest page of messages (before ``before``)."""
        with self._database.read() as session:
            known = reading.visitor(session, self._channel, visitor.account, visitor.address)
            if known is None:
                return NOTHING
            customer, conversation = known
            state = reading.state(session, conversation)  # first: see since()
            progress = reading.progress(session, conversation)
            messages, more = reading.latest(session, customer, FIRST_PAGE, before=before)
            number = conversation.id if conversation else None
            return View(messages, more, state, progress, number)

    def since(self, visitor: Visitor, cursor: int) -> View:
        """Everything after the message ``cursor``, up to AT_ONCE messages."""
        with self._database.read() as session:
            known = reading.visitor(session, self._channel, visitor.account, visitor.address)
            if known is None:
                return NOTHING
            customer, conversation = known
            # The state first: on PostgreSQL an answer may be sent between the two, and then it is
            # shown before the dots go, never the other way round.
            state = reading.state(session, conversation)
            progress = reading.progress(session, conversation)
            messages = reading.after(session, customer, cursor, AT_ONCE)
            number = conversation.id if conversation else None
            return View(messages, len(messages) == AT_ONCE, state, progress, number)

    def _view(self, visitor: Visitor, cursor: int | None) -> View:
        return self.latest(visitor) if cursor is None else self.since(visitor, cursor)

    async def events(self, visitor: Visitor, cursor: int | None) -> AsyncIterator[ServerSentEvent]:
        """Endless: ``message`` events (id: the message's), ``state`` when it changes.

        Without a cursor it begins with the newest page. Wake-ups may be lost and carry nothing:
        what is sent is always read from the record; but for an agent's typing, which is the wake-up
        itself and holds for WRITES.
        """
        yield sse.hello()
        told: dict[str, Any] | None = None
        topics: tuple[str, ...] = (topic(visitor.address),)
        writes_until = clock.now()
        while True:
            typing = (each for each in topics if each.startswith("typing:"))
            with self._live.listen(*topics) as woken, self._live.listen(*typing) as typed:
                while True:
                    woken.clear()
                    if typed.is_set():
                        typed.clear()
                        writes_until = clock.now() + WRITES
                    view = await asyncio.to_thread(self._view, visitor, cursor)
                    for words in view.messages:
                        cursor = words.id
                        if words.author == Author.AGENT:
                            writes_until = clock.now()
                        yield sse.event("message", schemas.message(words, visitor.prefix), words.id)
                    if cursor is None:
                        cursor = 0
                    state = schemas.state(view.state, view.progress)
                    state["typing"] |= bool(view.state.agent) and clock.now() < writes_until
                    if state != told:
                        told = state
                        yield sse.event("state", told)
                    if (wanted := _topics(visitor.address, view)) != topics:
                        topics = wanted
                        break
                    if len(view.messages) < AT_ONCE:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(SWEEP_SECONDS):
                                await woken.wait()


def _topics(address: str, view: View) -> tuple[str, ...]:
    topics: list[str] = [topic(address)]
    if view.conversation_id is not None:
        topics.append(f"conversation:{view.conversation_id}")
    if view.state.holder == Holder.WAITING:
        topics.append("queue")  # the place in it changes with other people's cases
    if view.state.holder == Holder.AGENT:
        topics.append(f"typing:{view.conversation_id}")
    return tuple(topics)
