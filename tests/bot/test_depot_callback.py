"""The depot's later answer: signed, heard once, told once, and harmless from anybody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from bot.app import DEPOT_RECEIPTS
from bot.depot.answers import Answers
from bot.orders import callback
from parcels.change_models import DepotOrder
from parcels.depot import outgoing
from parcels.models import Shipment
from store import clock, ids, signing
from store.engine import Database
from store.errors import CourierError
from store.live import Live
from store.orders import OrderState, given_up
from tests import rooms
from tests.bot.test_depot import KEY, WINDOW, FakeDepot, House

Sent = dict[str, Any]
ACCEPTED: Sent = {"result": "accepted", "receipt": "R-9"}
REFUSED: Sent = {"result": "refused", "reason": "full"}


class Desk:
    """The route, as the service has it; ``say`` sends what a depot would."""

    def __init__(self, house: House, key: bytes | None = KEY) -> None:
        self.house = house
        app = FastAPI()
        house_rooms = rooms.build(house.database)
        live, clocks = Live(house.database), house_rooms.tickets.clocks
        answers = Answers(house_rooms.texts, live, clocks)
        app.include_router(
            callback.router(DEPOT_RECEIPTS, house.database, DepotOrder, answers.heard, key)
        )

        @app.exception_handler(CourierError)
        def fail(_: Request, error: CourierError) -> JSONResponse:
            return JSONResponse({"error": error.code}, error.status)

        self.client = TestClient(app)

    def say(
        self, public_id: str, said: Sent, headers: dict[str, str] | None = None, key: bytes = KEY
    ) -> int:
        body = json.dumps({"id": public_id} | said).encode()
        return self.raw(body, signing.signed(key, ids.new_key(), body) | (headers or {}))

    def raw(self, body: bytes, headers: dict[str, str]) -> int:
        status: int = self.client.post(DEPOT_RECEIPTS, content=body, headers=headers).status_code
        return status


@pytest.fixture
def house(database: Database, at: object) -> House:
    return House(database, FakeDepot())


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


def test_an_accepted_order_is_told_and_in_the_record(desk: Desk, house: House) -> None:
    public_id = house.place()
    assert desk.say(public_id, ACCEPTED) == 204
    order = house.order(public_id)
    assert (order.state, order.receipt, order.due_at) == (OrderState.ACCEPTED, "R-9", None)
    (words,) = house.told()
    assert "办好了" in words
    with house.database.read() as session:
        assert session.query(Shipment).one().eta_from == datetime.fromisoformat(WINDOW["from"])


def test_a_refusal_is_told_with_its_reason(desk: Desk, house: House) -> None:
    public_id = house.place()
    assert desk.say(public_id, REFUSED) == 204
    assert house.order(public_id).state == OrderState.REFUSED
    (words,) = house.told()
    assert "已经放满了" in words


def test_a_replay_changes_nothing(desk: Desk, house: House, at: Callable[[datetime], None]) -> None:
    public_id = house.place()
    body = json.dumps({"id": public_id} | ACCEPTED).encode()
    headers = signing.signed(KEY, ids.new_key(), body)
    assert [desk.raw(body, headers) for _ in range(3)] == [204] * 3
    at(clock.now() + timedelta(minutes=4))
    before = house.order(public_id).answered_at
    assert desk.raw(body, headers) == 204
    assert house.order(public_id).answered_at == before
    assert len(house.told()) == 1
    at(clock.now() + timedelta(minutes=4))
    assert desk.raw(body, headers) == 401


def test_another_answer_than_the_one_that_stands_is_a_conflict(desk: Desk, house: House) -> None:
    public_id = house.place()
    assert desk.say(public_id, REFUSED) == 204
    assert desk.say(public_id, ACCEPTED) == 409
    assert house.order(public_id).state == OrderState.REFUSED
    assert len(house.told()) == 1


def test_an_order_that_was_given_up_may_be_answered_still(desk: Desk, house: House) -> None:
    public_id = house.place()
    with house.database.write() as session:
        given_up(session.query(DepotOrder).one(), "HTTP 503")
    assert desk.say(public_id, ACCEPTED) == 204
    assert house.order(public_id).state == OrderState.ACCEPTED
    assert "办好了" in house.told()[0]


def test_pending_says_nothing_new(desk: Desk, house: House) -> None:
    public_id = house.place()
    assert desk.say(public_id, {"result": "pending"}) == 204
    assert house.order(public_id).state == OrderState.PLACED
    assert house.told() == []


@pytest.mark.parametrize(
    ("said", "headers", "status"),
    [
        ({"result": "accepted"}, {"webhook-signature": "v1,AAAA"}, 401),
        ({"result": "accepted"}, {"webhook-signature": ""}, 401),
        ({"result": "accepted"}, {"webhook-id": "another"}, 401),
        ({"result": "accepted"}, {"webhook-timestamp": "1"}, 401),
        ({"result": "perhaps"}, {}, 422),
        ({}, {}, 422),
        ({"result": "refused", "reason": "x" * 41}, {}, 422),
        ({"result": "refused", "reason": "a\0b"}, {}, 422),
        ({"result": "accepted", "receipt": "x" * 65}, {}, 422),
        ({"result": "accepted", "id": "a b"}, {}, 422),
        ({"result": "accepted", "id": None}, {}, 422),
        ({"result": "accepted", "id": "nobodys"}, {}, 404),
    ],
)
def test_what_is_no_receipt_changes_nothing(
    desk: Desk, house: House, said: Sent, headers: dict[str, str], status: int
) -> None:
    public_id = house.place()
    assert desk.say(public_id, said, headers) == status
    assert house.order(public_id).state == OrderState.PLACED
    assert house.told() == []


def test_neither_another_key_nor_no_key_is_heard(desk: Desk, house: House) -> None:
    public_id = house.place()
    assert desk.say(public_id, ACCEPTED, key=b"x" * 32) == 401
    assert desk.raw(json.dumps({"id": public_id} | ACCEPTED).encode(), {}) == 401
    assert house.order(public_id).state == OrderState.PLACED


def test_an_order_of_ours_sent_back_to_us_is_no_receipt(desk: Desk, house: House) -> None:
    public_id = house.place()
    body = outgoing(house.order(public_id)).model_dump_json().encode()
    assert desk.raw(body, signing.signed(KEY, public_id, body)) == 422


def test_a_long_body_is_not_read(desk: Desk, house: House) -> None:
    body = b"x" * (callback.MAX_BODY + 1)
    assert desk.raw(body, signing.signed(KEY, "m", body)) == 413


def test_without_a_depot_there_is_nobody_to_answer(house: House) -> None:
    assert Desk(house, key=None).say(house.place(), ACCEPTED) == 404


def test_two_receipts_at_once_are_told_once(desk: Desk, house: House) -> None:
    public_id, said = house.place(), []
    threads = [
        threading.Thread(target=lambda: said.append(desk.say(public_id, ACCEPTED)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [204] * 6
    assert len(house.told()) == 1
