"""WeChat under the contract, with the platform's quota counted on its side too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from bot.channels import quota
from conversations import repository as record
from conversations import service as conversations
from conversations.models import Author, Conversation, Delivery, Message, Outbox
from conversations.schemas import Outbound
from store import clock
from store.engine import Database
from tests.channels.contract import Desk, Platform, QuotaContract, waits
from tests.channels.house import until
from tests.channels.wechat_fake import WeChatPlatform


class TestWeChat(QuotaContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return WeChatPlatform()


@pytest.fixture
async def desk(database: Database, at: Callable[[datetime], None]) -> AsyncIterator[Desk]:
    """At work; the bot answers "ask" with four short messages, and nothing else."""
    desk = Desk(database, WeChatPlatform())
    desk.house.says = lambda text: [(f"a{n}", ()) for n in range(4)] if text == "ask" else []
    await desk.work()
    yield desk
    await desk.kill()


async def asked(desk: Desk) -> int:
    """A customer who asked and was answered four times; his conversation."""
    await desk.write("m-000001", "ask")
    await desk.settled()
    assert await desk.shown() == ["a0", "a1", "a2", "a3"]
    return desk.house.inbox_rows()[0].conversation_id


def agent_says(desk: Desk, conversation_id: int, text: str) -> None:
    with desk.database.write() as session:
        conversation = session.get_one(Conversation, conversation_id)
        conversations.post(session, conversation, Outbound(text, text), Author.AGENT)
        desk.house.live.after_commit(session, "outbox")


async def test_the_last_send_is_kept_for_the_agent(desk: Desk) -> None:
    conversation_id = await asked(desk)
    agent_says(desk, conversation_id, "I am Lili")
    await desk.settled()
    assert (await desk.shown())[4:] == ["I am Lili"]


async def test_what_does_not_fit_waits_for_the_customers_next_message(desk: Desk) -> None:
    conversation_id = await asked(desk)
    desk.house.post(conversation_id, "one", "news")
    desk.house.post(conversation_id, "two", "more news")
    await until(lambda: waits(desk))
    assert len(await desk.shown()) == 4
    await desk.write("m-000002", "and?")
    await desk.settled()
    assert (await desk.shown())[4:] == ["news", "more news"]
    assert {row.state for row in desk.house.outbox_rows()} == {Delivery.SENT}


async def test_an_agents_words_take_along_what_waits(desk: Desk) -> None:
    conversation_id = await asked(desk)
    desk.house.post(conversation_id, "one", "news")
    await until(lambda: waits(desk))
    agent_says(desk, conversation_id, "I am Lili")
    await desk.settled()
    assert (await desk.shown())[4:] == ["news\n\nI am Lili"]


async def test_an_agent_without_a_send_left_waits_too(desk: Desk) -> None:
    conversation_id = await asked(desk)
    agent_says(desk, conversation_id, "I am Lili")
    await desk.settled()
    agent_says(desk, conversation_id, "are you there?")
    await until(lambda: waits(desk))
    agent_says(desk, conversation_id, "hello?")
    await until(lambda: desk.house.outbox_rows()[-1].last_error == quota.WAITS)
    assert len(await desk.shown()) == 5
    await desk.write("m-000002", "yes")
    await desk.settled()
    assert (await desk.shown())[5:] == ["are you there?", "hello?"]


async def test_what_waited_too_long_is_given_up_visibly(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    conversation_id = await asked(desk)
    desk.house.post(conversation_id, "one", "news")
    await until(lambda: waits(desk))
    at(clock.now() + quota.KEEP + timedelta(seconds=1))
    desk.house.live.wake("outbox")
    await desk.settled()
    row = desk.house.outbox_rows()[-1]
    assert (row.state, row.last_error) == (Delivery.FAILED, quota.WAITS)
    assert len(await desk.shown()) == 4


async def test_the_platforms_own_count_has_the_last_word(desk: Desk) -> None:
    assert isinstance(desk.platform, WeChatPlatform)
    desk.platform.api.script = [{"errcode": 45015, "errmsg": "response out of time limit"}]
    await desk.write("m-000001", "ask")
    await until(lambda: waits(desk))
    assert await desk.shown() == []
    await desk.write("m-000002", "hello?")
    await desk.settled()
    assert "\n\n".join(await desk.shown()) == "a0\n\na1\n\na2\n\na3"


async def test_a_worker_that_dies_with_joined_messages_says_none_of_them_twice(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    desk.house.says = lambda _: [(f"a{n}", ()) for n in range(6)]
    desk.platform.fail("hang")
    await desk.write("m-000001", "ask")
    await until(lambda: len(desk.platform.api.sent) == 1)  # type: ignore[attr-defined]
    await desk.kill()
    desk.start()
    desk.house.post(desk.house.inbox_rows()[0].conversation_id, "more", "and more")
    await desk.work()
    at(clock.now() + timedelta(minutes=1))
    desk.house.live.wake("outbox")
    await desk.settled()
    # The joined six perhaps arrived and are not repeated; what came since is nobody's repeat.
    assert await desk.shown() == ["\n\n".join(f"a{n}" for n in range(6)), "and more"]
    states = [row.state for row in desk.house.outbox_rows()]
    assert states == [Delivery.FAILED] * 6 + [Delivery.SENT]


async def test_a_message_that_comes_while_a_send_is_refused_lets_it_leave(
    database: Database, at: Callable[[datetime], None]
) -> None:
    desk = Desk(database, WeChatPlatform())
    await desk.write("m-000001", "hello")
    conversation_id = desk.house.inbox_rows()[0].conversation_id
    desk.house.post(conversation_id, "one", "news")
    with database.write() as session:
        row = session.get_one(Outbox, desk.house.outbox_rows()[0].id)
        message = session.get_one(Message, row.message_id)
        load = quota.load(session, row, message, desk.channel.capabilities, clock.now())
        assert load is not None
    await desk.write("m-000002", "and?")
    with database.write() as session:
        assert quota.park(session, session.get_one(Outbox, row.id), load.heard)
    row = desk.house.outbox_rows()[0]
    assert (row.due_at, row.last_error) == (clock.now(), None)
    with database.write() as session:
        (heard,) = record.last_heard(session, conversation_id)
        assert quota.park(session, session.get_one(Outbox, row.id), heard.id)
    row = desk.house.outbox_rows()[0]
    assert (row.due_at, row.last_error) == (clock.now() + quota.KEEP, quota.WAITS)
    await desk.kill()


async def test_a_new_episode_frees_what_waited_in_the_old_one(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    conversation_id = await asked(desk)
    desk.house.post(conversation_id, "one", "news")
    await until(lambda: waits(desk))
    at(clock.now() + timedelta(hours=30))
    await desk.write("m-000002", "ask")
    await desk.settled()
    assert len({row.conversation_id for row in desk.house.inbox_rows()}) == 2
    assert "news" in "\n".join((await desk.shown())[4:])
    assert len((await desk.shown())[4:]) <= 5


async def test_a_send_counts_from_when_it_left_not_from_when_it_was_written(desk: Desk) -> None:
    await desk.write("m-000001", "hello")
    conversation_id = desk.house.inbox_rows()[0].conversation_id
    desk.house.post(conversation_id, "one", "news")
    await desk.settled()
    await desk.write("m-000002", "and?")
    for left, count in ((timedelta(seconds=-1), 0), (timedelta(seconds=1), 1)):
        with desk.database.write() as session:
            session.get_one(Outbox, desk.house.outbox_rows()[0].id).sent_at = clock.now() + left
        with desk.database.read() as session:
            (heard,) = record.last_heard(session, conversation_id)
            assert record.sent_since(session, heard) == count
