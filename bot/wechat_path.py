"""Tells WeChat where a parcel is that was ordered in a mini program (物流助手, for carriers).

Source: the platform's page 更新运单轨迹 (logistics.updatePath). ``POST
/cgi-bin/express/delivery/path/update`` with ``token`` (from the order event, which the company's
own system took), ``waybill_id``, ``action_time`` (Unix seconds), ``action_type`` and
``action_msg``; the answer is ``errcode`` and ``errmsg``. Nothing says that a repeat is dropped: an
update whose answer was lost is not sent again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from bot.channels.base import SendFailed, TryLater, UnknownResult
from bot.channels.tencent import media as tencent
from bot.channels.tencent.api import Api
from bot.channels.tencent.token import Token
from bot.channels.wechat import media
from bot.channels.wechat.account import Credentials
from bot.channels.wechat.channel import stable_token
from bot.loops import Loop
from conversations.texts import Texts
from parcels import path_repository
from parcels.models import Scan, Shipment
from parcels.path_models import PathState, PathUpdate
from parcels.sources.statuses import Statuses
from parcels.timeline import node
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.live import Live

log = logging.getLogger(__name__)

PATH = "/cgi-bin/express/delivery/path/update"
SIDE_BY_SIDE = 16
LEASE = timedelta(seconds=60)
FIRST_RETRY, LAST_RETRY = timedelta(seconds=5), timedelta(hours=1)
MAX_ATTEMPTS = 24
"""About fifteen hours; then the parcel's page at the desk says why."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row with what is to be sent; None if WeChat has no name for the state."""

    id: int
    attempts: int
    died: bool
    body: dict[str, Any] | None


class PathLoop:
    """Claims due scans, each parcel's in turn, and tells WeChat."""

    def __init__(
        self,
        database: Database,
        live: Live,
        account: Credentials,
        statuses: Statuses,
        texts: Texts,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._database = database
        self._statuses = statuses
        self._texts = texts
        self._api = Api(account.api, client)
        self._token = Token(lambda: stable_token(self._api, account))
        self._loop = Loop(live, "paths", self._work)

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()
        await self._api.close()

    async def _work(self) -> bool:
        due = await asyncio.to_thread(self._claim)
        await asyncio.gather(*(self._send(row) for row in due))
        return bool(due)

    def _claim(self) -> list[Claimed]:
        with self._database.write() as session:
            rows = claim(session, PathUpdate, SIDE_BY_SIDE, LEASE, in_order_of="shipment_id")
            return [
                Claimed(
                    row.id,
                    row.attempts,
                    # Claimed before, and nobody noted how that ended.
                    died=row.attempts > 1 and not row.last_error,
                    body=self._body(*path_repository.told(session, row)),
                )
                for row in rows
            ]

    def _body(self, shipment: Shipment, scan: Scan) -> dict[str, Any] | None:
        kind = self._statuses.wechat_type(scan.status, scan.sub_status)
        if kind is None:
            return None
        # Our words, never the source's own, which may name people.
        what = self._texts.say("zh", f"timeline.what.{node(scan).what}")
        return {
            "token": shipment.wechat_token,
            "waybill_id": shipment.waybill_no,
            "action_time": int(scan.at.timestamp()),
            "action_type": kind,
            "action_msg": f"【{scan.place}】{what}" if scan.place else what,
        }

    async def _send(self, claimed: Claimed) -> None:
        state, error, retry = PathState.SENT, None, False
        try:
            if claimed.body is None:
                state = PathState.SKIPPED
            elif claimed.died:
                raise UnknownResult("a worker died while sending")
            else:
                await self._post(claimed.body)
        except TryLater as failure:
            state, error = PathState.FAILED, str(failure)
            retry = claimed.attempts < MAX_ATTEMPTS
            wait = failure.after or backoff(claimed.attempts, first=FIRST_RETRY, most=LAST_RETRY)
        except SendFailed as failure:
            state, error = PathState.FAILED, f"{type(failure).__name__}: {failure}"
        if retry:
            assert error is not None
            await asyncio.to_thread(self._later, claimed.id, wait, error)
        else:
            await asyncio.to_thread(self._done, claimed.id, state, error)

    async def _post(self, body: dict[str, Any]) -> None:
        reply = await self._token.use(lambda value: self._api.post(PATH, body, access_token=value))
        if reply.code != 0:
            raise tencent.refused(reply, media.ASLEEP)

    def _later(self, row_id: int, wait: timedelta, error: str) -> None:
        with self._database.write() as session:
            row = session.get_one(PathUpdate, row_id)
            release(row, retry_at=clock.now() + wait, error=error)

    def _done(self, row_id: int, state: PathState, error: str | None) -> None:
        if error:
            log.warning("path update %s given up: %s", row_id, error)
        with self._database.write() as session:
            row = session.get_one(PathUpdate, row_id)
            row.state = state
            row.sent_at = clock.now() if state == PathState.SENT else None
            release(row, retry_at=None, error=error)
