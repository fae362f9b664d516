"""The rooms below the bot, put together for tests as the service does it."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot import contract
from bot.settings import ROOT
from conversations import service as conversations
from conversations.files import FileRules, Files
from conversations.models import Conversation
from conversations.schemas import Capabilities, Inbound
from conversations.texts import Texts
from handoff import staff
from handoff.after import Episodes
from handoff.models import Role
from handoff.packet import Request
from handoff.service import Handoffs
from handoff.staff import SignedIn
from parcels import change_rules, notice_rules
from parcels.regions import Regions
from parcels.tariffs import Tariffs
from store import policies
from store.engine import Database
from store.live import Live
from tickets import intake
from tickets.after import policy as after_policy
from tickets.after.asking import Asking
from tickets.after.service import After
from tickets.compensation.money import Money
from tickets.compensation.policy import CompensationPolicies
from tickets.events import Events
from tickets.incidents import policy
from tickets.incidents.service import Incidents
from tickets.intake import Intake
from tickets.lifecycle import Lifecycle
from tickets.models import Urgency
from tickets.notices import Notices
from tickets.promises.clocks import Clocks
from tickets.promises.policy import Policies
from tickets.routing import Routing
from tickets.service import Tickets
from tickets.urgency import UrgencyRules, Verdict

POLICIES = ROOT / "policies"
SHANGHAI = ZoneInfo("Asia/Shanghai")
AGREED = contract.read(POLICIES / "taxonomy.yml")


@dataclass(frozen=True, slots=True)
class Rooms:
    database: Database
    texts: Texts
    tickets: Tickets
    handoffs: Handoffs
    incidents: Incidents
    after: After


def build_clocks(folder: Path = POLICIES) -> Clocks:
    """By the company's own policy, or by the one in ``folder``."""
    return Clocks(Policies(folder, SHANGHAI, AGREED.problems))


def build_urgency(folder: Path = POLICIES) -> UrgencyRules:
    return UrgencyRules.from_file(folder / "urgency.yml", AGREED.intents)


def build_intake(folder: Path = POLICIES) -> Intake:
    return intake.from_file(folder / "intake.yml", AGREED.problems)


def build_routing(folder: Path = POLICIES) -> Routing:
    names = build_urgency().names
    return Routing.from_file(folder / "teams.yml", SHANGHAI, AGREED.intents, names)


def build_incidents(live: Live) -> Incidents:
    return Incidents(policy.from_file(POLICIES / "incidents.yml", AGREED.problems), live)


def progress_page(number: str) -> str:
    """Where the progress of a ticket is seen."""
    return f"https://desk.test/tickets/progress/{number}"


def build_asking(texts: Texts) -> Asking:
    """By the company's own policies."""
    news = texts.room("zh", "ticket.news")
    asked = after_policy.from_file(POLICIES / "after.yml", AGREED.problems, news)
    quiet = notice_rules.from_file(POLICIES / "notices.yml").quiet
    return Asking(texts, asked, quiet, SHANGHAI)


def build(database: Database) -> Rooms:
    texts = Texts(POLICIES / "texts", SHANGHAI)
    clocks = build_clocks()
    urgency = build_urgency()
    routing = build_routing()
    live = Live(database)
    asking = build_asking(texts)
    episodes = Episodes(asking)
    telling = Notices(texts, routing, live, asking, progress_page).tell
    lifecycle = Lifecycle(Events(telling, asking.after_event, episodes.after_event))
    tickets = Tickets(urgency, routing, clocks, SHANGHAI, lifecycle)
    incidents = build_incidents(live)
    lifecycle.events.after_event(incidents.after_event)
    handoffs = Handoffs(texts, tickets, lambda _: Capabilities(buttons=True, reply_quota=5), live)
    handoffs.after_end(episodes.after_end)
    return Rooms(
        database=database,
        texts=texts,
        tickets=tickets,
        handoffs=handoffs,
        incidents=incidents,
        after=After(asking, tickets, texts, live),
    )


def build_money(tickets: Tickets, texts: Texts, live: Live, *, depot: bool = True) -> Money:
    """Hung on the events of ``tickets``."""
    teams = tickets.routing.policy.teams
    policies = CompensationPolicies.from_file(POLICIES, AGREED.problems, teams)
    changes = change_rules.from_file(POLICIES / "changes.yml")
    return Money.of(policies, tickets, texts, live, changes, depot=depot)


def tariffs() -> Tariffs:
    regions = Regions.from_file(POLICIES / "regions.yml")
    return Tariffs.from_file(POLICIES / "tariffs.yml", regions)


def file_store() -> Files:
    """An empty one, gone when nobody holds it any more."""
    folder = tempfile.TemporaryDirectory(prefix="courier-files-", ignore_cleanup_errors=True)
    files = Files(Path(folder.name), policies.load(POLICIES / "files.yml", FileRules))
    weakref.finalize(files, folder.cleanup)
    return files


def said(session: Session, text: str, *, by: str = "visitor", number: str = "1") -> Conversation:
    """A customer's message in the record; its conversation."""
    row, _ = conversations.receive(
        session,
        Inbound(
            channel="web",
            account="page",
            address=by,
            outside_id=f"{by}-{number}",
            text=text,
        ),
    )
    return session.get_one(Conversation, row.conversation_id)


def person(session: Session, login: str, role: Role = Role.AGENT) -> SignedIn:
    """A signed-in member of staff."""
    added = staff.add(
        session, login=login, name=login.title(), role=role, team="first_line", password="x" * 12
    )
    return staff.signed_in(session, staff.begin_session(session, added))


def request(colour: Urgency = Urgency.GREEN, **more: object) -> Request:
    """A plain request for a person."""
    facts: dict[str, object] = {
        "reason": "ask_human",
        "rule": "customer_asked",
        "intent": "ask_human",
        "verdict": Verdict(colour, "nothing_urgent"),
    }
    return Request(**(facts | more))  # type: ignore[arg-type]
