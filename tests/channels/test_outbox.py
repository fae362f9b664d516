"""The outbox: every message leaves once and in order, is retried only where that is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from bot.channels.base import Part
from conversations.models import Delivery, Outbox, Undelivered
from conversations.schemas import Inbound
from store import clock
from store.engine import Database
from tests.channels.fake import FakePlatform
from tests.channels.house import House, until


async def known(house: House, who: str = "ann") -> int:
    """A customer of the fake platform whose first message is handled; his conversation."""
    receipt = await house.inbox.accept(Inbound("fake", "desk", who, f"{who}-1", "hello"))
    return receipt.conversation_id


def connected(database: Database, platform: FakePlatform) -> House:
    house = House(database)
    house.says = lambda _: []
    house.channels.add(platform.attach(house))
    return house


def texts(platform: FakePlatform) -> list[str]:
    return [part.text for part in platform.sent]


async def test_two_workers_send_each_message_once_and_in_order(address: str) -> None:
    platform = FakePlatform(drops_repeats=False)
    houses = [connected(Database(address), platform) for _ in range(2)]
    conversations = [await known(houses[0], f"c{n}") for n in range(6)]
    for number in range(10):
        for conversation in conversations:
            houses[0].post(conversation, f"{conversation}:{number}", f"{conversation} {number}")
    async with AsyncExitStack() as stack:
        for house in houses:
            await stack.enter_async_context(house.at_work())
        await until(houses[0].idle, 60)
    assert len(texts(platform)) == 60
    for conversation in conversations:
        mine = [text for text in texts(platform) if text.startswith(f"{conversation} ")]
        assert mine == [f"{conversation} {number}" for number in range(10)]
    for house in houses:
        house.database.dispose()


async def test_a_key_is_written_once(database: Database) -> None:
    platform = FakePlatform(drops_repeats=False)
    house = connected(database, platform)
    conversation = await known(house)
    house.post(conversation, "in:1:0", "once")
    with pytest.raises(AssertionError):  # post() found the key in use
        house.post(conversation, "in:1:0", "twice")
    async with house.at_work():
        await until(house.idle)
    assert texts(platform) == ["once"]


async def test_a_waiting_message_holds_back_only_its_own_conversation(
    database: Database, at: Callable[[datetime], None]
) -> None:
    platform = FakePlatform(drops_repeats=False)
    house = connected(database, platform)
    ann, bob = await known(house, "ann"), await known(house, "bob")
    house.post(ann, "a1", "ann one")
    platform.fail("rate_limit", wait=timedelta(seconds=20))
    async with house.at_work():
        await until(lambda: house.outbox_rows()[0].last_error)
        house.post(ann, "a2", "ann two")
        house.post(bob, "b1", "bob one")
        await until(lambda: "bob one" in texts(platform))
        await asyncio.sleep(0.2)
        assert texts(platform) == ["bob one"]
        at(clock.now() + timedelta(seconds=21))
        house.live.wake("outbox")
        await until(house.idle)
    assert texts(platform) == ["bob one", "ann one", "ann two"]


async def test_a_long_message_that_stops_half_way_goes_on_with_the_next_part(
    database: Database, at: Callable[[datetime], None]
) -> None:
    platform = FakePlatform(drops_repeats=False)
    house = connected(database, platform)
    conversation = await known(house)
    sentences = [f"这是第 {n} 句话，" + "很长" * 55 + "。" for n in range(3)]
    house.post(conversation, "k", "".join(sentences))

    receive = platform.receive

    async def second_is_refused(part):  # type: ignore[no-untyped-def]
        if part.index == 1 and not platform.sent[1:]:
            platform.receive = receive  # type: ignore[method-assign]
            platform.fail("rate_limit")
        return await receive(part)

    platform.receive = second_is_refused  # type: ignore[method-assign]
    async with house.at_work():
        await until(lambda: house.outbox_rows()[0].last_error)
        row = house.outbox_rows()[0]
        assert (row.parts_sent, row.outside_ids) == (1, ["out-1"])
        at(clock.now() + timedelta(seconds=5))
        house.live.wake("outbox")
        await until(house.idle)
    assert texts(platform) == sentences
    assert [part.index for part in platform.sent] == [0, 1, 2]
    assert {part.count for part in platform.sent} == {3}
    assert house.outbox_rows()[0].outside_ids == ["out-1", "out-2", "out-3"]


async def test_a_channel_that_is_switched_off_is_told_on_the_message(database: Database) -> None:
    house = House(database)
    house.says = lambda _: []
    conversation = await known(house)
    house.post(conversation, "k", "hello")
    async with house.at_work():
        await until(house.idle)
    (row,) = house.outbox_rows()
    assert row.state == Delivery.FAILED
    assert "fake" in (row.last_error or "")


async def test_the_answer_to_a_handled_message_is_sent_after_a_restart(database: Database) -> None:
    """Killed between the transaction that wrote the answer and its delivery."""
    platform = FakePlatform(drops_repeats=False)
    house = connected(database, platform)
    house.says = lambda text: [(f"answer to {text}", ())]
    await known(house)
    house.live.start()
    house.inbox.start()  # no outbox: it dies before
    await until(lambda: house.handled)
    await house.inbox.stop()
    assert texts(platform) == []
    again = connected(database, platform)
    async with again.at_work():
        await until(again.idle)
    assert texts(platform) == ["answer to hello"]


async def test_a_worker_that_dies_in_a_later_attempt_may_have_sent_it(
    database: Database, at: Callable[[datetime], None]
) -> None:
    """What an earlier attempt ended with says nothing about the one that was killed."""
    platform = FakePlatform(drops_repeats=False)
    house = connected(database, platform)
    conversation = await known(house)
    house.post(conversation, "k", "hello")
    platform.fail("rate_limit")
    async with house.at_work():
        await until(lambda: house.outbox_rows()[0].last_error)
        assert house.outbox_rows()[0].reason == Undelivered.LATER
        platform.fail("hang")
        at(clock.now() + timedelta(seconds=5))
        house.live.wake("outbox")
        await until(lambda: texts(platform))
    again = connected(database, platform)
    async with again.at_work():
        at(clock.now() + timedelta(minutes=1))
        again.live.wake("outbox")
        await until(again.idle)
    (row,) = again.outbox_rows()
    assert texts(platform) == ["hello"]
    assert (row.state, row.reason) == (Delivery.FAILED, Undelivered.UNKNOWN)


async def test_a_receipt_that_overtakes_our_note_stands(database: Database) -> None:
    """An app may confirm a message before its answer to our send has come back."""
    platform = FakePlatform(drops_repeats=False)
    house = connected(database, platform)
    channel = house.channels.get("fake")
    send = channel.send

    async def send_and_confirm(part: Part) -> str | None:
        outside_id = await send(part)
        with database.write() as session:
            session.execute(update(Outbox).values(state=Delivery.READ))
        return outside_id

    channel.send = send_and_confirm  # type: ignore[method-assign]
    conversation = await known(house)
    house.post(conversation, "k", "hello")
    async with house.at_work():
        await until(house.idle)
    (row,) = house.outbox_rows()
    assert (row.state, row.due_at, row.parts_sent) == (Delivery.READ, None, 1)


async def test_a_worker_that_dies_between_two_attempts_leads_to_one_send(
    database: Database, at: Callable[[datetime], None]
) -> None:
    platform = FakePlatform(drops_repeats=False)
    house = connected(database, platform)
    conversation = await known(house)
    house.post(conversation, "k", "hello")
    platform.fail("rate_limit")
    async with house.at_work():
        await until(lambda: house.outbox_rows()[0].last_error)
    again = connected(database, platform)
    async with again.at_work():
        at(clock.now() + timedelta(seconds=5))
        again.live.wake("outbox")
        await until(again.idle)
    (row,) = again.outbox_rows()
    assert texts(platform) == ["hello"]
    assert (row.state, row.reason) == (Delivery.SENT, None)
