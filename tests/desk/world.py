"""A desk to test: three people, customers who wait, and the real application around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import django_htmx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient

from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Button, Capabilities, Inbound, Outbound
from conversations.texts import Texts
from handoff import staff
from handoff.desk.routes import STATIC, Desk, router
from handoff.models import Case, Role
from handoff.packet import Guess, Learned, Request as Handoff
from handoff.service import Handoffs
from parcels.schemas import ScanIn, ShipmentIn
from parcels.service import store_shipment
from store import clock
from store.engine import Database
from store.errors import CourierError
from store.live import Live
from tickets.models import Urgency
from tickets.routing import Routing
from tickets.service import Complaint, Tickets
from tickets.urgency import UrgencyRules, Verdict

ROOT = Path(__file__).resolve().parents[2]
ZONE = ZoneInfo("Asia/Shanghai")
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
        client = self.client()
        answer = client.post("/desk/login", data={"login": login, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        csrf = client.get("/api/session").json()["csrf"]
        return Browser(client, csrf)

    def say(self, who: str, text: str, *, channel: str = "web", name: str | None = None) -> int:
        """A customer writes; returns the conversation's id."""
        with self.database.write() as session:
            row, _ = conversations.receive(
                session,
                Inbound(channel, "main", who, f"{who}:{text}:{clock.now().isoformat()}", text, name=name),
            )
            self.desk.live.after_commit(session, "queue", f"conversation:{row.conversation_id}")
            return row.conversation_id

    def bot_says(
        self, conversation_id: int, text: str, buttons: tuple[Button, ...] = ()
    ) -> None:
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


def build(database: Database) -> World:
    """Everything on ``database``, which must have its schema; adds the three people."""
    texts = Texts(ROOT / "policies" / "texts", ZONE)
    urgency = UrgencyRules.from_file(ROOT / "policies" / "urgency.yml")
    routing = Routing.from_file(ROOT / "policies" / "teams.yml", ZONE)
    live = Live(database)
    can = {
        "web": Capabilities(buttons=True, typing=True, images=True),
        "wechat": Capabilities(max_length=600, reply_quota=5),
    }
    handoffs = Handoffs(texts, urgency, routing, lambda name: can.get(name, Capabilities()), live)
    desk = Desk(database, handoffs, texts, live, secure_cookies=False)
    app = FastAPI()
    app.include_router(router(desk))
    app.mount("/static/desk", StaticFiles(directory=STATIC))
    app.mount("/static/vendor", StaticFiles(directory=VENDOR))

    @app.exception_handler(CourierError)
    def fail(_: Request, error: CourierError) -> JSONResponse:
        return JSONResponse({"error": error.code, "by": error.facts.get("by")}, error.status)

    with database.write() as session:
        for login, name, role in (
            ("lili", "李丽", Role.AGENT),
            ("wangwei", "王伟", Role.AGENT),
            ("chen", "陈主管", Role.SUPERVISOR),
        ):
            staff.add(
                session, login=login, name=name, role=role, team="first_line", password=PASSWORD
            )
    return World(database, desk, Tickets(urgency, routing, ZONE), app)


def fill(world: World) -> dict[str, int]:
    """A lively afternoon for screenshots: cases by customer's name."""
    start = clock.now()
    cases: dict[str, int] = {}
    with clock.frozen(start - timedelta(days=2)) as move:
        world.say("zhou", "你好，我的快递什么时候到？", name="周敏")
        with world.database.write() as session:
            store_shipment(
                session,
                ShipmentIn(
                    waybill_no="SF1390275846129", goods="大闸蟹", goods_class="perishable",
                    eta_to=start - timedelta(hours=5),
                    scans=[
                        ScanIn(
                            at=start - timedelta(hours=19), place="嘉兴中转场",
                            next_place="上海浦东分拨中心", next_at=start + timedelta(hours=2),
                            reason="高速因大雾封路",
                        )
                    ],
                ),
            )  # fmt: skip
        move(start - timedelta(minutes=14))
        zhou = world.say("zhou", "我的大闸蟹昨天就该到了，还在嘉兴！单号 SF1390275846129")
        move(start - timedelta(minutes=13, seconds=40))
        world.bot_says(
            zhou,
            "我完全理解您的着急。您的快件昨天 19:20 到了嘉兴中转场，因为高速大雾封路还没有发出，预计今天 18:00 到上海浦东分拨中心。已为您登记加急工单。",
            (Button("查看进度", "查看进度"), Button("找人工", "找人工")),
        )
        move(start - timedelta(minutes=12))
        world.say("zhou", "等到 18:00 螃蟹都死了！马上给我找个人来")
        with world.database.write() as session:
            opened = world.tickets.open(
                session,
                Complaint(
                    "zhou:1", "report_perishable", zhou, 1,
                    "大闸蟹昨天应到，停在嘉兴，客户担心死亡", waybill_no="SF1390275846129",
                    goods="大闸蟹", goods_class="perishable",
                ),
            )  # fmt: skip
            ticket = opened.ticket.id
        cases["周敏"] = world.hand_over(
            zhou, reason="red_urgency", rule="perishable_reported", intent="report_perishable",
            verdict=Verdict(Urgency.RED, "perishable_reported"), ticket_id=ticket,
            waybill_no="SF1390275846129",
            guesses=(Guess("report_perishable", 0.94), Guess("report_delay", 0.04), Guess("complain", 0.01)),
            learned=(
                Learned("waybill_no", "SF1390275846129", "customer", 2, start - timedelta(minutes=14)),
                Learned("goods", "大闸蟹", "customer", 2, start - timedelta(minutes=14)),
                Learned("goods_class", "perishable", "record", None, None),
            ),
        )  # fmt: skip
        move(start - timedelta(minutes=9))
        emma = world.say("emma", "My vase arrived in pieces. Waybill YT8812345678903.", name="Emma Clarke", channel="telegram")
        world.bot_says(emma, "I am so sorry about your vase. We answer for it. Could you send a photo of the contents and of the outside?")
        world.say("emma", "I already threw the box away. I want to talk to someone real please.", channel="telegram")
        cases["Emma"] = world.hand_over(
            emma, intent="report_damage", verdict=Verdict(Urgency.ORANGE, "loss_damage_or_scam"),
            guesses=(Guess("report_damage", 0.71), Guess("ask_human", 0.22)),
            waybill_no="YT8812345678903",
            learned=(Learned("waybill_no", "YT8812345678903", "customer", None, start),),
        )  # fmt: skip
        move(start - timedelta(minutes=6))
        gao = world.say("gao", "快递员说我不在家，可是我一直在家！态度还特别差", channel="wechat", name="高先生")
        cases["高先生"] = world.hand_over(
            gao, reason="strong_anger", rule="strong_anger", intent="report_courier_attitude",
            verdict=Verdict(Urgency.YELLOW, "problem_reported"),
            guesses=(Guess("report_courier_attitude", 0.66), Guess("complain", 0.2), Guess("report_delay", 0.07)),
        )  # fmt: skip
        move(start - timedelta(minutes=3))
        guest = world.say("guest", "<b>hello</b> anyone?")
        cases["guest"] = world.hand_over(
            guest, reason="two_failures", rule="two_failures", intent="out_of_scope",
            verdict=Verdict(Urgency.GREEN, "nothing_urgent"), guesses=(),
        )  # fmt: skip
        move(start - timedelta(minutes=1))
        lin = world.say("lin", "请问改地址怎么弄？", name="林小姐")
        cases["林小姐"] = world.hand_over(lin, reason="change_request", rule="change_delivery_place", verdict=Verdict(Urgency.GREEN, "nothing_urgent"))
    with world.database.write() as session:
        colleague = staff.check_password(session, "wangwei", PASSWORD)
        person = staff.SignedIn(colleague.id, "wangwei", colleague.name, Role.AGENT, "first_line", "")
        world.desk.handoffs.take(session, cases["林小姐"], person)
    return cases


@contextmanager
def serving(world: World) -> Iterator[str]:
    """The desk on a real port, for a browser; yields its address."""
    import socket
    import threading
    import time

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(world.app, log_level="warning", timeout_graceful_shutdown=2)
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
