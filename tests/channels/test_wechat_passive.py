"""Answers to WeChat's own pushes: once, whoever dies; and accounts that can speak no other way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from wechatpy.crypto import WeChatCrypto

from bot.channels import quota
from bot.channels.base import Accepted
from bot.channels.tencent import xml
from bot.channels.wechat import passive
from bot.channels.wechat.passive import PassiveReplies
from conversations import allowance
from conversations import service as conversations
from conversations.models import Author, Conversation, Delivery, Undelivered
from conversations.schemas import Outbound
from store import clock
from store.engine import Database
from tests.channels.contract import Desk
from tests.channels.house import TEXTS, until
from tests.channels.wechat_fake import AES_KEY, APPID, PLAIN, SAFE, TOKEN, WeChatPlatform

PASSIVE = replace(PLAIN, passive=True)
ANSWERS_ONLY = replace(PASSIVE, custom_send=False)
SAY = "<MsgType>text</MsgType><Content>{text}</Content><MsgId>{id}</MsgId>"


class Phone:
    """A customer's WeChat: it shows what pushes are answered with."""

    def __init__(self, database: Database, platform: WeChatPlatform) -> None:
        self.platform = platform
        self.desk = Desk(database, platform)
        self.shown: list[str] = []

    async def push(self, tags: str) -> httpx.Response:
        reply = await self.platform.push(self.desk.http, tags)
        assert reply.status_code == 200
        if reply.text != "success":
            tags = reply.text
            self.shown.append(xml.word(xml.read(reply.content), "Content"))
        return reply

    async def say(self, text: str, number: int) -> str:
        """The text of the answer; ``success`` for none."""
        reply = await self.push(SAY.format(text=text, id=number))
        return self.shown[-1] if reply.text != "success" else "success"

    @property
    def sent(self) -> list[str]:
        """What came by custom/send."""
        return self.platform.api.texts("ann")


@pytest.fixture
async def phone(database: Database) -> AsyncIterator[Phone]:
    phone = Phone(database, WeChatPlatform(PASSIVE, window=1.0))
    await phone.desk.work()
    yield phone
    await phone.desk.kill()


@pytest.fixture
async def poor(database: Database) -> AsyncIterator[Phone]:
    """An account without custom/send."""
    phone = Phone(database, WeChatPlatform(ANSWERS_ONLY, window=1.0))
    await phone.desk.work()
    yield phone
    await phone.desk.kill()


def slow(phone: Phone, seconds: float) -> None:
    async def wait(_: Any) -> None:
        await asyncio.sleep(seconds)

    phone.desk.house.before = wait


def states(phone: Phone) -> list[tuple[str, str | None]]:
    return [(row.state, row.reason) for row in phone.desk.house.outbox_rows()]


async def test_an_answer_in_time_is_the_answer_to_the_push_and_costs_no_quota(
    phone: Phone,
) -> None:
    slow(phone, 0.1)
    assert await phone.say("hello", 1) == "answer to hello"
    await phone.desk.settled()
    assert phone.sent == []
    assert states(phone) == [(Delivery.SENT, None)]
    with phone.desk.database.read() as session:
        conversation_id = phone.desk.house.inbox_rows()[0].conversation_id
        meter = allowance.meter(session, conversation_id, phone.desk.channel.capabilities)
    assert meter is not None
    assert meter.left == 5


async def test_an_account_that_pushes_json_and_cannot_send_is_told_so(
    poor: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    tags = {"ToUserName": "gh", "FromUserName": "ann", "CreateTime": 1700000000}
    said = json.dumps({**tags, "MsgType": "text", "Content": "hello", "MsgId": 1})
    reply = await poor.platform.deliver(poor.desk.http, said.encode())
    assert reply.text == "success"
    assert "Choose XML" in caplog.text


async def test_an_answer_too_late_leaves_by_custom_send(phone: Phone) -> None:
    slow(phone, 1.5)
    assert await phone.say("hello", 1) == "success"
    await phone.desk.settled()
    assert (phone.shown, phone.sent) == ([], ["answer to hello"])


async def test_an_answer_too_long_for_one_text_leaves_by_custom_send_whole(phone: Phone) -> None:
    phone.desk.house.says = lambda _: [("很长" * 500, ()), ("还有", ())]
    assert await phone.say("hello", 1) == "success"
    await phone.desk.settled()
    assert "".join(phone.sent) == "很长" * 500 + "还有"


async def test_three_pushes_of_one_message_lead_to_one_answer(phone: Phone) -> None:
    slow(phone, 0.3)
    await asyncio.gather(*(phone.say("hello", 1) for _ in range(3)))
    await phone.say("hello", 1)
    await phone.desk.settled()
    assert phone.shown + phone.sent == ["answer to hello"]
    assert phone.desk.house.record() == [("customer", "hello"), ("bot", "answer to hello")]


async def test_nothing_to_say_is_success_at_once(phone: Phone) -> None:
    phone.desk.house.says = lambda _: []
    began = asyncio.get_running_loop().time()
    assert await phone.say("hello", 1) == "success"
    assert asyncio.get_running_loop().time() - began < 0.9


async def test_what_is_written_while_a_push_waits_is_not_sent_beside_it(phone: Phone) -> None:
    """The outbox looks, finds the row held, and leaves it to the push."""
    slow(phone, 0.2)
    phone.desk.house.live.wake("outbox")
    waker = asyncio.create_task(keep_waking(phone))
    assert await phone.say("hello", 1) == "answer to hello"
    waker.cancel()
    assert phone.sent == []


async def keep_waking(phone: Phone) -> None:
    while True:
        phone.desk.house.live.wake("outbox")
        await asyncio.sleep(0.01)


async def test_what_a_killed_service_may_have_answered_is_not_said_again_but_shown(
    database: Database, at: Callable[[datetime], None]
) -> None:
    phone = Phone(database, WeChatPlatform(PASSIVE))
    desk = phone.desk
    desk.house.says = lambda _: []
    await desk.work()
    await phone.say("hello", 1)
    row = desk.house.inbox_rows()[0]
    with database.write() as session:
        conversation = session.get_one(Conversation, row.conversation_id)
        conversation.held_until = clock.now() + passive.HOLD
    desk.house.post(row.conversation_id, "in:1:0", "killed")
    replies = PassiveReplies(database, desk.house.live, TEXTS)
    accepted = Accepted(row.id, row.message_id, row.conversation_id, new=True)
    taken = await replies.take(accepted, desk.channel.capabilities, listening)
    assert taken is not None
    assert taken.text == "killed"
    await desk.kill()  # before ``said``: it may have been read
    desk.start()
    desk.house.says = lambda _: []
    await desk.work()
    assert await phone.say("hello", 1) == "success"  # WeChat pushes again
    at(clock.now() + passive.LEASE + timedelta(seconds=1))
    desk.house.live.wake("outbox")
    await desk.settled()
    assert phone.sent == []
    assert states(phone) == [(Delivery.FAILED, Undelivered.UNKNOWN)]
    await desk.kill()


async def listening() -> bool:
    return False


async def hung_up() -> bool:
    return True


async def test_nothing_is_said_to_a_push_that_hung_up(phone: Phone) -> None:
    phone.desk.house.says = lambda _: []
    await phone.say("hello", 1)
    row = phone.desk.house.inbox_rows()[0]
    with phone.desk.database.write() as session:
        conversation = session.get_one(Conversation, row.conversation_id)
        conversation.held_until = clock.now() + passive.HOLD
    phone.desk.house.post(row.conversation_id, "in:1:0", "news")
    replies = PassiveReplies(phone.desk.database, phone.desk.house.live, TEXTS)
    accepted = Accepted(row.id, row.message_id, row.conversation_id, new=True)
    assert await replies.take(accepted, phone.desk.channel.capabilities, hung_up) is None
    await phone.desk.settled()  # not held any longer
    assert phone.sent == ["news"]


async def test_a_service_killed_while_the_push_waited_sends_the_answer_afterwards(
    database: Database, at: Callable[[datetime], None]
) -> None:
    phone = Phone(database, WeChatPlatform(PASSIVE))
    slow(phone, 60)
    await phone.desk.work()
    push = asyncio.create_task(phone.say("hello", 1))
    await until(lambda: phone.desk.house.inbox_rows())
    push.cancel()
    await phone.desk.kill()
    phone.desk.start()
    await phone.desk.work()
    at(clock.now() + timedelta(minutes=1))
    for topic in ("inbox", "outbox"):
        phone.desk.house.live.wake(topic)
    await phone.desk.settled()
    assert (phone.shown, phone.sent) == ([], ["answer to hello"])
    await phone.desk.kill()


async def test_a_hidden_push_is_answered_hidden_and_signed(database: Database) -> None:
    platform = WeChatPlatform(replace(SAFE, passive=True))
    phone = Phone(database, platform)
    await phone.desk.work()
    reply = await platform.push(phone.desk.http, SAY.format(text="你好", id=1))
    tags = xml.read(reply.content)
    opened = WeChatCrypto(TOKEN, AES_KEY, APPID).decrypt_message(
        reply.text, xml.word(tags, "MsgSignature"), xml.word(tags, "TimeStamp"),
        xml.word(tags, "Nonce"),
    )  # fmt: skip
    answer = xml.read(opened.encode() if isinstance(opened, str) else opened)
    assert xml.word(answer, "Content") == "answer to 你好"
    assert (xml.word(answer, "ToUserName"), xml.word(answer, "FromUserName")) == ("ann", "gh_desk")
    await phone.desk.kill()


def test_words_that_look_like_xml_stay_words() -> None:
    text = "a ]]> b <Content>&amp;</Content> \x00📦"
    found = xml.read(xml.write({"Content": text, "CreateTime": 7}).encode())
    assert xml.word(found, "Content") == text.replace("\x00", "")
    assert xml.word(found, "CreateTime") == "7"


async def test_typing_is_shown_while_the_bot_thinks(database: Database) -> None:
    phone = Phone(database, WeChatPlatform(PASSIVE, window=0.1))
    slow(phone, 1.2)
    await phone.desk.work()
    await phone.say("hello", 1)
    await until(lambda: phone.platform.api.typed)
    await phone.desk.settled()
    assert phone.platform.api.typed == ["ann"]
    await phone.desk.kill()


# Accounts without custom/send


async def test_without_custom_send_an_answer_in_time_is_said_and_nothing_is_posted(
    poor: Phone,
) -> None:
    assert await poor.say("hello", 1) == "answer to hello"
    await poor.desk.settled()
    assert poor.platform.api.asked == []  # not even a token


async def test_without_custom_send_a_late_answer_comes_with_the_next_message(poor: Phone) -> None:
    slow(poor, 1.4)
    assert await poor.say("hello", 1) == TEXTS.say("en", "wechat.come_back")
    await until(lambda: states(poor)[-1] == (Delivery.QUEUED, Undelivered.WAITS))
    slow(poor, 0)
    poor.desk.house.says = lambda text: [(f"再答 {text}", ())]
    late = TEXTS.say("zh", "wechat.late", answer="answer to hello\n\n再答 好了吗")
    assert await poor.say("好了吗", 2) == late
    await poor.desk.settled()
    assert {state for state, _ in states(poor)} == {Delivery.SENT}


async def test_without_custom_send_a_long_answer_goes_on_with_each_message(poor: Phone) -> None:
    long = "".join(f"第 {n} 句，您的包裹在路上。" for n in range(120))
    poor.desk.house.says = lambda text: [(long, ())] if text == "说" else []
    said = await poor.say("说", 1)
    number = 1
    more = TEXTS.say("zh", "wechat.more", answer="")
    late = TEXTS.say("zh", "wechat.late", answer="")
    got = said.removesuffix(more)
    while said.endswith(more):
        assert len(said.encode()) <= 2048
        number += 1
        said = await poor.say("继续", number)
        got += said.removesuffix(more).removeprefix(late)
    assert number > 1
    assert got.replace(" ", "") == long.replace(" ", "")


async def test_without_custom_send_an_agents_words_wait_for_the_customer(poor: Phone) -> None:
    poor.desk.house.says = lambda _: []
    await poor.say("hello", 1)
    conversation_id = poor.desk.house.inbox_rows()[0].conversation_id
    agent_says(poor, conversation_id, "I am Lili")
    await until(lambda: states(poor) == [(Delivery.QUEUED, Undelivered.WAITS)])
    assert "I am Lili" in await poor.say("anyone?", 2)
    await poor.desk.settled()
    assert states(poor) == [(Delivery.SENT, None)]


def agent_says(phone: Phone, conversation_id: int, text: str) -> None:
    with phone.desk.database.write() as session:
        conversation = session.get_one(Conversation, conversation_id)
        conversations.post(session, conversation, Outbound(text, text), Author.AGENT)
        phone.desk.house.live.after_commit(session, "outbox")


# A click's own allowance


async def test_a_click_lets_us_say_three_in_a_minute_and_a_message_five_in_two_days(
    database: Database, at: Callable[[datetime], None]
) -> None:
    phone = Phone(database, WeChatPlatform(PLAIN))
    click = "<MsgType>event</MsgType><Event>CLICK</Event><EventKey>查快递</EventKey>"
    await phone.push(click)
    conversation_id = phone.desk.house.inbox_rows()[0].conversation_id

    def meter() -> tuple[int, timedelta | None]:
        with database.read() as session:
            found = allowance.meter(session, conversation_id, phone.desk.channel.capabilities)
        assert found is not None
        return found.left, found.until - clock.now() if found.until else None

    assert meter() == (3, timedelta(minutes=1))
    at(clock.now() + timedelta(seconds=61))
    assert meter()[0] == 0
    await phone.push(SAY.format(text="在吗", id=1))
    assert meter() == (5, timedelta(hours=48))
    at(clock.now() + timedelta(hours=1))
    await phone.push(click.replace("查快递", "转人工"))
    assert meter() == (5, timedelta(hours=47))  # a click takes nothing away
    at(clock.now() + timedelta(hours=48))
    assert meter()[0] == 0
    await phone.desk.kill()


async def test_after_a_click_what_is_too_late_waits(
    database: Database, at: Callable[[datetime], None]
) -> None:
    phone = Phone(database, WeChatPlatform(PLAIN))
    phone.desk.house.says = lambda _: []
    await phone.desk.work()
    await phone.push("<MsgType>event</MsgType><Event>CLICK</Event><EventKey>查快递</EventKey>")
    await phone.desk.settled()
    at(clock.now() + timedelta(seconds=61))
    conversation_id = phone.desk.house.inbox_rows()[0].conversation_id
    phone.desk.house.post(conversation_id, "one", "news")
    await until(lambda: phone.desk.house.outbox_rows()[0].last_error == quota.WAITS)
    assert phone.sent == []
    await phone.say("在吗", 1)
    await phone.desk.settled()
    assert phone.sent == ["news"]
    await phone.desk.kill()
