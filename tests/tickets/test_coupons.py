"""Coupons: redeemed once, whoever races; never guessed, never in an address."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from conversations import repository
from conversations.models import Customer
from parcels import keys
from parcels.models import Scope
from store import clock
from store.engine import Database
from store.errors import CourierError
from tests.tickets.money import House
from tickets.compensation import coupons
from tickets.compensation.models import Coupon
from tickets.compensation.routes import router

PATH = "/api/coupons/redeem"
WRONG = "0000-0000-0000"


class Shop:
    """The company's shop with a key, and a customer's coupon of 10 yuan."""

    def __init__(self, database: Database) -> None:
        self.house = House(database)
        self.rules = self.house.compensation.policies.present.coupons
        app = FastAPI()
        app.include_router(router(database, self.rules))

        @app.exception_handler(CourierError)
        def fail(_: Request, error: CourierError) -> JSONResponse:
            return JSONResponse({"error": error.code}, error.status)

        self.client = TestClient(app)
        with database.write() as session:
            self.key = keys.add(session, "shop", [Scope.COUPONS_REDEEM])
            self.other = keys.add(session, "crm", [Scope.TICKETS_READ, Scope.TICKETS_WRITE])
            self.second = keys.add(session, "app", [Scope.COUPONS_REDEEM])

    def coupon(self, by: str = "visitor") -> str:
        number = self.house.ticket("report_courier_attitude", by=by, waybill_no=None)
        self.house.close(number)
        return self.house.codes()[-1]

    def redeem(
        self, code: str, request: str = "r-1", *, key: str | None = None, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": request}
        if key != "":
            headers["Authorization"] = f"Bearer {key or self.key}"
        answer = self.client.post(PATH, json={"code": code} | more, headers=headers)
        return answer.status_code, answer.json()


@pytest.fixture
def shop(database: Database, at: object) -> Shop:
    return Shop(database)


def test_a_code_is_redeemed_once_and_a_repeat_hears_the_same(shop: Shop) -> None:
    code = shop.coupon()
    first = shop.redeem(code, order="A-17")
    assert first == (
        200,
        {
            "value": "10.00",
            "currency": "CNY",
            "redeemed_at": clock.now().isoformat().replace("+00:00", "Z"),
            "order": "A-17",
        },
    )
    assert shop.redeem(code, order="A-17") == first
    assert shop.redeem(code, "r-2")[0] == 409
    assert shop.redeem(shop.coupon("another"), "r-1") == (409, {"error": "conflict"})


@pytest.mark.parametrize("typed", [str.lower, lambda c: c.replace("-", ""), lambda c: f" {c} "])
def test_it_is_read_as_people_type_it(shop: Shop, typed: Callable[[str], str]) -> None:
    assert shop.redeem(typed(shop.coupon()))[0] == 200


def test_signs_that_look_alike_are_the_same() -> None:
    assert coupons.canonical("o1il-abcd-0000") == "0111ABCD0000"


def test_unknown_expired_and_another_customers_are_told_apart(
    shop: Shop, at: Callable[[datetime], None]
) -> None:
    code = shop.coupon()
    mine = {"channel": "web", "account": "page", "id": "visitor"}
    assert shop.redeem(WRONG) == (404, {"error": "unknown_coupon"})
    assert shop.redeem("X", "r-2")[0] == 404
    for who in (mine | {"id": "else"}, {"id": "visitor"}):
        assert shop.redeem(code, "r-3", customer=who) == (403, {"error": "wrong_customer"})
    at(clock.now() + timedelta(days=91))
    assert shop.redeem(code, "r-4") == (410, {"error": "coupon_expired"})
    at(clock.now() - timedelta(days=2))
    assert shop.redeem(code, "r-5", customer=mine)[0] == 200


def test_who_lacks_key_or_scope_or_form_redeems_nothing(shop: Shop) -> None:
    code = shop.coupon()
    assert shop.redeem(code, key="")[0] == 401
    assert shop.redeem(code, key="ck.a.b")[0] == 401
    assert shop.redeem(code, key=shop.other) == (403, {"error": "scope_missing"})
    assert shop.redeem(code, more="x")[0] == 422
    assert shop.redeem("x" * 41)[0] == 422
    assert shop.redeem(code, "two words")[0] == 422
    assert shop.redeem(code)[0] == 200


def test_guessing_is_stopped_per_key_and_goes_on_later(
    shop: Shop, at: Callable[[datetime], None]
) -> None:
    code = shop.coupon()
    for n in range(shop.rules.wrong_tries):
        assert shop.redeem(WRONG, f"w-{n}")[0] == 404
    assert shop.redeem(code) == (429, {"error": "too_many_tries"})
    assert shop.redeem(code, key=shop.second)[0] == 200
    at(clock.now() + timedelta(minutes=shop.rules.within_minutes))
    assert shop.redeem(code, "later")[0] == 409  # used meanwhile, and heard again


@pytest.mark.parametrize("same_request", [False, True])
def test_of_many_at_the_same_moment_one_redeems_it(shop: Shop, same_request: bool) -> None:
    code, answers = shop.coupon(), []
    ready = threading.Barrier(6)

    def redeem(n: int) -> None:
        ready.wait()
        answers.append(shop.redeem(code, "r" if same_request else f"r-{n}")[0])

    buyers = [threading.Thread(target=redeem, args=(n,)) for n in range(6)]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    assert sorted(answers) == ([200] * 6 if same_request else [200] + [409] * 5)


def test_customers_that_turn_out_to_be_one_keep_their_coupons(shop: Shop) -> None:
    code = shop.coupon("before")
    shop.coupon("after")
    with shop.house.database.write() as session:
        was, now = (session.query(Customer).filter_by(address=a).one() for a in ("before", "after"))
        repository.move(session, was.id, now.id)
        assert session.query(Coupon).filter_by(customer_id=now.id).count() == 2
    who = {"channel": "web", "account": "page", "id": "after"}
    assert shop.redeem(code, customer=who)[0] == 200
