"""Proof of identity: three tries, the lock, and every way round it that we know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from conversations.models import Customer
from parcels import identity, service
from parcels.change_models import IdentityTry
from parcels.identity import Answer, digits_in
from parcels.schemas import ShipmentIn
from store import clock
from store.engine import Database
from tests import rooms

RULES = identity.Rules(
    tries=3,
    lock_minutes=30,
    waybill_tries_a_day=8,
    customer_tries_a_day=6,
    holds_hours={"default": 24, "telegram": 720},
)
KNOWN, UNKNOWN = "SF1234567890123", "SF9999999999999"


class Desk:
    """Customers who try digits, each in a message of his own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._said = 0
        with database.write() as session:
            service.store_shipment(
                session,
                ShipmentIn(
                    waybill_no=KNOWN,
                    recipient_phone="138 0000 6789",
                    sender_phone="+86-13900001234",
                ),
            )

    def tries(
        self, digits: str, number: str = KNOWN, by: str = "ann", *, again: bool = False
    ) -> Answer:
        self._said += not again
        with self.database.write() as session:
            conversation = rooms.said(session, digits, by=by, number=str(self._said))
            customer = session.get_one(Customer, conversation.customer_id)
            return identity.prove(session, RULES, customer, self._said, number, digits)

    def knows(self, number: str = KNOWN, by: str = "ann", channel: str = "web") -> bool:
        with self.database.write() as session:
            conversation = rooms.said(session, "hi", by=by, number=f"q{self._said}")
            self._said += 1
            customer = session.get_one(Customer, conversation.customer_id)
            customer.channel = channel
            known = identity.proven(session, RULES, customer, number)
            session.rollback()
            self._said -= 1
            return known


@pytest.fixture
def desk(database: Database, at: object) -> Desk:
    return Desk(database)


@pytest.mark.parametrize("digits", ["6789", "1234"])
def test_recipient_and_sender_prove_it(desk: Desk, digits: str) -> None:
    assert desk.tries(digits) is Answer.RIGHT
    assert desk.knows()


def test_the_proof_is_that_customers_and_that_waybills(desk: Desk) -> None:
    desk.tries("6789")
    assert not desk.knows(by="bob")
    assert not desk.knows(UNKNOWN)


def test_the_proof_runs_out_later_where_the_channel_is_strong(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    desk.tries("6789")
    at(clock.now() + timedelta(hours=25))
    assert not desk.knows()
    assert desk.knows(channel="telegram")


@pytest.mark.parametrize("number", [KNOWN, UNKNOWN])
def test_three_wrong_tries_lock_for_thirty_minutes(
    desk: Desk, at: Callable[[datetime], None], number: str
) -> None:
    assert [desk.tries("0000", number) for _ in range(3)] == [
        Answer.WRONG,
        Answer.WRONG,
        Answer.LOCKED,
    ]
    assert desk.tries("6789", number) is Answer.LOCKED
    at(clock.now() + timedelta(minutes=29, seconds=59))
    assert desk.tries("6789", number) is Answer.LOCKED
    at(clock.now() + timedelta(seconds=2))
    assert [desk.tries("0000", number) for _ in range(3)] == [
        Answer.WRONG,
        Answer.WRONG,
        Answer.LOCKED,
    ]


def test_a_right_try_forgives_the_wrong_ones(desk: Desk) -> None:
    for _ in range(2):
        assert desk.tries("0000") is Answer.WRONG
        assert desk.tries("0001") is Answer.WRONG
        assert desk.tries("6789") is Answer.RIGHT


def test_new_visitors_cannot_guess_on(desk: Desk) -> None:
    answers = [desk.tries("0000", by=f"visitor {n}") for n in range(8)]
    assert answers == [Answer.WRONG] * 7 + [Answer.LOCKED]
    assert desk.tries("6789", by="another") is Answer.LOCKED


def test_numbers_cannot_be_gone_through(desk: Desk) -> None:
    answers = [desk.tries("0000", f"SF100000000000{n}") for n in range(6)]
    assert answers == [Answer.WRONG] * 5 + [Answer.LOCKED]
    assert desk.tries("6789") is Answer.LOCKED


def test_the_same_message_is_one_try(desk: Desk, database: Database) -> None:
    for again in (False, True, True, True):
        assert desk.tries("0000", again=again) is Answer.WRONG
    with database.read() as session:
        assert session.query(IdentityTry).count() == 1


def test_known_and_unknown_cost_the_same_queries(desk: Desk, database: Database) -> None:
    desk.tries("0000", "SF7777777777777")  # the customer is known from here on
    statements: list[str] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _c, _k, statement, _p, _x, _m: statements.append(statement),
    )
    desk.tries("0000", KNOWN)
    known = list(statements)
    statements.clear()
    desk.tries("0000", UNKNOWN)
    assert statements == known


def test_a_parcel_without_phones_is_proved_by_nothing(desk: Desk, database: Database) -> None:
    with database.write() as session:
        service.store_shipment(session, ShipmentIn(waybill_no="YT1111111111111", sender_phone="12"))
    assert desk.tries("0012", "YT1111111111111") is Answer.WRONG


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("6789", "6789"),
        ("６７８９", "6789"),
        ("尾号是 6789 的那个", "6789"),
        ("it's 6789 thanks", "6789"),
        ("13800006789", "6789"),
        ("67890", None),
        ("1234 或者 5678", None),
        ("SF1234567890123 6789", "6789"),
        ("不知道", None),
    ],
)
def test_digits_in_an_answer(text: str, found: str | None) -> None:
    assert digits_in(text, asked=True) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("改期 2026 明天", None),
        ("改期，手机尾号6789", "6789"),
        ("last four digits are 6789", "6789"),
    ],
)
def test_digits_that_nobody_asked_for_must_be_named(text: str, found: str | None) -> None:
    assert digits_in(text, asked=False) == found


@given(st.text(alphabet="0123456789 -a尾", max_size=14))
def test_what_is_found_are_four_digits(text: str) -> None:
    found = digits_in(text, asked=True)
    assert found is None or (len(found) == 4 and found.isdigit())
