"""Passive replies: an answer that is there in time leaves as the answer to WeChat's own push.

It costs no quota and no call, and an account without custom/send has no other way to speak. The
outbox row decides who sends: what is written within the hold falls due only after it, so the push
takes it first, by a lease; whoever dies with a lease may have said it, and nobody says it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from bot.channels import quota
from bot.channels.base import Accepted
from bot.channels.degrade import degrade, fits
from conversations import repository as record
from conversations import service as conversations
from conversations.models import (
    Author,
    Conversation,
    Delivery,
    Inbox,
    Message,
    Outbox,
    Undelivered,
)
from conversations.schemas import Capabilities, Outbound
from conversations.texts import Texts
from store import clock
from store.claims import release
from store.engine import Database
from store.live import Live

WINDOW = 3.5
"""Seconds we wait for the answer; WeChat hangs up after five."""
HOLD = timedelta(seconds=4)
LEASE = timedelta(seconds=30)
LOOK = 0.5
"""Seconds between two looks where a wake-up was lost."""
MARGIN = 300
"""Bytes left for what is said around the answer (``wechat.late``, ``wechat.more``)."""


@dataclass(frozen=True, slots=True)
class Said:
    """A row of what is said now: ``parts`` of it are out then, ``whole`` if that is all."""

    row_id: int
    parts: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """Claimed for one push: the words to answer it with."""

    conversation_id: int
    text: str
    said: tuple[Said, ...]


class PassiveReplies:
    """``texts`` hold the room ``wechat``."""

    def __init__(
        self, database: Database, live: Live, texts: Texts, window: float = WINDOW
    ) -> None:
        self.database = database
        self._live = live
        self.texts = texts
        self._window = window

    async def take(
        self, accepted: Accepted, can: Capabilities, gone: Callable[[], Awaitable[bool]]
    ) -> Taken | None:
        """What to answer the push with, once the bot is done or time is up; ``None``: nothing, and
        what there is leaves by custom/send (or, without that, waits). ``gone`` tells whether
        WeChat has hung up."""
        in_time = await self._handled(accepted)
        listens = not await gone()
        return await asyncio.to_thread(self._take, accepted, can, in_time, listens)

    async def said(self, taken: Taken) -> None:
        """The answer has left."""
        await asyncio.to_thread(self._said, taken)

    async def _handled(self, accepted: Accepted) -> bool:
        with self._live.listen(f"conversation:{accepted.conversation_id}") as woken:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._window):
                    while True:
                        woken.clear()
                        if await asyncio.to_thread(self._is_handled, accepted.inbox_id):
                            return True
                        with suppress(TimeoutError):
                            async with asyncio.timeout(LOOK):
                                await woken.wait()
            return False

    def _is_handled(self, inbox_id: int) -> bool:
        with self.database.read() as session:
            return session.get_one(Inbox, inbox_id).handled_at is not None

    def _take(
        self, accepted: Accepted, can: Capabilities, in_time: bool, listens: bool
    ) -> Taken | None:
        with self.database.write() as session:
            conversation = session.get_one(Conversation, accepted.conversation_id)
            taken = None
            if not listens:
                pass
            elif can.reply_quota == 0:
                if not in_time:
                    self._ask_to_come_back(session, conversation, accepted)
                taken = self._some(session, conversation, can)
            elif in_time:
                taken = self._all(session, conversation, can)
            if taken is None and accepted.new:
                self._let_go(session, conversation)
            return taken

    def _ask_to_come_back(
        self, session: Session, conversation: Conversation, accepted: Accepted
    ) -> None:
        """The truth while the answer is being made: it can only come with his next words."""
        words = self.texts.say(conversation.language, "wechat.come_back")
        key = f"wait:{accepted.inbox_id}"
        conversations.post(session, conversation, Outbound(key, words), Author.SYSTEM)
        session.flush()

    def _all(self, session: Session, conversation: Conversation, can: Capabilities) -> Taken | None:
        """Everything that waits, if nobody else has begun with it and it fits in one."""
        waiting = record.unsent(session, conversation.id)
        text = quota.together(*(quota.words(message) for _, message in waiting))
        if not waiting or not all(map(_free, waiting)) or not fits(text, can):
            return None
        said = [Said(row.id, row.parts_sent, whole=True) for row, _ in waiting]
        return _claimed(waiting, conversation, text, said)

    def _some(
        self, session: Session, conversation: Conversation, can: Capabilities
    ) -> Taken | None:
        """As much of what waits, in order, as fits; around it what he should know."""
        waiting = record.unsent(session, conversation.id)
        room = replace(can, max_length=can.max_length - MARGIN)
        text, said = "", []
        for row, message in waiting:
            if not _free((row, message), begun=True):
                break
            parts = degrade(message.text, conversations.buttons_of(message), room)
            out = row.parts_sent
            for part, _ in parts[out:]:
                longer = quota.together(text, part) if text else part
                if not fits(longer, room):
                    break
                text, out = longer, out + 1
            if out > row.parts_sent:
                said.append(Said(row.id, out, whole=out == len(parts)))
            if out < len(parts):
                break
        if not said:
            return None
        (heard,) = record.last_heard(session, conversation.id)
        if waiting[0][1].id < heard.id:
            text = self.texts.say(conversation.language, "wechat.late", answer=text)
        if len(said) < len(waiting) or not said[-1].whole:
            text = self.texts.say(conversation.language, "wechat.more", answer=text)
        return _claimed(waiting[: len(said)], conversation, text, said)

    def _let_go(self, session: Session, conversation: Conversation) -> None:
        """What was held for the push is anybody's."""
        held, conversation.held_until = conversation.held_until, None
        if held is not None:
            session.execute(
                update(Outbox)
                .where(
                    Outbox.conversation_id.in_(record.of_same_customer(conversation.id)),
                    Outbox.due_at == held,
                    Outbox.leased_until.is_(None),
                )
                .values(due_at=clock.now()),
                execution_options={"synchronize_session": False},
            )
            self._live.after_commit(session, "outbox")

    def _said(self, taken: Taken) -> None:
        with self.database.write() as session:
            for said in taken.said:
                row = session.get_one(Outbox, said.row_id)
                if said.whole:
                    row.sent_at, row.reason = clock.now(), None
                    if row.state == Delivery.QUEUED:
                        row.state = Delivery.SENT
                    release(row, retry_at=None)
                else:
                    row.parts_sent, row.attempts = said.parts, 0
                    row.reason = Undelivered.WAITS
                    release(row, retry_at=row.created_at + quota.KEEP, error=quota.WAITS)
            self._let_go(session, session.get_one(Conversation, taken.conversation_id))
            topics = (f"conversation:{taken.conversation_id}", "outbox")
            self._live.after_commit(session, *topics)


def _free(waiting: tuple[Outbox, Message], *, begun: bool = False) -> bool:
    """Whether nobody sends it, or died sending it; ``begun``: parts of it may be out."""
    row, message = waiting
    return row.leased_until is None and not quota.is_file(message) and (begun or not row.parts_sent)


def _claimed(
    waiting: record.Unsent, conversation: Conversation, text: str, said: list[Said]
) -> Taken:
    until: datetime = clock.now() + LEASE
    for row, _ in waiting:
        quota.seize(row, until)
    return Taken(conversation.id, text, tuple(said))
