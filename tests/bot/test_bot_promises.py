"""What the bot promised of a delivery stands in the ledger: with its message, kept or broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from bot.promises import PromiseLoop
from conversations.models import Conversation, Message
from handoff.models import Role
from handoff.overdue import Overdue
from parcels.change_models import OrderKind
from store import clock
from store.engine import Database
from store.errors import Contradicts
from store.live import Live
from tests import rooms
from tests.bot import notices_house
from tests.bot.test_depot import NUMBER, WINDOW, FakeDepot, House
from tests.bot.test_depot_callback import ACCEPTED, REFUSED, Desk
from tickets.models import Urgency
from tickets.promises.clocks import About
from tickets.promises.models import Promise, PromiseKind, PromiseState

Move = Callable[[datetime], None]
HOUR = timedelta(hours=1)
ENDS = datetime.fromisoformat(WINDOW["to"])


@pytest.fixture
def house(database: Database, at: object) -> House:
    return House(database, FakeDepot())


def said(database: Database) -> list[Promise]:
    """What was promised in words, in order."""
    with database.read() as session:
        rows = session.query(Promise).filter(Promise.kind == PromiseKind.WORD)
        return list(rows.order_by(Promise.id))


def look(database: Database) -> None:
    """The clocks are looked at."""
    built, live = rooms.build(database), Live(database)
    overdue = Overdue(built.tickets, built.handoffs, built.texts, live)
    PromiseLoop(database, live, overdue).sweep()


def test_an_accepted_time_is_promised_with_its_message_once(house: House) -> None:
    desk, public_id = Desk(house), house.place()
    for _ in range(2):
        assert desk.say(public_id, ACCEPTED) == 204
    (promise,) = said(house.database)
    assert (promise.by, promise.waybill_no, promise.staff_id) == (ENDS, NUMBER, None)
    assert promise.words is not None
    assert "派送" in promise.words
    with house.database.read() as session:
        source = session.get_one(Message, promise.message_id)
    assert promise.words in source.text


def test_a_refused_one_promises_nothing(house: House) -> None:
    assert Desk(house).say(house.place(), REFUSED) == 204
    assert said(house.database) == []


@pytest.mark.parametrize(
    ("delivered", "state"),
    [(-HOUR, PromiseState.KEPT), (HOUR, PromiseState.BROKEN), (None, PromiseState.BROKEN)],
)
def test_the_delivered_scan_in_time_keeps_it(
    house: House, at: Move, delivered: timedelta | None, state: PromiseState
) -> None:
    Desk(house).say(house.place(), ACCEPTED)
    at(ENDS + 2 * HOUR)
    if delivered is not None:
        scans = notices_house.House(house.database)
        scans.scan(NUMBER, "Delivered", ENDS + delivered)
    look(house.database)
    (promise,) = said(house.database)
    assert promise.state == state


def test_what_he_agrees_to_later_takes_the_place_of_what_was(house: House) -> None:
    desk = Desk(house)
    desk.say(house.place(), ACCEPTED)
    later = {name: value.replace("2026-03-0", "2026-04-0") for name, value in WINDOW.items()}
    desk.say(house.place(OrderKind.RESCHEDULE, "in:2", **later), ACCEPTED)
    first, second = said(house.database)
    assert (first.state, second.state) == (PromiseState.WITHDRAWN, PromiseState.OPEN)
    assert second.by == datetime.fromisoformat(later["to"])


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (OrderKind.RETURN, PromiseState.WITHDRAWN),
        (OrderKind.HOLD, PromiseState.WITHDRAWN),
        (OrderKind.DOOR, PromiseState.OPEN),
    ],
)
def test_a_delivery_that_is_not_to_come_is_not_owed(
    house: House, kind: OrderKind, state: PromiseState
) -> None:
    desk = Desk(house)
    desk.say(house.place(), ACCEPTED)
    desk.say(house.place(kind, "in:2", place="门口"), ACCEPTED)
    (promise,) = said(house.database)
    assert promise.state == state


def test_an_agent_who_would_put_it_off_is_asked_first(house: House) -> None:
    Desk(house).say(house.place(), ACCEPTED)
    built = rooms.build(house.database)
    with house.database.write() as session:
        talk = session.get_one(Conversation, house.conversation_id)
        case = built.handoffs.request(session, talk, rooms.request()).case
        lin = rooms.person(session, "lin", Role.AGENT)
        built.handoffs.take(session, case.id, lin)
        late = f"最晚{ENDS + timedelta(days=9):%m月%d日}给您送到。"
        with pytest.raises(Contradicts) as asked:
            built.handoffs.reply(session, case.id, lin, late, "a", confirmed=False)
    assert asked.value.facts["by"] == ENDS


NUMBERS = ("SF1234567890123", "YT9876543210987")


@pytest.fixture
def street(database: Database, at: object) -> notices_house.House:
    return notices_house.House(database)


async def test_a_courier_on_his_way_promises_his_window_once(
    street: notices_house.House,
) -> None:
    number, now = NUMBERS[0], clock.now()
    street.parcel(number, eta_from=now + HOUR, eta_to=now + 2 * HOUR)
    street.owner(number)
    for _ in range(2):
        street.scan(number)
        await street.settle()
    (promise,) = said(street.database)
    assert (promise.by, promise.waybill_no) == (now + 2 * HOUR, number)
    assert promise.words == "预计今天 11:00 到 12:00 送到。"
    with street.database.read() as session:
        assert promise.words in session.get_one(Message, promise.message_id).text


async def test_no_window_and_no_courier_promise_nothing(street: notices_house.House) -> None:
    now = clock.now()
    street.parcel(NUMBERS[0])
    street.parcel(NUMBERS[1], eta_from=now + HOUR, eta_to=now + 2 * HOUR)
    for number in NUMBERS:
        street.owner(number)
    street.scan(NUMBERS[0])
    street.scan(NUMBERS[1], "InTransit_Arrival")
    await street.settle()
    assert len(street.told()) >= 1
    assert said(street.database) == []


async def test_a_later_window_puts_nothing_off(street: notices_house.House) -> None:
    number, now = NUMBERS[0], clock.now()
    street.parcel(number, eta_from=now + 3 * HOUR, eta_to=now + 4 * HOUR)
    conversation_id = street.owner(number)
    clocks = street.clocks
    with street.database.write() as session:
        clocks.say(
            session, About(conversation_id, Urgency.GREEN), "今天下午1点前给您送到", now + 3 * HOUR,
            message_id=None, staff_id=1, waybill_no=number,
        )  # fmt: skip
    street.scan(number)
    await street.settle()
    (promise,) = said(street.database)
    assert (promise.by, promise.state) == (now + 3 * HOUR, PromiseState.OPEN)
