"""Our scans on their way to WeChat: in its format, in order, retried only where that is safe."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from bot import settings as configuration
from bot.channels.wechat.account import Logistics
from bot.wechat_path import PATH, PathLoop
from parcels import service as parcels
from parcels.models import Status, SubStatus
from parcels.path_models import PathUpdate
from parcels.schemas import ScanIn, ShipmentIn
from parcels.sources.statuses import Statuses
from store import clock
from store.engine import Database
from store.errors import SettingsError
from store.live import Live
from tests import rooms
from tests.channels.house import until

NUMBER = "SF1234567890123"
EXAMPLE = {
    "token": "TOKEN",
    "waybill_id": "12345678901234567890",
    "action_time": 1533052800,
    "action_type": 300002,
    "action_msg": "丽影邓丽君【18666666666】正在派件",
}
"""The request as the platform's page shows it."""
OK = {"errcode": 0, "errmsg": "ok"}


class FakeWeChat:
    """The platform over real HTTP: ``script`` answers in turn, its last one for ever."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.script: list[dict[str, Any] | int | None] = [OK]
        self.tokens = 0
        self.app = FastAPI()
        self.app.post("/cgi-bin/stable_token")(self._token)
        self.app.post(PATH)(self._path)
        self.url = ""

    async def _token(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        assert body == {"grant_type": "client_credential", "appid": "wx1", "secret": "s"}
        self.tokens += 1
        return {"access_token": f"T{self.tokens}", "expires_in": 7200}

    async def _path(self, request: Request, access_token: str) -> Response:
        assert access_token == f"T{self.tokens}"
        self.told.append(json.loads(await request.body()))
        answer = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        if isinstance(answer, int):
            return Response(status_code=answer)
        return Response("gone" if answer is None else json.dumps(answer))


@pytest.fixture
def wechat() -> Iterator[FakeWeChat]:
    fake = FakeWeChat()
    server = uvicorn.Server(
        uvicorn.Config(fake.app, "127.0.0.1", 0, log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    fake.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield fake
    server.should_exit = True
    thread.join(10)


class House:
    def __init__(self, database: Database, wechat: FakeWeChat) -> None:
        self.database = database
        self.wechat = wechat
        self.live = Live(database)
        self.statuses = Statuses.from_file(rooms.POLICIES / "statuses.yml")

    def scan(
        self,
        *statuses: SubStatus | Status | None,
        number: str = NUMBER,
        token: str | None = "ORDER",
    ) -> None:
        """Scans of a parcel, one a minute, the last one now."""
        begin = clock.now() - timedelta(minutes=len(statuses))
        scans = []
        for step, status in enumerate(statuses, 1):
            named: dict[str, Any] = {"status": status}
            if isinstance(status, SubStatus):
                named = {"sub_status": status}
            at = begin + timedelta(minutes=step)
            scans.append(ScanIn(at=at, place="上海", words="赵快递 13711117111", **named))
        with self.database.write() as session:
            facts: dict[str, Any] = {"wechat_token": token} if token else {}
            given = ShipmentIn(waybill_no=NUMBER, recipient_name="张三丰", scans=scans, **facts)
            parcels.store_shipment(session, given)
            self.live.after_commit(session, "paths")

    def rows(self) -> list[PathUpdate]:
        with self.database.read() as session:
            return list(session.query(PathUpdate).order_by(PathUpdate.id))

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    @asynccontextmanager
    async def at_work(self, workers: int = 1) -> AsyncIterator[None]:
        account = Logistics("wx1", "s", self.wechat.url)
        texts = rooms.build(self.database).texts
        loops = [
            PathLoop(
                self.database, self.live, account, self.statuses, texts,
                httpx.AsyncClient(trust_env=False, timeout=5),
            )
            for _ in range(workers)
        ]  # fmt: skip
        for loop in loops:
            loop.start()
        try:
            yield
        finally:
            for loop in loops:
                await loop.stop()


@pytest.fixture
def house(database: Database, wechat: FakeWeChat, at: object) -> House:
    return House(database, wechat)


async def test_scans_are_told_in_the_platforms_format_and_without_persons(house: House) -> None:
    house.scan(SubStatus.PICKED_UP, SubStatus.ARRIVED, Status.OUT_FOR_DELIVERY, Status.DELIVERED)
    async with house.at_work():
        await until(lambda: house.states == ["sent"] * 4)
    for body in house.wechat.told:
        assert {name: type(value) for name, value in body.items()} == {
            name: type(value) for name, value in EXAMPLE.items()
        }
        assert "赵快递" not in body["action_msg"]
        assert "张三丰" not in body["action_msg"]
    assert [body["action_type"] for body in house.wechat.told] == [100001, 200001, 300002, 300003]
    first = house.wechat.told[0]
    assert first == {
        "token": "ORDER",
        "waybill_id": NUMBER,
        "action_time": int((clock.now() - timedelta(minutes=3)).timestamp()),
        "action_type": 100001,
        "action_msg": "【上海】已揽收",
    }
    assert {row.sent_at for row in house.rows()} == {clock.now()}


async def test_each_scan_is_told_once_whoever_works_and_however_often_it_comes(
    house: House,
) -> None:
    house.scan(SubStatus.PICKED_UP, SubStatus.DEPARTED, SubStatus.ARRIVED)
    house.scan(SubStatus.PICKED_UP, SubStatus.DEPARTED, SubStatus.ARRIVED)
    async with house.at_work(workers=3):
        await until(lambda: house.states == ["sent"] * 3)
    times = [body["action_time"] for body in house.wechat.told]
    assert times == sorted(set(times))


async def test_states_without_a_name_are_not_told_and_unknown_ones_are_the_road(
    house: House,
) -> None:
    house.scan(SubStatus.ORDERED, None)
    async with house.at_work():
        await until(lambda: house.states == ["skipped", "sent"])
    assert [body["action_type"] for body in house.wechat.told] == [200001]


def test_every_state_of_ours_has_an_answer(house: House) -> None:
    for status in Status:
        house.statuses.wechat_type(status, None)
    for detail in SubStatus:
        house.statuses.wechat_type(detail.status, detail)
    assert house.statuses.wechat_type(None, None) == 200001


async def test_parcels_that_wechat_does_not_know_stay_at_home(house: House) -> None:
    house.scan(SubStatus.PICKED_UP, SubStatus.DEPARTED, token=None)
    assert house.rows() == []
    house.scan(Status.OUT_FOR_DELIVERY)  # with its token: all that was scanned before is told too
    async with house.at_work():
        await until(lambda: house.states == ["sent"] * 3)


@pytest.mark.parametrize("busy", [503, 429, {"errcode": -1, "errmsg": "system error"}])
async def test_a_busy_platform_is_asked_again_and_order_is_kept(
    house: House, busy: Any, at: Callable[[datetime], None]
) -> None:
    house.wechat.script = [busy, OK]
    house.scan(SubStatus.PICKED_UP, SubStatus.ARRIVED)
    async with house.at_work():
        await until(lambda: house.rows()[0].last_error)
        assert house.states == ["queued", "queued"]
        assert len(house.wechat.told) == 1
        at(clock.now() + timedelta(minutes=2))
        house.live.wake("paths")
        await until(lambda: house.states == ["sent", "sent"])
    types = [body["action_type"] for body in house.wechat.told]
    assert types == [100001, 100001, 200001]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"errcode": 40199, "errmsg": "waybill id error"}, "40199"),
        ({"errcode": 9300507, "errmsg": "token error"}, "9300507"),
        (500, "HTTP 500"),
        (None, "not JSON"),
    ],
)
async def test_a_refusal_and_a_lost_answer_are_given_up_with_their_reason(
    house: House, answer: Any, reason: str
) -> None:
    house.wechat.script = [answer, OK]
    house.scan(SubStatus.PICKED_UP, SubStatus.ARRIVED)
    async with house.at_work():
        await until(lambda: house.states == ["failed", "sent"])
    assert reason in (house.rows()[0].last_error or "")
    assert len(house.wechat.told) == 2


async def test_what_a_worker_died_over_is_not_told_twice(
    house: House, at: Callable[[datetime], None]
) -> None:
    house.scan(SubStatus.PICKED_UP)
    with house.database.write() as session:
        row = session.query(PathUpdate).one()
        row.attempts, row.leased_until = 1, clock.now() + timedelta(seconds=60)
    at(clock.now() + timedelta(seconds=61))
    async with house.at_work():
        await until(lambda: house.states == ["failed"])
    assert house.wechat.told == []


async def test_a_platform_that_stays_away_is_given_up_in_the_end(house: House) -> None:
    house.wechat.script = [503]
    house.scan(SubStatus.PICKED_UP)
    with house.database.write() as session:
        row = session.query(PathUpdate).one()
        row.attempts, row.last_error = 23, "HTTP 503"
    async with house.at_work():
        await until(lambda: house.states == ["failed"])


async def test_a_void_token_is_fetched_anew(house: House) -> None:
    house.wechat.script = [{"errcode": 42001, "errmsg": "expired"}, OK]
    house.scan(SubStatus.PICKED_UP)
    async with house.at_work():
        await until(lambda: house.states == ["sent"])
    assert house.wechat.tokens == 2


def test_off_unless_set_and_refused_by_halves(tmp_path: Any) -> None:
    home = {"COURIER_HOME": str(tmp_path)}
    assert configuration.load(home).wechat_logistics is None
    whole = home | {"COURIER_WECHAT_LOGISTICS_APPID": "wx1", "COURIER_WECHAT_LOGISTICS_SECRET": "s"}
    account = configuration.load(whole).wechat_logistics
    assert account == Logistics("wx1", "s")
    assert "'s'" not in repr(account)
    for name in ("APPID", "SECRET"):
        half = {k: v for k, v in whole.items() if not k.endswith(name)}
        with pytest.raises(SettingsError, match=name):
            configuration.load(half)
