"""Orders to the depot: signed, sent until they are answered, and the customer told once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from sqlalchemy.orm import Session

from bot import app as service
from bot import assembly
from bot import settings as configuration
from bot.depot.loop import DepotLoop
from bot.depot.simulator import PATH, Simulator
from bot.orders import SIMULATOR
from bot.settings import OutletSettings
from conversations.models import Conversation, Holder, Inbox, Message
from handoff import repository as handoffs
from parcels import change_rules, orders
from parcels import depot as depots
from parcels import service as parcels
from parcels.change_models import DepotOrder, OrderKind
from parcels.models import Shipment
from parcels.schemas import ShipmentIn
from store import clock, signing
from store.claims import release
from store.engine import Database
from store.errors import BadSignature, SettingsError
from store.live import Live
from store.orders import OrderState, Outlet
from tests import rooms
from tests.channels.house import until
from tests.e2e import dialogues

KEY = b"k" * 32
NUMBER = "YT2718281828459"
ACCEPTED = {"result": "accepted", "receipt": "R-1"}
WINDOW = {"from": "2026-03-03T15:00:00+08:00", "to": "2026-03-03T16:00:00+08:00"}


class FakeDepot:
    """A depot over real HTTP: ``script`` answers in turn, its last one for ever."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.script: list[Any] = [ACCEPTED]
        self.app = FastAPI()
        self.app.post("/orders")(self._order)
        self.url = ""

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.asked]

    async def _order(self, request: Request) -> Response:
        self.asked.append((dict(request.headers), await request.body()))
        answer = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        if isinstance(answer, int):
            return Response(status_code=answer)
        return Response(answer if isinstance(answer, str) else json.dumps(answer))


@contextmanager
def over_http(fake: FakeDepot) -> Iterator[None]:
    """It listens on a port of its own while this lasts."""
    server = uvicorn.Server(
        uvicorn.Config(fake.app, "127.0.0.1", 0, log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    fake.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/orders"
    yield
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def depot() -> Iterator[FakeDepot]:
    fake = FakeDepot()
    with over_http(fake):
        yield fake


class House:
    """The record with a customer and his parcel, and workers that send his orders."""

    def __init__(self, database: Database, depot: FakeDepot) -> None:
        self.database = database
        self.depot = depot
        self.live = Live(database)
        with database.write() as session:
            given = ShipmentIn(waybill_no=NUMBER, recipient_phone="13800004455")
            parcels.store_shipment(session, given)
            self.conversation_id = rooms.said(session, "改期").id
            self.answered(session)

    @staticmethod
    def answered(session: Session) -> None:
        """The bot's words for what the customer said are out."""
        for row in session.query(Inbox):
            release(row, retry_at=None)

    def place(self, kind: OrderKind = OrderKind.RESCHEDULE, key: str = "in:1", **wish: str) -> str:
        with self.database.write() as session:
            customer_id = session.get_one(Conversation, self.conversation_id).customer_id
            details = wish or WINDOW
            order = orders.place(
                session, key, customer_id, orders.Wish(kind, NUMBER, details, Decimal(5))
            )
            self.live.after_commit(session, "depot")
            return order.public_id

    @asynccontextmanager
    async def at_work(self, workers: int = 1) -> AsyncIterator[None]:
        house = rooms.build(self.database)
        rules = change_rules.from_file(rooms.POLICIES / "changes.yml")
        loops = [
            DepotLoop(
                self.database,
                self.live,
                Outlet(self.depot.url, KEY, httpx.AsyncClient(trust_env=False, timeout=5)),
                rules,
                house.handoffs,
                house.tickets,
                house.texts,
            )
            for _ in range(workers)
        ]
        for loop in loops:
            loop.start()
        try:
            yield
        finally:
            for loop in loops:
                await loop.stop()

    def order(self, public_id: str) -> DepotOrder:
        with self.database.read() as session:
            return session.query(DepotOrder).filter_by(public_id=public_id).one()

    def told(self) -> list[str]:
        with self.database.read() as session:
            rows = session.query(Message).filter_by(author="bot").order_by(Message.id)
            return [row.text for row in rows]


@pytest.fixture
def house(database: Database, depot: FakeDepot, at: object) -> House:
    return House(database, depot)


async def test_an_accepted_order_is_signed_told_and_in_the_record(house: House) -> None:
    public_id = house.place()
    async with house.at_work():
        await until(house.told)
    ((headers, body),) = house.depot.asked
    assert json.loads(body) == {
        "id": public_id,
        "kind": "reschedule",
        "waybill_no": NUMBER,
        "about": NUMBER,
        "wish": WINDOW,
        "price": "5.00",
        "placed_at": clock.now().isoformat(),
    }
    signed = f"{public_id}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    (words,) = house.told()
    assert "办好了" in words
    assert "明天 15:00 到 16:00" in words
    order = house.order(public_id)
    assert (order.state, order.receipt, order.due_at) == (OrderState.ACCEPTED, "R-1", None)
    with house.database.read() as session:
        shipment = session.query(Shipment).one()
        assert shipment.eta_from == datetime.fromisoformat(WINDOW["from"])


@pytest.mark.parametrize(
    ("reason", "words"),
    [("full", "已经放满了"), ("too_late", "来不及"), ("their own words", "这次办不了")],
)
async def test_a_refusal_is_told_with_its_reason(house: House, reason: str, words: str) -> None:
    house.depot.script = [{"result": "refused", "reason": reason}]
    public_id = house.place()
    async with house.at_work():
        await until(house.told)
    assert words in house.told()[0]
    assert house.order(public_id).state == OrderState.REFUSED
    with house.database.read() as session:
        assert session.query(Shipment).one().eta_from is None


@pytest.mark.parametrize(
    "answer", [500, 404, "no JSON", {"result": "perhaps"}, {"result": "pending"}]
)
async def test_no_answer_is_asked_for_again_under_the_same_id_and_told_when_it_comes(
    house: House, at: Callable[[datetime], None], answer: Any
) -> None:
    house.depot.script = [answer]
    public_id = house.place()
    async with house.at_work():
        await until(lambda: house.order(public_id).last_error)
        assert house.told() == []
        house.depot.script = [ACCEPTED]
        at(clock.now() + timedelta(hours=1))
        house.live.wake("depot")
        await until(house.told)
    assert house.depot.ids == [public_id] * 2
    assert house.order(public_id).state == OrderState.ACCEPTED


async def test_a_silent_depot_brings_a_person_and_the_customer_is_told(
    house: House, at: Callable[[datetime], None]
) -> None:
    house.depot.script = [503]
    public_id = house.place()
    async with house.at_work():
        await until(lambda: house.order(public_id).last_error)
        at(clock.now() + timedelta(hours=2))
        house.live.wake("depot")
        await until(house.told)
    assert house.order(public_id).state == OrderState.UNANSWERED
    assert "请同事去催办" in house.told()[0]
    with house.database.read() as session:
        case = handoffs.open_case(session, house.conversation_id)
        assert case is not None
        assert (case.reason, case.rule) == ("change_request", "depot_silent")
        assert session.get_one(Conversation, house.conversation_id).holder == Holder.BOT
        known = {slot["name"]: slot["value"] for slot in case.packet["slots"]}
        assert known == {"change": "reschedule", "new_time": "明天 15:00 到 16:00"}


WISH = WINDOW | {"place": "gate 3", "person": "Li Lei 13911112222"}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("answer", "key"), [(0, "accepted"), (1, "refused"), (2, "unanswered")])
async def test_every_change_tells_how_it_ended_in_both_languages(
    house: House, at: Callable[[datetime], None], language: str, answer: int, key: str
) -> None:
    full = {"result": "refused", "reason": "full"}
    house.depot.script = [[ACCEPTED, full, 503][answer]]
    with house.database.write() as session:
        session.get_one(Conversation, house.conversation_id).language = language
    async with house.at_work():
        for number, kind in enumerate(OrderKind, 1):
            public_id = house.place(kind, f"in:{number}", **WISH)
            house.live.wake("depot")
            if key == "unanswered":
                await until(lambda order=public_id: house.order(order).last_error)  # type: ignore[misc]
                at(clock.now() + timedelta(hours=2, minutes=1))
                house.live.wake("depot")
            await until(lambda count=number: len(house.told()) == count)  # type: ignore[misc]
            words = house.told()[-1]
            assert dialogues.said(words, language, f"change.{key}"), words
            assert dialogues.said(words, language, f"change.what.{kind}"), words


async def test_two_workers_tell_each_answer_once(house: House) -> None:
    placed = [house.place(key=f"in:{n}") for n in range(8)]
    async with house.at_work(workers=2):
        await until(lambda: len(house.told()) == 8)
    assert house.depot.ids == placed  # of one parcel: in order, each once


async def test_a_worker_killed_after_sending_sends_again_and_tells_once(
    house: House, at: Callable[[datetime], None]
) -> None:
    public_id = house.place()
    dead = DepotLoop.__new__(DepotLoop)
    dead._database = house.database
    ((_, order_id, body),) = dead.claimed()
    sent = Outlet(house.depot.url, KEY, httpx.AsyncClient(trust_env=False))
    await sent.ask(order_id, body)  # and then the power was cut
    await sent.close()
    async with house.at_work():
        at(clock.now() + timedelta(minutes=2))
        house.live.wake("depot")
        await until(house.told)
    assert house.depot.ids == [public_id] * 2
    assert len(house.told()) == 1


async def test_a_later_order_about_the_same_parcel_waits_for_the_earlier(
    house: House, at: Callable[[datetime], None]
) -> None:
    house.depot.script = [503, ACCEPTED]
    first = house.place(key="in:1")
    second = house.place(OrderKind.DOOR, key="in:2")
    async with house.at_work():
        await until(lambda: house.order(first).last_error)
        at(clock.now() + timedelta(minutes=1))
        house.live.wake("depot")
        await until(lambda: len(house.told()) == 2)
    assert house.depot.ids == [first, first, second]


async def test_the_depots_word_does_not_come_before_the_bots(
    house: House, at: Callable[[datetime], None]
) -> None:
    with house.database.write() as session:
        rooms.said(session, "确认", number="2")
    public_id = house.place()
    async with house.at_work():
        await until(lambda: (house.order(public_id).due_at or clock.now()) > clock.now())
        assert house.depot.asked == []
        with house.database.write() as session:
            house.answered(session)
        at(clock.now() + timedelta(seconds=1))
        house.live.wake("depot")
        await until(house.told)
    assert house.order(public_id).attempts == 1


def test_the_same_key_is_one_order(house: House) -> None:
    assert house.place(key="in:7") == house.place(key="in:7")


def test_the_signature_is_that_of_the_published_example(at: Callable[[datetime], None]) -> None:
    """The example of the Standard Webhooks libraries."""
    at(datetime.fromtimestamp(1614265330, tz=clock.now().tzinfo))
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body, message_id = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek"
    headers = signing.signed(key, message_id, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signing.checked(key, headers, body) == message_id


@pytest.mark.parametrize("fault", ["key", "body", "id", "time", "none"])
def test_what_is_not_signed_by_us_is_refused(at: Callable[[datetime], None], fault: str) -> None:
    headers, key, body = signing.signed(KEY, "m", b"{}"), KEY, b"{}"
    match fault:
        case "key":
            key = b"x" * 32
        case "body":
            body = b"{ }"
        case "id":
            headers["webhook-id"] = "n"
        case "time":
            at(clock.now() + timedelta(minutes=6))
        case "none":
            headers = {}
    with pytest.raises(BadSignature):
        signing.checked(key, headers, body)


async def test_the_simulators_door_is_closed_to_everybody_else(tmp_path: Path) -> None:
    settings = configuration.load({"COURIER_HOME": str(tmp_path), "COURIER_DEPOT_URL": SIMULATOR})
    app = service.create(settings)
    key = assembly.derived(settings, "depot").encode()[:64]
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
        refused = await http.post(PATH, content=b"{}", headers={"authorization": "Bearer x"})
        broken = await http.post(PATH, content=b"{}", headers=signing.signed(key, "m", b"{}"))
    assert (refused.status_code, broken.status_code) == (401, 422)
    without = service.create(configuration.load({"COURIER_HOME": str(tmp_path)}))
    transport = httpx.ASGITransport(app=without, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
        assert (await http.post(PATH, content=b"{}")).status_code == 404


@pytest.mark.parametrize(
    ("kind", "wish", "expected"),
    [
        ("reschedule", WINDOW, ["accepted", "accepted"]),
        ("reschedule", {"to": "2026-03-03T09:00:00+08:00"}, ["refused", "refused"]),
        ("locker", {"place": "3号柜满了也行"}, ["refused", "refused"]),
        ("address", {"place": "overseas"}, ["refused", "refused"]),
        ("hold", {}, ["pending", "accepted"]),
    ],
)
def test_the_simulator_answers_the_same_order_the_same(
    kind: str, wish: dict[str, str], expected: list[str]
) -> None:
    simulator = Simulator(KEY, rooms.SHANGHAI)
    order = depots.OrderOut(
        id="abcdefgh1",
        kind=kind,
        waybill_no=NUMBER,
        about=NUMBER,
        wish=wish,
        price="0",
        placed_at="",
    )
    assert [simulator.answer("m", order).result for _ in range(2)] == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"DEPOT_URL": "http://depot.example"}, "https://"),
        ({"DEPOT_URL": "https://depot.example"}, "COURIER_DEPOT_SECRET"),
        ({"DEPOT_URL": "https://depot.example", "DEPOT_SECRET": "short"}, "openssl rand"),
        ({"DEPOT_SECRET": "whsec_" + "A" * 40}, "COURIER_DEPOT_URL"),
    ],
)
def test_wrong_settings_are_one_sentence(tmp_path: Path, given: dict[str, str], words: str) -> None:
    environment = {f"COURIER_{name}": value for name, value in given.items()}
    with pytest.raises(SettingsError, match=words):
        configuration.load({"COURIER_HOME": str(tmp_path), **environment})


def test_the_secret_is_read_and_never_shown(tmp_path: Path) -> None:
    secret = base64.b64encode(KEY).decode()
    found = configuration.load(
        {
            "COURIER_HOME": str(tmp_path),
            "COURIER_DEPOT_URL": "https://depot.example/orders",
            "COURIER_DEPOT_SECRET": f"whsec_{secret}",
        }
    )
    assert found.depot == OutletSettings("https://depot.example/orders", KEY)
    assert secret not in repr(found)
    assert "kkk" not in repr(found)
