"""The inbox: one row a message, each taken once, in order, however many workers there are."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest

from bot.channels import inbox
from conversations import repository as record
from conversations.models import Inbox
from conversations.schemas import Inbound
from store import clock
from store.engine import Database
from store.errors import Invalid, TooLong
from tests.channels.house import House, until


def written(number: int, who: str = "ann", text: str = "") -> Inbound:
    return Inbound("web", "page", who, f"{who}:{number}", text or f"{who} {number}")


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


async def test_two_workers_take_each_row_once_and_keep_the_order_of_a_conversation(
    address: str,
) -> None:
    """As two service processes: engines, wake-ups and claims of their own on one database."""
    houses = [House(Database(address)) for _ in range(2)]
    customers = [f"c{n}" for n in range(8)]
    order: list[str] = []

    for house in houses:

        async def note(row: Inbox) -> None:
            order.append(row.outside_id)
            await asyncio.sleep(0.005)

        house.before = note
    async with AsyncExitStack() as stack:
        for house in houses:
            await stack.enter_async_context(house.at_work())
        for number in range(10):
            doors = [houses[(number + n) % 2].inbox for n in range(len(customers))]
            await asyncio.gather(
                *(d.accept(written(number, who)) for d, who in zip(doors, customers, strict=True))
            )
        await until(houses[0].idle, 60)
    assert Counter(order) == Counter(f"{who}:{n}" for who in customers for n in range(10))
    for who in customers:
        assert [key for key in order if key.startswith(f"{who}:")] == [
            f"{who}:{n}" for n in range(10)
        ]
    answers = [text for author, text in houses[0].record() if author == "bot"]
    assert len(answers) == len(set(answers)) == 80
    assert all(house.handled for house in houses), "both workers took their share"
    for house in houses:
        house.database.dispose()


async def test_conversations_are_answered_side_by_side(house: House) -> None:
    together = asyncio.Barrier(5)

    async def meet(_: Inbox) -> None:
        async with asyncio.timeout(10):
            await together.wait()

    house.before = meet
    async with house.at_work():
        for number in range(5):
            await house.inbox.accept(written(1, f"c{number}"))
        await until(house.idle, 20)
    assert len(house.handled) == 5


async def test_a_customers_first_messages_at_the_same_moment_are_one_conversation(
    house: House,
) -> None:
    accepted = await asyncio.gather(*(house.inbox.accept(written(n)) for n in range(8)))
    assert len({receipt.conversation_id for receipt in accepted}) == 1
    assert len({receipt.message_id for receipt in accepted}) == 8


async def test_messages_after_a_long_silence_at_the_same_moment_are_one_episode(
    house: House, at: Callable[[datetime], None]
) -> None:
    first = await house.inbox.accept(written(0))
    at(clock.now() + timedelta(days=3))
    accepted = await asyncio.gather(*(house.inbox.accept(written(n)) for n in range(1, 9)))
    assert len({receipt.conversation_id for receipt in accepted} - {first.conversation_id}) == 1


async def test_a_failing_row_is_tried_again_later_and_holds_back_only_its_own_conversation(
    house: House, at: Callable[[datetime], None]
) -> None:
    failures = 2

    async def stumble(row: Inbox) -> None:
        nonlocal failures
        if row.outside_id == "ann:1" and failures:
            failures -= 1
            raise RuntimeError("no luck")

    house.before = stumble
    async with house.at_work():
        for number in (1, 2):
            await house.inbox.accept(written(number))
        await house.inbox.accept(written(1, "bob"))
        await until(lambda: "answer to bob 1" in [text for _, text in house.record()])
        await until(lambda: house.inbox_rows()[0].due_at == clock.now() + timedelta(seconds=1))
        assert house.inbox_rows()[0].last_error == "RuntimeError"
        assert house.inbox_rows()[1].attempts == 0
        for _ in range(2):
            at(clock.now() + timedelta(seconds=5))
            house.live.wake("inbox")
            await until(lambda: house.inbox_rows()[0].leased_until is None)
            await asyncio.sleep(0.1)
        await until(house.idle)
    ours = [text for _, text in house.handled if text.startswith("ann")]
    assert ours == ["ann 1", "ann 2"]


async def test_a_row_that_never_succeeds_is_given_up_visibly_and_frees_those_behind(
    house: House, at: Callable[[datetime], None]
) -> None:
    async def stumble(row: Inbox) -> None:
        if row.outside_id == "ann:1":
            raise RuntimeError("never")

    house.before = stumble
    await house.inbox.accept(written(1))
    await house.inbox.accept(written(2))
    async with house.at_work():
        for attempt in range(1, inbox.MAX_ATTEMPTS + 1):
            await until(lambda n=attempt: house.inbox_rows()[0].attempts == n)  # type: ignore[misc]
            await until(lambda: house.inbox_rows()[0].leased_until is None)
            at(clock.now() + timedelta(minutes=6))
            house.live.wake("inbox")
        await until(house.idle)
    given_up, answered = house.inbox_rows()
    assert (given_up.due_at, given_up.handled_at, given_up.last_error) == (
        None,
        None,
        "RuntimeError",
    )
    assert answered.handled_at is not None


async def test_words_that_cannot_be_kept_leave_no_trace(house: House) -> None:
    for text, error in (("\u202e\x00 ", Invalid), ("x" * 4001, TooLong)):
        with pytest.raises(error):
            await house.inbox.accept(written(1, text=text))
    assert house.record() == []
    assert house.inbox_rows() == []


async def test_the_sweep_finds_what_no_wake_up_told(house: House) -> None:
    async with house.at_work():
        await asyncio.sleep(0.1)
        stranger = House(house.database)  # another process on SQLite: nobody here is woken
        await stranger.inbox.accept(written(1))
        await until(house.idle)
    assert house.handled


async def test_a_reader_who_follows_by_id_misses_nothing(house: House) -> None:
    """Several writers of one conversation: ids become visible in the order they are given."""
    receipt = await house.inbox.accept(written(0))
    seen: list[int] = []
    over = threading.Event()

    def read() -> None:
        cursor = 0
        while True:
            last_round = over.is_set()
            with house.database.read() as session:
                found = record.messages(session, receipt.conversation_id, after=cursor)
            seen.extend(message.id for message in found)
            cursor = seen[-1] if seen else 0
            if last_round:
                return

    def write(writer: int) -> None:
        for number in range(40):
            house.post(receipt.conversation_id, f"{writer}:{number}", f"{writer} {number}")

    reader = asyncio.create_task(asyncio.to_thread(read))
    await asyncio.gather(*(asyncio.to_thread(write, writer) for writer in range(4)))
    over.set()
    await reader
    assert len(seen) == len(set(seen)) == 161


async def test_a_loop_that_is_woken_while_it_is_stopped_stops(house: House) -> None:
    for _ in range(50):
        async with asyncio.timeout(5), house.at_work():
            await asyncio.sleep(0.002)
            house.live.wake("inbox")
            house.live.wake("outbox")
