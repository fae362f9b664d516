"""The service as one ASGI app: its routes, and the loops that run while it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import django_htmx
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from actions import runtime
from bot import actions_route, described, edge, evidence
from bot.assembly import (
    POLICIES,
    Service,
    assemble,
    derived,
    evidence_links,
    outlet_key,
    progress_links,
)
from bot.channels.web.limits import Limits
from bot.channels.web.page import Page
from bot.depot.answers import Answers
from bot.orders import callback
from bot.progress import routes as progress
from bot.progress.acts import Progress
from bot.settings import Settings
from bot.ticks import Ticks
from handoff.desk import routes as desk
from handoff.desk.parcel_rules import ParcelRules
from handoff.desk.words import Pages
from parcels import routes as parcels
from parcels.change_models import DepotOrder
from parcels.sources import routes as sources
from store import policy_versions, schema
from tickets import routes as ticket_routes
from tickets.compensation import routes as coupons
from tickets.compensation.models import Payout

DEPOT_RECEIPTS = "/depot/receipts"
PAYOUT_RECEIPTS = "/payouts/receipts"
THREADS = 32
"""At work in the service at once: as many as its inbox answers side by side."""


def create(settings: Settings) -> FastAPI:
    """The ASGI app; loops run while it does."""
    service = assemble(settings)
    runtime.install(service.skills)
    ticks = Ticks(service.database, service.files)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        schema.migrate(service.database)
        with service.database.write() as session:
            for name, text in service.policies.items():
                policy_versions.put_in_force(session, name, text)
        # asyncio's own pool has a few threads more than cores; ours mostly wait for a database.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        service.live.start()
        service.inbox.start()
        service.outbox.start()
        service.fetching.start()
        service.promises.start()
        service.rises.start()
        service.asks.start()
        service.webhooks.start()
        service.payouts.start()
        service.notices.start()
        ticks.start()
        if service.depot:
            service.depot.start()
        if service.paths:
            service.paths.start()
        yield
        if service.paths:
            await service.paths.stop()
        if service.depot:
            await service.depot.stop()
        ticks.stop()
        await service.promises.stop()
        await service.rises.stop()
        await service.asks.stop()
        await service.webhooks.stop()
        await service.payouts.stop()
        await service.notices.stop()
        await service.fetching.stop()
        await service.inbox.stop()
        await service.outbox.stop()
        await service.channels.close()
        await service.rasa.close()
        service.live.stop()
        service.database.dispose()

    app = FastAPI(
        title="Courier Desk", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.service = service
    _routes(app, service)
    edge.guard(app, service.texts, service.files.most)
    return app


def _progress(service: Service) -> Progress:
    """What the page of a ticket works with."""
    settings, skills = service.settings, service.skills
    return Progress(
        database=service.database,
        live=service.live,
        texts=service.texts,
        tickets=skills.tickets,
        handoffs=skills.handoffs,
        after=service.after,
        rules=skills.changes.identity,
        links=progress_links(settings, service.after.link_lasts),
        upload=skills.upload,
        page=Page(service.texts, service.files.most),
        limits=Limits(),
        secure_cookies=settings.secure_cookies,
    )


def _routes(app: FastAPI, service: Service) -> None:
    app.include_router(actions_route.router(derived(service.settings, "actions")))
    for_systems = (
        parcels.router(service.database, service.live, service.skills.goods),
        ticket_routes.router(
            service.database, service.live, service.skills.tickets, service.skills.problems
        ),
    )
    for routes in (*for_systems, described.router(*for_systems)):
        app.include_router(routes)
    app.include_router(
        evidence.router(
            service.database,
            service.live,
            service.files,
            service.skills.tickets.lifecycle,
            evidence_links(service.settings),
            Pages(service.texts),
        )
    )
    app.include_router(progress.router(_progress(service)))
    app.include_router(
        sources.router(
            service.database,
            service.live,
            service.settings.sources,
            service.statuses,
            service.settings.zone,
            lambda status: service.texts.say("zh", f"desk.status.{status}"),
        )
    )
    for channel in service.channels:
        app.include_router(channel.router())
    answers = Answers(service.texts, service.live, service.skills.tickets.clocks)
    app.include_router(
        callback.router(
            DEPOT_RECEIPTS,
            service.database,
            DepotOrder,
            answers.heard,
            outlet_key(service.settings, service.settings.depot, "depot"),
        )
    )
    app.include_router(
        callback.router(
            PAYOUT_RECEIPTS,
            service.database,
            Payout,
            service.money.payouts.heard,
            outlet_key(service.settings, service.settings.payouts, "payouts"),
        )
    )
    app.include_router(
        coupons.router(service.database, service.money.compensation.policies.present.coupons)
    )
    for simulator in service.simulators:
        app.include_router(simulator.router())
    app.include_router(
        desk.router(
            desk.Desk(
                database=service.database,
                handoffs=service.skills.handoffs,
                tickets=service.skills.tickets,
                incidents=service.incidents,
                problems=service.skills.problems,
                texts=service.texts,
                live=service.live,
                files=service.files,
                money=service.money,
                parcels=ParcelRules.from_file(POLICIES / "parcels.yml"),
                secure_cookies=service.settings.secure_cookies,
                telegram=bool(service.settings.telegram and service.settings.telegram.desk),
            )
        )
    )
    app.mount("/static/desk", StaticFiles(directory=desk.STATIC))
    vendor = Path(django_htmx.__file__).parent / "static" / "django_htmx"
    app.mount("/static/vendor", StaticFiles(directory=vendor))

    @app.get("/health")
    async def health() -> dict[str, bool]:
        """Whether the service answers and the bot is ready."""
        return {"ok": True, "bot": await service.rasa.ready()}
