"""Orders to pay: signed, sent until they are answered, paid once, and told once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from sqlalchemy import update

from bot import app as service
from bot import assembly
from bot import settings as configuration
from bot.app import PAYOUT_RECEIPTS
from bot.orders import SIMULATOR, callback
from bot.payouts.loop import Payee, PayoutLoop, PayoutOut
from bot.payouts.simulator import PayoutSimulator
from bot.settings import OutletSettings
from store import clock, ids, signing
from store.engine import Database
from store.errors import CourierError, Forbidden, Invalid, OutOfOrder
from store.orders import Outlet
from tests.bot.test_depot import KEY, FakeDepot, depot, over_http
from tests.channels.house import until
from tests.tickets.money import CHEN, LI, NUMBER, ZHOU, House
from tickets.compensation import repository
from tickets.compensation.errors import OwnGrant
from tickets.compensation.models import Grant, GrantState, Payout
from tickets.compensation.payouts import masked

__all__ = ["depot"]
PAID = {"result": "accepted", "receipt": "R-1", "way": "微信零钱 6222021234567890"}
Move = Callable[[datetime], None]


class Cashier:
    """A house whose payments go to a paymaster over real HTTP."""

    def __init__(self, database: Database, paymaster: FakeDepot) -> None:
        self.house = House(database)
        self.paymaster = paymaster
        paymaster.script = [PAID]

    def granted(self, yuan: int = 40) -> tuple[str, Grant]:
        return self.house.claim(yuan)

    def loop(self, *, outlet: bool = True) -> PayoutLoop:
        client = httpx.AsyncClient(trust_env=False, timeout=5)
        return PayoutLoop(
            self.house.database,
            self.house.live,
            Outlet(self.paymaster.url, KEY, client) if outlet else None,
            self.house.compensation.policies.present.payment,
            self.house.payouts,
        )

    @asynccontextmanager
    async def at_work(self, workers: int = 1, *, outlet: bool = True) -> AsyncIterator[None]:
        loops = [self.loop(outlet=outlet) for _ in range(workers)]
        for loop in loops:
            loop.start()
        try:
            yield
        finally:
            for loop in loops:
                await loop.stop()

    def payout(self, grant: Grant) -> Payout:
        found = self.house.payout(grant)
        assert found is not None
        return found

    def paid(self) -> list[str]:
        return [text for text in self.house.told() if "已经付到" in text]

    def again(self, grant: Grant) -> None:
        with self.house.database.write() as session:
            self.house.payouts.again(session, grant.id, CHEN)


@pytest.fixture
def cashier(database: Database, depot: FakeDepot, at: object) -> Cashier:
    return Cashier(database, depot)


async def test_an_order_is_signed_paid_told_and_keeps_the_promise(cashier: Cashier) -> None:
    number, grant = cashier.granted()
    async with cashier.at_work():
        await until(cashier.paid)
    ((headers, body),) = cashier.paymaster.asked
    order_id = cashier.payout(grant).public_id
    assert json.loads(body) == {
        "id": order_id,
        "kind": "payout",
        "reason": "damage",
        "ticket": number,
        "waybill_no": NUMBER,
        "amount": "40.00",
        "currency": "CNY",
        "customer": {"channel": "web", "account": "page", "id": "visitor"},
        "granted_at": clock.now().isoformat(),
    }
    assert signing.checked(KEY, headers, body) == order_id
    (words,) = cashier.paid()
    assert "40 元已经付到您的微信零钱 ****7890" in words
    assert cashier.house.row(grant).state == GrantState.DONE
    assert cashier.house.promise(number) == "kept"
    assert cashier.house.happened(number)[-1] == "paid"


@pytest.mark.parametrize("answer", [500, "no JSON", {"result": "perhaps"}, {"result": "pending"}])
async def test_no_answer_is_asked_for_again_under_the_same_id(
    cashier: Cashier, at: Move, answer: Any
) -> None:
    cashier.paymaster.script = [answer]
    _, grant = cashier.granted()
    async with cashier.at_work():
        await until(lambda: cashier.payout(grant).last_error)
        cashier.paymaster.script = [PAID]
        at(clock.now() + timedelta(minutes=30))
        cashier.house.live.wake("payouts")
        await until(cashier.paid)
    assert cashier.paymaster.ids == [cashier.payout(grant).public_id] * 2
    first, second = (body for _, body in cashier.paymaster.asked)
    assert first == second


async def test_a_refusal_is_a_supervisors_and_the_customer_hears_a_time(cashier: Cashier) -> None:
    cashier.paymaster.script = [{"result": "refused", "reason": "account_closed"}, PAID]
    number, grant = cashier.granted()
    async with cashier.at_work():
        await until(lambda: cashier.payout(grant).attention)
        with cashier.house.database.read() as session:
            (matter,) = repository.failed(session, 10)
            assert (matter.grant.id, matter.payout and matter.payout.reason) == (
                grant.id, "account_closed",
            )  # fmt: skip
        words = cashier.house.told()[-1]
        assert "没有付成" in words
        assert "最晚明天 10:00" in words
        assert "account_closed" not in words
        assert cashier.house.promise(number) == "open"
        cashier.again(grant)
        cashier.house.live.wake("payouts")
        await until(cashier.paid)
    first, second = cashier.paymaster.ids
    assert first != second  # a new order: the first was refused for good
    with cashier.house.database.read() as session:
        assert repository.failed(session, 10) == []
    assert cashier.house.happened(number)[-3:] == ["unpaid", "pay_again", "paid"]


async def test_silence_is_a_supervisors_and_the_same_order_is_sent_again(
    cashier: Cashier, at: Move
) -> None:
    cashier.paymaster.script = [503]
    _, grant = cashier.granted()
    async with cashier.at_work():
        await until(lambda: cashier.payout(grant).last_error)
        at(clock.now() + timedelta(hours=1))
        cashier.house.live.wake("payouts")
        await until(lambda: cashier.payout(grant).attention)
        assert "到现在没有回音" in cashier.house.told()[-1]
        cashier.paymaster.script = [PAID]
        cashier.again(grant)
        cashier.house.live.wake("payouts")
        await until(cashier.paid)
    assert set(cashier.paymaster.ids) == {cashier.payout(grant).public_id}


async def test_two_workers_pay_each_grant_once(cashier: Cashier) -> None:
    numbers = [f"SF100000000000{n}" for n in range(6)]
    for number in numbers:
        cashier.house.parcel(number, declared_value=Decimal(30))
        ticket = cashier.house.ticket(by=number, waybill_no=number)
        cashier.house.liable(ticket)
        cashier.house.grant(ticket)
    async with cashier.at_work(workers=2):
        await until(lambda: len(cashier.paid()) == 6)
        await asyncio.sleep(0.1)
    assert len(cashier.paymaster.ids) == len(set(cashier.paymaster.ids)) == 6


async def test_killed_after_sending_it_sends_the_same_again_and_tells_once(
    cashier: Cashier, at: Move
) -> None:
    """The answer came and the power was cut before it was written down."""
    _, grant = cashier.granted()
    dead = cashier.loop()
    ((_, order_id, body),) = await asyncio.to_thread(dead.claimed)
    assert dead._outlet is not None
    assert (await dead._outlet.ask(order_id, body)).result == "accepted"
    await dead._outlet.close()
    async with cashier.at_work():
        at(clock.now() + timedelta(minutes=2))  # its lease has run out
        cashier.house.live.wake("payouts")
        await until(cashier.paid)
    assert cashier.paymaster.ids == [order_id] * 2
    assert cashier.paymaster.asked[0][1] == cashier.paymaster.asked[1][1]
    assert len(cashier.paid()) == 1
    assert cashier.house.row(grant).state == GrantState.DONE


async def test_killed_while_writing_the_answer_nothing_is_half_done(
    cashier: Cashier, at: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, grant = cashier.granted()

    def cut(*_: object) -> None:
        raise SystemError("the power is cut")

    with monkeypatch.context() as patch:
        patch.setattr(cashier.house.compensation, "settled", cut)
        async with cashier.at_work():
            await until(lambda: cashier.paymaster.ids)
            await asyncio.sleep(0.2)
    assert cashier.payout(grant).state == "placed"
    assert cashier.paid() == []
    assert "paid" not in cashier.house.happened(number)
    async with cashier.at_work():
        at(clock.now() + timedelta(minutes=2))
        cashier.house.live.wake("payouts")
        await until(cashier.paid)
    assert len(set(cashier.paymaster.ids)) == 1
    assert len(cashier.paid()) == 1


async def test_without_a_paymaster_every_payment_is_a_persons(cashier: Cashier) -> None:
    number, grant = cashier.granted()
    async with cashier.at_work(outlet=False):
        await until(lambda: cashier.payout(grant).attention)
    with cashier.house.database.write() as session:
        with pytest.raises(Forbidden):
            cashier.house.payouts.by_hand(session, grant.id, LI, "现金")
        with pytest.raises(Invalid):
            cashier.house.payouts.by_hand(session, grant.id, CHEN, " ")
        cashier.house.payouts.by_hand(session, grant.id, CHEN, "银行卡 6222 0212 3456 7890")
    assert "已经付到您的银行卡 ****7890" in cashier.house.told()[-1]
    assert cashier.house.promise(number) == "kept"
    with cashier.house.database.write() as session, pytest.raises(OutOfOrder):
        cashier.house.payouts.by_hand(session, grant.id, CHEN, "noch einmal")


async def test_who_asked_for_a_sum_does_not_pay_it_himself(cashier: Cashier) -> None:
    _, grant = cashier.house.claim(900, actor=CHEN)
    async with cashier.at_work(outlet=False):
        await until(lambda: cashier.payout(grant).attention)
    with cashier.house.database.write() as session:
        with pytest.raises(OwnGrant):
            cashier.house.payouts.by_hand(session, grant.id, CHEN, "现金")
        cashier.house.payouts.by_hand(session, grant.id, ZHOU, "现金")


class Later:
    """The route for later receipts."""

    def __init__(self, cashier: Cashier, key: bytes | None = KEY) -> None:
        app = FastAPI()
        hear = cashier.house.payouts.heard
        app.include_router(
            callback.router(PAYOUT_RECEIPTS, cashier.house.database, Payout, hear, key)
        )

        @app.exception_handler(CourierError)
        def fail(_: Request, error: CourierError) -> JSONResponse:
            return JSONResponse({"error": error.code}, error.status)

        self.client = TestClient(app)

    def say(self, order_id: str, said: dict[str, Any], key: bytes = KEY) -> int:
        body = json.dumps({"id": order_id} | said).encode()
        headers = signing.signed(key, ids.new_key(), body)
        status: int = self.client.post(PAYOUT_RECEIPTS, content=body, headers=headers).status_code
        return status


def test_a_later_receipt_is_heard_once_and_only_from_the_paymaster(cashier: Cashier) -> None:
    _, grant = cashier.granted()
    later, order_id = Later(cashier), cashier.payout(grant).public_id
    assert later.say(order_id, PAID, key=b"x" * 32) == 401
    assert later.say("unknown", PAID) == 404
    assert later.say(order_id, {"result": "perhaps"}) == 422
    assert later.say(order_id, {"result": "pending"}) == 204
    assert cashier.paid() == []
    assert [later.say(order_id, PAID) for _ in range(2)] == [204, 204]
    assert len(cashier.paid()) == 1
    assert later.say(order_id, {"result": "refused"}) == 409
    assert cashier.house.row(grant).state == GrantState.DONE
    assert Later(cashier, key=None).say(order_id, PAID) == 404


async def test_paid_by_hand_and_then_by_order_is_shown_to_a_supervisor(cashier: Cashier) -> None:
    _, grant = cashier.granted()
    async with cashier.at_work(outlet=False):
        await until(lambda: cashier.payout(grant).attention)
    with cashier.house.database.write() as session:
        cashier.house.payouts.by_hand(session, grant.id, CHEN, "现金")
    assert Later(cashier).say(cashier.payout(grant).public_id, PAID) == 204
    assert cashier.payout(grant).attention
    assert len(cashier.paid()) == 1
    with cashier.house.database.write() as session:
        cashier.house.payouts.checked(session, grant.id, CHEN)
    assert not cashier.payout(grant).attention


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("40.00", ["accepted"] * 2), ("8.44", ["refused"] * 2), ("8.66", ["pending", "accepted"])],
)
def test_the_simulator_answers_the_same_order_the_same(amount: str, expected: list[str]) -> None:
    simulator = PayoutSimulator(KEY)
    payee = Payee(channel="web", account="page", id="v")
    order = PayoutOut(
        id="abcdefgh1", reason="damage", ticket="CS1", waybill_no=None, amount=amount,
        customer=payee, granted_at="",
    )  # fmt: skip
    assert [simulator.answer("m", order).result for _ in range(2)] == expected


async def test_the_simulators_door_is_closed_to_everybody_else(tmp_path: Path) -> None:
    settings = configuration.load({"COURIER_HOME": str(tmp_path), "COURIER_PAYOUT_URL": SIMULATOR})
    key = assembly.outlet_key(settings, settings.payouts, "payouts")
    assert key is not None
    transport = httpx.ASGITransport(app=service.create(settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
        path = PayoutSimulator.path
        refused = await http.post(path, content=b"{}", headers={"authorization": "Bearer x"})
        broken = await http.post(path, content=b"{}", headers=signing.signed(key, "m", b"{}"))
        receipt = await http.post(PAYOUT_RECEIPTS, content=b"{}")
    assert (refused.status_code, broken.status_code, receipt.status_code) == (401, 422, 401)
    bare = configuration.load({"COURIER_HOME": str(tmp_path)})
    transport = httpx.ASGITransport(app=service.create(bare), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
        assert (await http.post(PayoutSimulator.path, content=b"{}")).status_code == 404
        assert (await http.post(PAYOUT_RECEIPTS, content=b"{}")).status_code == 404


def test_the_secret_is_read_like_the_depots(tmp_path: Path) -> None:
    found = configuration.load(
        {
            "COURIER_HOME": str(tmp_path),
            "COURIER_PAYOUT_URL": "https://pay.example/orders",
            "COURIER_PAYOUT_SECRET": "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        }
    )
    assert found.payouts == OutletSettings("https://pay.example/orders", KEY)


@pytest.mark.parametrize(
    ("way", "shown"),
    [
        ("Visa 4111-1111-1111-1234", "Visa ****1234"),
        ("支付宝 13812347654", "支付宝 ****7654"),
        ("****0326", "****0326"),
        (None, None),
    ],
)
def test_no_account_is_shown_whole(way: str | None, shown: str | None) -> None:
    assert masked(way) == shown


class Register(FakeDepot):
    """A paymaster that pays each order once, and takes a moment over it."""

    def __init__(self) -> None:
        super().__init__()
        self.paid: dict[str, str] = {}

    async def _order(self, request: Request) -> Response:
        order_id = request.headers["webhook-id"]
        self.asked.append((dict(request.headers), await request.body()))
        self.paid.setdefault(order_id, json.loads(self.asked[-1][1])["amount"])
        await asyncio.sleep(0.05)  # paid, and not answered yet
        return Response(json.dumps(PAID))


def test_workers_killed_while_paying_pay_each_grant_once(address: str) -> None:
    """Processes are killed (kill -9) with payments under way until all is done."""
    house, paymaster, killed = House(Database(address)), Register(), 0
    grants = []
    for n in range(24):
        number = f"SF{n:013d}"
        house.parcel(number, declared_value=Decimal(n + 1))
        ticket = house.ticket(by=number, waybill_no=number)
        house.liable(ticket)
        grants.append(house.grant(ticket))
    with over_http(paymaster):
        for _ in range(12):
            asked = len(paymaster.asked)
            worker = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.bot.payouts_worker",
                    address,
                    paymaster.url,
                    KEY.hex(),
                ]
            )
            while worker.poll() is None:
                if len(paymaster.asked) > asked + killed and killed < 4:
                    worker.send_signal(signal.SIGKILL)
                    worker.wait()
                    killed += 1
                time.sleep(0.002)
            with house.database.write() as session:  # the dead worker's lease has run out
                session.execute(update(Payout).values(leased_until=None))
            if worker.returncode == 0:
                break
    assert killed == 4
    assert len(paymaster.asked) > len(paymaster.paid) == 24  # asked again, paid once
    assert sorted(paymaster.paid.values()) == sorted(f"{g.yuan:.2f}" for g in grants)
    assert all(house.row(grant).state == GrantState.DONE for grant in grants)
    assert sum("已经付到" in text for text in house.told()) == 24
    house.database.dispose()
