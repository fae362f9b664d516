"""Fetching what customers wrote: WeCom only says that there is something, we ask for it.

Of each account one process asks at a time (a claim). A page's messages and the cursor behind them
are stored in one transaction, so whoever is killed leaves nothing out and nothing twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from bot.channels import quota
from bot.channels.base import Keep, SendFailed, TryLater
from bot.channels.buttons import pressed, read_id
from bot.channels.wecom import records
from bot.channels.wecom.api import Wecom
from bot.channels.wecom.convert import (
    NAME,
    Answered,
    Entered,
    Entry,
    Failed,
    Happened,
    Said,
    read,
)
from bot.channels.wecom.models import WecomAccount
from conversations.schemas import Inbound
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.errors import Invalid, TooLong
from store.live import Live

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""Longer than a page may take; each page renews it."""
SIDE_BY_SIDE = 8
BEFORE_US = timedelta(minutes=10)
"""What was written longer before an account was first heard of is somebody else's work."""
GREETING_LASTS = timedelta(seconds=20)


class Puller:
    """``labels`` are the texts of the room ``wecom``."""

    def __init__(
        self, database: Database, live: Live, keep: Keep, wecom: Wecom, labels: Mapping[str, str]
    ) -> None:
        self._database = database
        self._live = live
        self._keep = keep
        self._wecom = wecom
        self._labels = labels

    async def work(self) -> bool:
        """Pull every account that is due; whether there was one."""
        rows = await asyncio.to_thread(self._claim)
        await asyncio.gather(*map(self._pull, rows))
        return bool(rows)

    def _claim(self) -> list[WecomAccount]:
        with self._database.write() as session:
            return claim(session, WecomAccount, SIDE_BY_SIDE, LEASE)

    async def _pull(self, row: WecomAccount) -> None:
        try:
            while await self._page(row):
                pass
        except SendFailed as error:
            log.warning("WeCom's messages cannot be fetched: %s", error)
            await asyncio.to_thread(self._again, row, error)
        except Exception as error:
            log.exception("a page of WeCom's messages failed, attempt %s", row.attempts)
            await asyncio.to_thread(self._again, row, TryLater(type(error).__name__))

    async def _page(self, row: WecomAccount) -> bool:
        """Fetch and store one page; whether there are more and they are ours to fetch."""
        fresh = row.ticket_until is not None and clock.now() < row.ticket_until
        reply = await self._wecom.sync(row.open_kfid, row.cursor, row.ticket if fresh else "")
        found = reply.body.get("msg_list")
        entries = [
            entry
            for given in (found if isinstance(found, list) else [])
            if (entry := read(given, row.open_kfid, self._labels)) is not None
        ]
        cursor = reply.body.get("next_cursor")
        cursor = cursor if isinstance(cursor, str) and cursor else row.cursor
        more = reply.number("has_more") == 1
        if more and cursor == row.cursor:
            raise TryLater("WeCom says that there is more, but not where")
        if not await asyncio.to_thread(self._store, row, cursor, entries, more):
            return False
        await self._greet(entry for entry in entries if isinstance(entry, Entered))
        return more

    def _store(self, row: WecomAccount, cursor: str, entries: list[Entry], more: bool) -> bool:
        """The page and the cursor behind it; False, and nothing, if the account is another's now.

        ``row`` becomes what is stored of it.
        """
        with self._database.write() as session:
            current = records.held(session, row)
            if current is None:
                return False
            for entry in entries:
                self._apply(session, current, entry)
            current.cursor, current.attempts = cursor, 0
            current.leased_until = clock.now() + LEASE
            if not more:
                noted = current.notes != row.notes
                release(current, retry_at=clock.now() if noted else None)
            row.cursor, row.attempts, row.leased_until = cursor, 0, current.leased_until
        return True

    def _apply(self, session: Session, account: WecomAccount, entry: Entry) -> None:
        changed: int | None = None
        try:
            match entry:
                case Said(inbound=inbound):
                    since = account.created_at - BEFORE_US
                    if inbound.sent_at is None or inbound.sent_at >= since:
                        self._said(session, entry)
                case Answered(person, text):
                    changed = records.answered(session, person, text)
                case Failed(person, msgid, reason):
                    changed = records.failed(session, person, msgid, reason)
                case Happened(person, what):
                    changed = records.told(session, person, what)
        except (Invalid, TooLong) as error:
            log.info("a message from WeCom was not kept: %s", error)
        if changed is not None:
            self._live.after_commit(session, "queue", f"conversation:{changed}")

    def _said(self, session: Session, said: Said) -> None:
        row, new = self._keep(session, _as_meant(session, said))
        if new and quota.parked(session, row.conversation_id):
            quota.resume(session, row.conversation_id)
            self._live.after_commit(session, "outbox")

    def _again(self, row: WecomAccount, error: SendFailed) -> None:
        wait = backoff(row.attempts, first=timedelta(seconds=1), most=timedelta(minutes=5))
        if isinstance(error, TryLater) and error.after:
            wait = max(wait, error.after)
        with self._database.write() as session:
            current = records.held(session, row)
            if current is not None:
                release(current, retry_at=clock.now() + wait, error=str(error))

    async def _greet(self, entered: Iterable[Entered]) -> None:
        """A courtesy, said once or not at all: he has written nothing, so there is no record."""
        for one in entered:
            if one.at is None or clock.now() - one.at > GREETING_LASTS:
                continue
            try:
                await self._wecom.greet(one.code, self._labels["welcome"])
            except SendFailed as error:
                log.info("a customer was not greeted: %s", error)


def _as_meant(session: Session, said: Said) -> Inbound:
    """The message with what the pressed choice says in place of its title."""
    named, person = read_id(said.menu_id), said.person
    button = named and pressed(session, NAME, person.kfid, person.address, *named)
    return replace(said.inbound, text=button.say) if button else said.inbound
