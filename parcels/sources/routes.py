"""Where outside sources push to, and where Kuaidi100 asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from parcels.bodies import read_body
from parcels.models import Status
from parcels.sources import asked, base
from parcels.sources.accounts import Accounts
from parcels.sources.aftership import AfterShip
from parcels.sources.kuaidi100 import Kuaidi100
from parcels.sources.statuses import Statuses
from parcels.sources.track17 import Track17
from store.engine import Database
from store.errors import NotFound
from store.live import Live

MAX_PUSH = 1 << 20


def switched_on(accounts: Accounts, statuses: Statuses, zone: ZoneInfo) -> dict[str, base.Source]:
    """The sources that have an account, by name."""
    sources: list[base.Source] = []
    if accounts.kuaidi100:
        sources.append(Kuaidi100(accounts.kuaidi100, statuses))
    if accounts.track17:
        sources.append(Track17(accounts.track17, statuses))
    if accounts.aftership:
        sources.append(AfterShip(accounts.aftership, statuses, zone))
    return {source.name: source for source in sources}


def router(
    database: Database,
    live: Live,
    accounts: Accounts,
    statuses: Statuses,
    zone: ZoneInfo,
    named: Callable[[Status], str],
) -> APIRouter:
    sources: Mapping[str, base.Source] = switched_on(accounts, statuses, zone)
    desk = asked.Desk(accounts.asker, statuses, named) if accounts.asker else None
    routes = APIRouter(prefix="/sources", include_in_schema=False)

    @routes.post("/{name}")
    async def push(name: str, request: Request) -> JSONResponse:
        """Store what a source tells; only then is it thanked. NotFound for one that is off."""
        source = sources.get(name)
        if source is None:
            raise NotFound(f"no source {name!r}")
        delivery = base.Push(await read_body(request, MAX_PUSH), dict(request.headers))

        def store() -> None:
            scans = source.scans(delivery)
            with database.write() as session:
                live.after_commit(session, "notices")
                base.keep(session, source.name, scans)

        await asyncio.to_thread(store)
        return JSONResponse(dict(source.done))

    @routes.post("/kuaidi100/asks")
    async def asks(request: Request) -> JSONResponse:
        """Where a parcel of ours is, for Kuaidi100."""
        if desk is None:
            raise NotFound("nobody may ask")
        body = await read_body(request, MAX_PUSH)

        def look() -> dict[str, object]:
            with database.read() as session:
                return desk.answer(session, body)

        return JSONResponse(await asyncio.to_thread(look))

    return routes
