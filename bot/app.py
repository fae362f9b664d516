"""The service: every room put together, once, in the order of their dependence."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import django_htmx
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from actions import runtime
from bot import actions_route, contract
from bot.channels.console.channel import ConsoleChannel
from bot.channels.fetching import FetchLoop
from bot.channels.http import account as http
from bot.channels.http.channel import HttpChannel
from bot.channels.http.links import Links
from bot.channels.inbox import InboxLoop
from bot.channels.outbox import OutboxLoop
from bot.channels.registry import Channels
from bot.channels.web import uploads
from bot.channels.web.channel import WebChannel
from bot.channels.web.page import accepted_language
from bot.channels.web.sites import Sites
from bot.channels.wechat.channel import WeChatChannel
from bot.channels.wechat.passive import PassiveReplies
from bot.channels.wechat.policy import WeChatPolicy
from bot.channels.wecom.channel import WecomChannel
from bot.depot import SIMULATOR, callback
from bot.depot.answers import Answers
from bot.depot.loop import DepotLoop
from bot.depot.simulator import PATH, Simulator
from bot.rasa import Rasa
from bot.router import Router
from bot.settings import ROOT, Settings, TelegramSettings
from bot.ticks import Ticks
from bot.wechat_path import PathLoop
from conversations.files import FileRules, Files
from conversations.texts import Texts
from handoff.desk import routes as desk
from handoff.desk.parcel_rules import ParcelRules
from handoff.service import Handoffs
from parcels import change_rules
from parcels import routes as parcels
from parcels.depot import Depot
from parcels.goods import Goods
from parcels.ingest import Refused
from parcels.invoices import InvoicePolicy
from parcels.points import PointsPolicy
from parcels.regions import Regions
from parcels.sending import Sending
from parcels.sources import routes as sources
from parcels.sources.statuses import Statuses
from parcels.tariffs import Tariffs
from parcels.timeline import Timeline
from store import policies, schema
from store.engine import Database
from store.errors import CourierError, Invalid, NotFound, SettingsError, TooLong
from store.live import Live
from tickets import intake
from tickets.anger import Anger
from tickets.routing import Routing
from tickets.service import Tickets
from tickets.urgency import UrgencyRules

log = logging.getLogger(__name__)
POLICIES = ROOT / "policies"
THREADS = 32
"""At work in the service at once: as many as its inbox answers side by side."""
MAX_BODY = 1 << 20
"""Bytes of a request's body that are read at all; where files come, they are added."""


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that live as long as the process."""

    settings: Settings
    database: Database
    live: Live
    texts: Texts
    channels: Channels
    inbox: InboxLoop
    outbox: OutboxLoop
    files: Files
    fetching: FetchLoop
    depot: DepotLoop | None
    simulator: Simulator | None
    paths: PathLoop | None
    statuses: Statuses
    rasa: Rasa
    skills: runtime.Services


def derived(settings: Settings, purpose: str) -> str:
    """A secret for one purpose, made from the installation's own."""
    return hmac.new(settings.secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def assemble(settings: Settings) -> Service:
    """Read the policies and connect the rooms. PolicyError or SettingsError say what is wrong."""
    database = Database(settings.database)
    live = Live(database)
    texts = Texts(POLICIES / "texts", settings.zone)
    urgency = UrgencyRules.from_file(POLICIES / "urgency.yml")
    routing = Routing.from_file(POLICIES / "teams.yml", settings.zone)
    tickets = Tickets(urgency, routing, settings.zone)
    channels = Channels()
    handoffs = Handoffs(texts, urgency, routing, channels.capabilities, live)
    rasa = Rasa(settings.rasa_url)
    router = Router(database, live, rasa, handoffs, tickets, texts)
    inbox = InboxLoop(database, live, router.route)
    files = Files(settings.home / "files", policies.load(POLICIES / "files.yml", FileRules))
    changes = change_rules.from_file(POLICIES / "changes.yml")
    channels.add(
        WebChannel(
            database,
            inbox.accept,
            texts,
            live,
            files,
            Sites.from_file(POLICIES / "widget.yml", settings.widget_secrets),
            changes.identity,
            derived(settings, "uploads"),
            secure_cookies=settings.secure_cookies,
        )
    )
    channels.add(ConsoleChannel(database, inbox.accept, live, settings.secret))
    if settings.telegram is not None:
        from bot.channels.telegram import switch_on  # loads its library: only where it is used

        secret = derived(settings, "telegram")
        _known_teams(settings.telegram, routing)
        channels.add(
            switch_on(
                settings.telegram, secret, database, live, inbox.accept, texts, handoffs,
                settings.public_url,
            )
        )  # fmt: skip
    outbox = OutboxLoop(database, live, channels, files)
    if settings.wechat:
        channels.add(
            WeChatChannel(
                settings.wechat,
                inbox.accept,
                outbox.resume,
                texts.room("zh", "wechat"),
                replies=PassiveReplies(database, live, texts),
                policy=policies.load(POLICIES / "wechat.yml", WeChatPolicy),
            )
        )
    if settings.wecom:
        labels = texts.room("zh", "wecom")
        channels.add(WecomChannel(settings.wecom, database, live, inbox.keep, labels))
    links = Links(settings.public_url, derived(settings, "file links"))
    for account in http.from_file(POLICIES / "http.yml", settings.http_secrets):
        channels.add(
            HttpChannel(account, database, live, inbox.accept, outbox.resume, texts, files, links)
        )
    depot, simulator = _depot(settings)
    statuses = Statuses.from_file(POLICIES / "statuses.yml")
    return Service(
        settings=settings,
        database=database,
        live=live,
        texts=texts,
        channels=channels,
        inbox=inbox,
        outbox=outbox,
        files=files,
        fetching=FetchLoop(database, live, channels, files),
        depot=DepotLoop(database, live, depot, changes, handoffs, tickets, texts)
        if depot
        else None,
        simulator=simulator,
        paths=PathLoop(database, live, settings.wechat_logistics, statuses, texts)
        if settings.wechat_logistics
        else None,
        statuses=statuses,
        rasa=rasa,
        skills=runtime.Services(
            database=database,
            live=live,
            texts=texts,
            tickets=tickets,
            handoffs=handoffs,
            anger=Anger.from_file(POLICIES / "anger.yml"),
            intake=intake.from_file(POLICIES / "intake.yml"),
            goods=Goods.from_file(POLICIES / "goods.yml"),
            changes=changes,
            timeline=Timeline(settings.public_url),
            tariffs=Tariffs.from_file(
                POLICIES / "tariffs.yml", Regions.from_file(POLICIES / "regions.yml")
            ),
            sending=Sending.from_file(POLICIES / "sending.yml"),
            points=policies.load(POLICIES / "points.yml", PointsPolicy),
            invoices=policies.load(POLICIES / "invoices.yml", InvoicePolicy),
            orders_go_out=depot is not None,
            problems=contract.read(POLICIES / "taxonomy.yml").problems,
        ),
    )


def _known_teams(telegram: TelegramSettings, routing: Routing) -> None:
    teams = routing.policy.teams
    for team in telegram.desk.keys() - teams.keys() - {"*"}:
        raise SettingsError(
            f"COURIER_TELEGRAM_DESK names the team {team}; policies/teams.yml has "
            f"{', '.join(teams)}."
        )


def _depot(settings: Settings) -> tuple[Depot | None, Simulator | None]:
    """The depot to send orders to, and our own if that is it: reached over HTTP like any other."""
    key = _depot_key(settings)
    if settings.depot is None or key is None:
        return None, None
    if settings.depot.url != SIMULATOR:
        return Depot(settings.depot.url, key), None
    return Depot(settings.service_url + PATH, key), Simulator(key, settings.zone)


def _depot_key(settings: Settings) -> bytes | None:
    """What signs between the depot and us, either way."""
    if settings.depot is None or settings.depot.url != SIMULATOR:
        return settings.depot.key if settings.depot else None
    return derived(settings, "depot").encode()[:64]


def create(settings: Settings) -> FastAPI:
    """The ASGI app; loops run while it does."""
    service = assemble(settings)
    runtime.install(service.skills)
    ticks = Ticks(service.database, service.files)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        schema.migrate(service.database)
        # asyncio's own pool has a few threads more than cores; ours mostly wait for a database.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        service.live.start()
        service.inbox.start()
        service.outbox.start()
        service.fetching.start()
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
    _errors(app, service.texts, service.files.most)
    return app


def _routes(app: FastAPI, service: Service) -> None:
    app.include_router(actions_route.router(derived(service.settings, "actions")))
    app.include_router(parcels.router(service.database, service.skills.goods))
    app.include_router(
        sources.router(
            service.database,
            service.settings.sources,
            service.statuses,
            service.settings.zone,
            lambda status: service.texts.say("zh", f"desk.status.{status}"),
        )
    )
    for channel in service.channels:
        app.include_router(channel.router())
    answers = Answers(service.texts, service.live)
    app.include_router(callback.router(service.database, answers, _depot_key(service.settings)))
    if service.simulator:
        app.include_router(service.simulator.router())
    app.include_router(
        desk.router(
            desk.Desk(
                database=service.database,
                handoffs=service.skills.handoffs,
                texts=service.texts,
                live=service.live,
                files=service.files,
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


def _errors(app: FastAPI, texts: Texts, most_of_files: int) -> None:
    """Every failure becomes one sentence in the reader's language; details go to the log alone."""

    def sentence(request: Request, error: CourierError) -> Response:
        language = accepted_language(request.headers.get("accept-language", ""))
        message = texts.say(language, f"errors.{error.code}", 0, **error.facts)
        told = error.facts if isinstance(error, Refused) else {}
        return JSONResponse({"error": error.code, "message": message, **told}, error.status)

    @app.exception_handler(CourierError)
    async def expected(request: Request, error: CourierError) -> Response:
        if error.status >= 500:
            log.error("%s %s: %s", request.method, request.url.path, error)
        return sentence(request, error)

    @app.exception_handler(RequestValidationError)
    async def unusable(request: Request, _: RequestValidationError) -> Response:
        return sentence(request, Invalid())

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        expected_error: CourierError = NotFound() if error.status_code == 404 else Invalid()
        response = sentence(request, expected_error)
        response.status_code = error.status_code
        return response

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return sentence(request, CourierError())

    app.add_middleware(
        _NotTooLong, refuse=lambda request: sentence(request, TooLong()), files=most_of_files
    )


class _NotTooLong:
    """Refuses a request by the length it announces, before any of its body is read.

    Plain ASGI: Starlette's ``@app.middleware`` runs every request in a task of its own.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Request], Response], files: int) -> None:
        self._app = app
        self._refuse = refuse
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http":
            request = Request(scope)
            length = request.headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > self._most(request.url.path):
                answer = self._refuse(request)
        await answer(scope, receive, send)

    def _most(self, path: str) -> int:
        if path in parcels.PATHS:
            return parcels.MAX_BODY
        form = path == uploads.PATH or desk.TAKES_FILES.fullmatch(path)
        return MAX_BODY + (self._files if form else 0)
