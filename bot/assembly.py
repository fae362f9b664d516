"""The parts of the service, put together once, in the order of their dependence."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from actions import runtime
from bot import contract, evidence, webhooks
from bot.after import AfterLoop
from bot.channels.console.channel import ConsoleChannel
from bot.channels.fetching import FetchLoop
from bot.channels.http import account as http
from bot.channels.http.channel import HttpChannel
from bot.channels.http.links import Links
from bot.channels.inbox import InboxLoop
from bot.channels.outbox import OutboxLoop
from bot.channels.registry import OURS, Channels
from bot.channels.web.channel import WebChannel
from bot.channels.web.sites import Sites
from bot.channels.wechat.channel import WeChatChannel
from bot.channels.wechat.passive import PassiveReplies
from bot.channels.wechat.policy import WeChatPolicy
from bot.channels.wecom.channel import WecomChannel
from bot.depot.loop import DepotLoop
from bot.depot.simulator import Simulator
from bot.incidents import IncidentLoop
from bot.notices.loop import NoticeLoop
from bot.orders import SIMULATOR
from bot.orders.simulator import OrderSimulator
from bot.payouts.loop import PayoutLoop
from bot.payouts.simulator import PayoutSimulator
from bot.progress import view as progress
from bot.promises import PromiseLoop
from bot.rasa import Rasa
from bot.router import Router
from bot.settings import ROOT, OutletSettings, Settings, TelegramSettings
from bot.webhooks import WebhookLoop
from bot.wechat_path import PathLoop
from conversations.files import FileRules, Files
from conversations.texts import Texts
from handoff.after import Episodes
from handoff.incidents import IncidentNews
from handoff.overdue import Overdue
from handoff.service import Handoffs
from parcels import change_rules, notice_rules
from parcels.goods import Goods
from parcels.invoices import InvoicePolicy
from parcels.points import PointsPolicy
from parcels.regions import Regions
from parcels.sending import Sending
from parcels.sources.statuses import Statuses
from parcels.tariffs import Tariffs
from parcels.timeline import Timeline
from store import policies
from store.engine import Database
from store.errors import SettingsError
from store.live import Live
from store.orders import Outlet
from tickets import intake
from tickets.after import policy as after_policy
from tickets.after.asking import Asking
from tickets.after.service import After
from tickets.anger import Anger
from tickets.compensation.money import Money
from tickets.compensation.policy import CompensationPolicies
from tickets.events import Events
from tickets.incidents import policy as incident_policy
from tickets.incidents.service import Incidents
from tickets.lifecycle import Lifecycle
from tickets.notices import Notices
from tickets.promises.clocks import Clocks
from tickets.promises.policy import Policies
from tickets.routing import Routing
from tickets.service import Tickets
from tickets.urgency import UrgencyRules
from tickets.webhooks import Webhooks

POLICIES = ROOT / "policies"
EVIDENCE = timedelta(days=7)
"""How long a link to send photos is good."""


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that live as long as the process."""

    settings: Settings
    policies: Mapping[str, str]
    """The text of every policy file that this process works by."""
    database: Database
    live: Live
    texts: Texts
    channels: Channels
    inbox: InboxLoop
    outbox: OutboxLoop
    files: Files
    fetching: FetchLoop
    notices: NoticeLoop
    depot: DepotLoop | None
    webhooks: WebhookLoop
    payouts: PayoutLoop
    simulators: tuple[OrderSimulator[Any], ...]
    promises: PromiseLoop
    incidents: Incidents
    rises: IncidentLoop
    asks: AfterLoop
    after: After
    paths: PathLoop | None
    statuses: Statuses
    rasa: Rasa
    skills: runtime.Services
    money: Money


def derived(settings: Settings, purpose: str) -> str:
    """A secret for one purpose, made from the installation's own."""
    return hmac.new(settings.secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def evidence_links(settings: Settings) -> Links:
    """Where customers put photos that their channel does not carry."""
    return Links(settings.public_url, derived(settings, "evidence"), EVIDENCE)


def progress_links(settings: Settings, lifetime: timedelta) -> Links:
    """Where customers see how far their tickets are."""
    return Links(settings.public_url, derived(settings, "progress"), lifetime)


def assemble(settings: Settings) -> Service:
    """Read the policies and connect the rooms. PolicyError or SettingsError say what is wrong."""
    database = Database(settings.database)
    live = Live(database)
    texts = Texts(POLICIES / "texts", settings.zone)
    agreed = contract.read(POLICIES / "taxonomy.yml")
    urgency = UrgencyRules.from_file(POLICIES / "urgency.yml", agreed.intents)
    routing = Routing.from_file(
        POLICIES / "teams.yml", settings.zone, agreed.intents, urgency.names
    )
    systems, receivers = webhooks.from_file(POLICIES / "webhooks.yml", settings.webhook_secrets)
    wanted = {name: system.events for name, system in systems.items()}
    rules = intake.from_file(POLICIES / "intake.yml", agreed.problems)
    apps = list(http.from_file(POLICIES / "http.yml", settings.http_secrets))
    named = OURS | {account.channel for account in apps}
    telling = notice_rules.from_file(POLICIES / "notices.yml", named)
    asked = after_policy.from_file(
        POLICIES / "after.yml", rules.classes, texts.room("zh", "ticket.news")
    )
    asking = Asking(texts, asked, telling.quiet, settings.zone)
    episodes = Episodes(asking)
    page = progress_links(settings, asked.progress.link_lasts)
    events = Events(
        Notices(
            texts, routing, live, asking, lambda number: page.to(progress.path_of(number))
        ).tell,
        Webhooks(wanted, live).queue,
        asking.after_event,
        episodes.after_event,
    )
    lifecycle = Lifecycle(events)
    promised = Policies(POLICIES, settings.zone, rules.classes)
    clocks = Clocks(promised)
    tickets = Tickets(urgency, routing, clocks, settings.zone, lifecycle, rules)
    incidents = Incidents(
        incident_policy.from_file(POLICIES / "incidents.yml", rules.classes), live
    )
    events.after_event(incidents.after_event)
    channels = Channels()
    handoffs = Handoffs(texts, tickets, channels.capabilities, live)
    handoffs.after_end(episodes.after_end)
    after = After(asking, tickets, texts, live)
    rasa = Rasa(settings.rasa_url)
    router = Router(database, live, rasa, handoffs, tickets, after, texts)
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
    timeline = Timeline(settings.public_url)
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
    for account in apps:
        channels.add(
            HttpChannel(account, database, live, inbox.accept, outbox.resume, texts, files, links)
        )
    depot = _outlet(settings, settings.depot, "depot", Simulator.path)
    paid_by = CompensationPolicies.from_file(POLICIES, rules.classes, routing.policy.teams)
    money = Money.of(paid_by, tickets, texts, live, changes, depot=depot is not None)
    statuses = Statuses.from_file(POLICIES / "statuses.yml")
    return Service(
        settings=settings,
        policies={path.name: policies.read(path) for path in sorted(POLICIES.glob("*.yml"))}
        | {promised.NAME: promised.text, paid_by.NAME: paid_by.text},  # as they were checked
        database=database,
        live=live,
        texts=texts,
        channels=channels,
        inbox=inbox,
        outbox=outbox,
        files=files,
        fetching=FetchLoop(database, live, channels, files),
        notices=NoticeLoop(
            database, live, channels, telling, changes.identity, texts, timeline, clocks
        ),
        depot=DepotLoop(database, live, depot, changes, handoffs, tickets, texts)
        if depot
        else None,
        webhooks=WebhookLoop(database, live, receivers),
        payouts=PayoutLoop(
            database,
            live,
            _outlet(settings, settings.payouts, "payouts", PayoutSimulator.path),
            paid_by.present.payment,
            money.payouts,
        ),
        simulators=_simulators(settings),
        money=money,
        promises=PromiseLoop(database, live, Overdue(tickets, handoffs, texts, live)),
        incidents=incidents,
        rises=IncidentLoop(
            database, live, incidents, IncidentNews(tickets, handoffs, incidents.policy, live)
        ),
        asks=AfterLoop(database, live, after),
        after=after,
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
            intake=rules,
            upload=lambda number: evidence_links(settings).to(f"{evidence.PREFIX}{number}"),
            goods=Goods.from_file(POLICIES / "goods.yml"),
            changes=changes,
            timeline=timeline,
            tariffs=Tariffs.from_file(
                POLICIES / "tariffs.yml", Regions.from_file(POLICIES / "regions.yml")
            ),
            sending=Sending.from_file(POLICIES / "sending.yml"),
            points=policies.load(POLICIES / "points.yml", PointsPolicy),
            invoices=policies.load(POLICIES / "invoices.yml", InvoicePolicy),
            notices=telling,
            orders_go_out=depot is not None,
            problems=agreed.problems,
        ),
    )


def _known_teams(telegram: TelegramSettings, routing: Routing) -> None:
    teams = routing.policy.teams
    for team in telegram.desk.keys() - teams.keys() - {"*"}:
        raise SettingsError(
            f"COURIER_TELEGRAM_DESK names the team {team}; policies/teams.yml has "
            f"{', '.join(teams)}."
        )


def _outlet(
    settings: Settings, wanted: OutletSettings | None, purpose: str, simulator: str
) -> Outlet | None:
    """Where orders go; our own simulator is reached over HTTP like any other."""
    key = outlet_key(settings, wanted, purpose)
    if wanted is None or key is None:
        return None
    return Outlet(settings.service_url + simulator if wanted.url == SIMULATOR else wanted.url, key)


def outlet_key(settings: Settings, wanted: OutletSettings | None, purpose: str) -> bytes | None:
    """What signs between the other side of orders and us, either way."""
    if wanted is None or wanted.url != SIMULATOR:
        return wanted.key if wanted else None
    return derived(settings, purpose).encode()[:64]


def _simulators(settings: Settings) -> tuple[OrderSimulator[Any], ...]:
    found: list[OrderSimulator[Any]] = []
    depot = outlet_key(settings, settings.depot, "depot")
    if depot and settings.depot and settings.depot.url == SIMULATOR:
        found.append(Simulator(depot, settings.zone))
    payouts = outlet_key(settings, settings.payouts, "payouts")
    if payouts and settings.payouts and settings.payouts.url == SIMULATOR:
        found.append(PayoutSimulator(payouts))
    return tuple(found)
