"""A desk to test: three people, customers who wait, and the real application around them."""

from __future__ import annotations

import functools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

import django_htmx
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient

from bot import contract
from bot.channels.wechat import media
from conversations import repository as record
from conversations import service as conversations
from conversations.models import (
    Author,
    Conversation,
    Customer,
    Delivery,
    FileKind,
    Kind,
    Undelivered,
)
from conversations.schemas import ANY, Button, Capabilities, Inbound, Outbound, Reference
from conversations.texts import Texts
from handoff import repository, staff
from handoff.after import Episodes
from handoff.desk.parcel_rules import ParcelRules
from handoff.desk.parts import COOKIE
from handoff.desk.routes import STATIC, Desk, router
from handoff.models import Case, Role, Staff
from handoff.packet import Guess
from handoff.packet import Request as Handoff
from handoff.service import Handoffs
from parcels import service as parcels
from parcels.road_models import Scope
from parcels.schemas import ShipmentIn
from store import clock
from store.claims import release
from store.engine import Database
from store.errors import CourierError
from store.ids import new_key
from store.live import Live
from tests.rooms import (
    build_asking,
    build_clocks,
    build_incidents,
    build_intake,
    build_money,
    build_routing,
    build_urgency,
    file_store,
    progress_page,
)
from tests.samples import PHOTO
from tickets.events import Events
from tickets.incidents import repository as rises
from tickets.incidents.repository import Spot
from tickets.lifecycle import Lifecycle
from tickets.models import Urgency
from tickets.notices import Notices
from tickets.promises.clocks import About
from tickets.routing import Routing
from tickets.service import Complaint, Tickets
from tickets.urgency import UrgencyRules, Verdict

ROOT = Path(__file__).resolve().parents[2]
ZONE = ZoneInfo("Asia/Shanghai")
PROBLEMS = contract.read(ROOT / "policies" / "taxonomy.yml").problems
PASSWORD = "correct horse 電池"
VENDOR = Path(str(django_htmx.__file__)).parent / "static" / "django_htmx"


@dataclass(frozen=True)
class World:
    """The rooms, put together as the application does it."""

    database: Database
    desk: Desk
    tickets: Tickets
    app: FastAPI

    def client(self) -> TestClient:
        """A browser nobody has signed in at; it does not follow redirects."""
        return TestClient(self.app, base_url="http://desk.test", follow_redirects=False)

    def signed_in(self, login: str) -> Browser:
        """A browser with a session of this person (``test_sign_in`` does it by password)."""
        client = self.client()
        with self.database.write() as session:
            account = repository.staff_by_login(session, login)
            assert account is not None
            secret = staff.begin_session(session, account)
            csrf = staff.signed_in(session, secret).csrf
        client.cookies.set(COOKIE, secret)
        return Browser(client, csrf)

    def say(self, who: str, text: str, *, channel: str = "web", name: str | None = None) -> int:
        """A customer writes; returns the conversation's id."""
        with self.database.write() as session:
            row, _ = conversations.receive(
                session,
                Inbound(channel, "main", who, new_key(), text, name=name),
            )
            self.desk.live.after_commit(session, "queue", f"conversation:{row.conversation_id}")
            return row.conversation_id

    def bot_says(self, conversation_id: int, text: str, buttons: tuple[Button, ...] = ()) -> None:
        with self.database.write() as session:
            conversation = session.get_one(Conversation, conversation_id)
            key = f"bot:{conversation_id}:{text}"
            conversations.post(session, conversation, Outbound(key, text, buttons), Author.BOT)

    def hand_over(self, conversation_id: int, **request: Any) -> int:
        """Ask for a person; returns the case's id."""
        given: dict[str, Any] = {
            "reason": "ask_human",
            "rule": "ask_human",
            "intent": "ask_human",
            "verdict": Verdict(Urgency.YELLOW, "problem_reported"),
            "guesses": (Guess("ask_human", 0.91), Guess("complain", 0.06)),
        } | request
        with self.database.write() as session:
            conversation = session.get_one(Conversation, conversation_id)
            return self.desk.handoffs.request(session, conversation, Handoff(**given)).case.id

    def waiting(self, who: str = "visitor-1", text: str = "我要找人工", **request: Any) -> int:
        """A customer who wrote ``text`` and waits; returns the case's id."""
        return self.hand_over(self.say(who, text), **request)

    def photo_beside(self, case_id: int, data: bytes = PHOTO, name: str = "box.png") -> int:
        """A file that the customer of a case sent, stored; the file's id."""
        stored = self.desk.files.keep(data)
        with self.database.write() as session:
            case = session.get_one(Case, case_id)
            conversation = session.get_one(Conversation, case.conversation_id)
            customer = session.get_one(Customer, conversation.customer_id)
            row, _ = conversations.receive(
                session,
                Inbound(
                    customer.channel, customer.account, customer.address, new_key(), "[图片]",
                    kind=Kind.IMAGE, label="[图片]",
                    attachments=(Reference(FileKind.PHOTO, name=name, stored=stored),),
                ),
            )  # fmt: skip
            self.desk.live.after_commit(session, f"conversation:{row.conversation_id}")
            (file,) = record.attachments(session, [row.message_id])
            return file.id

    def undelivered(
        self, case_id: int, text: str = "您好", reason: Undelivered = Undelivered.REFUSED
    ) -> int:
        """A message to the customer of a case that was given up; its outbox row."""
        with self.database.write() as session:
            conversation = session.get_one(Conversation, self.case(case_id).conversation_id)
            message = conversations.post(
                session, conversation, Outbound(new_key(), text), Author.BOT
            )
            assert message is not None
            row = record.outbox_of(session, [message.id])[message.id]
            row.state, row.reason = Delivery.FAILED, reason
            release(row, retry_at=None, error="43004 require subscribe")
            return row.id

    def unanswered(self, case_id: int, text: str = "在吗") -> int:
        """A message of the customer whose answer was given up; its inbox row."""
        with self.database.write() as session:
            conversation = session.get_one(Conversation, self.case(case_id).conversation_id)
            customer = record.customer_of(session, conversation)
            row, _ = conversations.receive(
                session,
                Inbound(customer.channel, customer.account, customer.address, new_key(), text),
            )
            release(row, retry_at=None, error="OperationalError")
            return row.id

    def agent_says(self, case_id: int, text: str) -> int:
        """Words of an agent in the conversation of a case; the message's id."""
        with self.database.write() as session:
            conversation = session.get_one(Conversation, self.case(case_id).conversation_id)
            message = conversations.post(
                session, conversation, Outbound(new_key(), text), Author.AGENT, 1
            )
            assert message is not None
            return message.id

    def promise_to(self, case_id: int) -> int:
        """An open promise to the customer of a case."""
        with self.database.write() as session:
            case = session.get_one(Case, case_id)
            about = About(case.conversation_id, Urgency(case.urgency))
            by = clock.now() + timedelta(hours=1)
            return self.tickets.clocks.say(
                session, about, "一小时内答复", by, message_id=None, staff_id=1
            ).id

    def rise(self, place: str = "济南转运中心", to_place: str = "", count: int = 1) -> int:
        """An open proposal of an incident with so many tickets; its id."""
        with self.database.write() as session:
            at = clock.now()
            spot = Spot("delay", Scope.ROUTE if to_place else Scope.HUB, place, to_place)
            proposal_id = rises.add_proposal(session, spot, 0.4, at, at)
            if proposal_id is None:
                return next(p.id for p in rises.open_proposals(session) if p.place == place)
        for number in range(count):
            talk = self.say(f"{place}-{number}", "还没到")
            with self.database.write() as session:
                customer = session.get_one(Conversation, talk).customer_id
                complaint = Complaint(
                    f"rise:{talk}",
                    "report_delay",
                    talk,
                    customer,
                    "三天没动了",
                    waybill_no=f"SF9{talk:011d}",
                )
                ticket = self.tickets.open(session, complaint).ticket
                rises.add_places(session, ticket.id, at, [spot])
                rises.give_to(session, proposal_id, [ticket.id])
                self.desk.live.after_commit(session, "queue")
        return proposal_id

    def parcel(self, number: str = "SF1234567890123", **facts: Any) -> str:
        """A parcel of somebody's; its number."""
        person = {
            "recipient_name": "张三丰",
            "recipient_phone": "13812347654",
            "recipient_address": "上海市世纪大道 100 号",
            "sender_name": "李四光",
            "sender_phone": "13900001234",
        }
        with self.database.write() as session:
            given = ShipmentIn(waybill_no=number, **(person | facts))
            return parcels.store_shipment(session, given).waybill_no

    def case(self, case_id: int) -> Case:
        with self.database.read() as session:
            return session.get_one(Case, case_id)

    def key_of(self, case_id: int) -> str:
        """The public name of a case's conversation."""
        with self.database.read() as session:
            case = session.get_one(Case, case_id)
            return session.get_one(Conversation, case.conversation_id).key


@dataclass(frozen=True)
class Browser:
    """A signed-in browser and the token its pages carry."""

    client: TestClient
    csrf: str

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def press(self, path: str, htmx: bool = True, **form: str) -> Any:
        """Send a form of the page."""
        headers = {"HX-Request": "true"} if htmx else {}
        return self.client.post(path, data={"csrf": self.csrf} | form, headers=headers)

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Use the API."""
        return self.client.post(path, json=body, headers={"X-CSRF-Token": self.csrf})


@functools.cache
def policies() -> tuple[Texts, UrgencyRules, Routing]:
    """The company's own, read once."""
    folder = ROOT / "policies"
    return (
        Texts(folder / "texts", ZONE),
        build_urgency(),
        build_routing(),
    )


class Lent:
    """Stands for the desk of the test that runs: its routes take longer to build than a test."""

    now: ClassVar[Desk]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


@functools.cache
def shared() -> FastAPI:
    """One application for all tests that watch no stream: those are of one desk."""
    return application(cast(Desk, Lent()))


def application(desk: Desk) -> FastAPI:
    app = FastAPI()
    app.include_router(router(desk))
    app.mount("/static/desk", StaticFiles(directory=STATIC))
    app.mount("/static/vendor", StaticFiles(directory=VENDOR))

    @app.exception_handler(CourierError)
    def fail(_: Request, error: CourierError) -> JSONResponse:
        return JSONResponse({"error": error.code}, error.status)

    return app


def build(database: Database) -> World:
    """Everything on ``database``, which must have its schema and the three people."""
    texts, urgency, routing = policies()
    live = Live(database)
    clocks = build_clocks()
    can = {
        "web": Capabilities(buttons=True, typing=True, files=ANY),
        "wechat": Capabilities(max_length=600, reply_quota=5, files=media.CARRIED),
    }
    asking = build_asking(texts)
    episodes = Episodes(asking)
    telling = Notices(texts, routing, live, asking, progress_page).tell
    lifecycle = Lifecycle(Events(telling, asking.after_event, episodes.after_event))
    rules = build_intake()
    tickets = Tickets(urgency, routing, clocks, ZONE, lifecycle, rules)
    incidents = build_incidents(live)
    lifecycle.events.after_event(incidents.after_event)
    handoffs = Handoffs(texts, tickets, lambda name: can.get(name, Capabilities()), live)
    handoffs.after_end(episodes.after_end)
    desk = Desk(
        database, handoffs, tickets, incidents, PROBLEMS, texts, live, file_store(),
        build_money(tickets, texts, live),
        ParcelRules.from_file(ROOT / "policies" / "parcels.yml"),
        secure_cookies=False, telegram=True,
    )  # fmt: skip
    Lent.now = desk
    return World(database, desk, tickets, shared())


@functools.cache
def password_hash() -> str:
    """Hashing is slow on purpose: once is enough."""
    return PasswordHasher().hash(PASSWORD)


def people(database: Database) -> None:
    """The three people of every test: an agent, a colleague, a supervisor."""
    with database.write() as session:
        for login, name, role in (
            ("lili", "李丽", Role.AGENT),
            ("wangwei", "王伟", Role.AGENT),
            ("chen", "陈主管", Role.SUPERVISOR),
        ):
            person = Staff(login=login, name=name, role=role, team="first_line")
            person.password_hash = password_hash()
            person.created_at = clock.now()
            session.add(person)


@contextmanager
def serving(world: World, port: int = 0) -> Iterator[str]:
    """The desk on a real port, for a browser; yields its address."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(
        uvicorn.Config(application(world.desk), log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
