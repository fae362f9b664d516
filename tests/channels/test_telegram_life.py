"""Telegram while the service runs: both ways in, failures, the token, the pace, settings."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from bot import app as service
from bot import assembly, settings
from bot.channels.base import TryLater, UnknownResult, Unreachable
from bot.channels.telegram import switch_on
from bot.channels.telegram.check import check
from bot.channels.telegram.client import Client, TokenRefused
from bot.channels.telegram.pace import Pace
from bot.settings import TelegramSettings
from store import clock
from store.engine import Database
from store.errors import SettingsError
from tests.channels.house import TEXTS, House, serving, until
from tests.channels.telegram_peer import TOKEN, Call, Peer, peer
from tests.channels.test_telegram import GROUP, message

__all__ = ["peer"]
SECRET = "made-for-this-installation"


def switched_on(house: House, peer: Peer, webhook_url: str = "", token: str = TOKEN) -> None:
    chosen = TelegramSettings(token, webhook_url=webhook_url, api=peer.address)
    channel = switch_on(chosen, SECRET, house.database, house.live, house.inbox.accept, TEXTS)
    house.channels.add(channel)


@asynccontextmanager
async def alive(house: House) -> AsyncIterator[FastAPI]:
    app = house.app()
    async with house.at_work(), app.router.lifespan_context(app):
        yield app


# Both ways in


async def test_polling_takes_what_waited_and_confirms_what_it_stored(
    database: Database, peer: Peer
) -> None:
    house = House(database)
    switched_on(house, peer)
    await peer.arrives({"message": message(1, text="before the start")})
    async with alive(house):
        await until(lambda: peer.chats.get(1001))
        await peer.arrives({"message": message(2, text="after it")})
        await until(lambda: len(peer.chats[1001]) == 2)
        await until(lambda: peer.named("getUpdates")[-1]["offset"] == 3)
    assert peer.chats[1001] == ["answer to before the start", "answer to after it"]
    assert [call.method for call in peer.calls[:2]] == ["deleteWebhook", "getUpdates"]


async def test_what_could_not_be_stored_is_asked_for_again(database: Database, peer: Peer) -> None:
    house = House(database)
    accept, failures = house.inbox.accept, iter([RuntimeError("the database is away")])

    async def sometimes(inbound: Any) -> Any:
        for failure in failures:
            raise failure
        return await accept(inbound)

    house.inbox.accept = sometimes  # type: ignore[method-assign]
    switched_on(house, peer)
    await peer.arrives({"message": message(1, text="first")})
    await peer.arrives({"message": message(2, text="second")})
    async with alive(house):
        await until(lambda: len(peer.chats.get(1001, [])) == 2)
    assert peer.chats[1001] == ["answer to first", "answer to second"]


async def test_the_platform_delivers_to_the_webhook_it_was_given(
    database: Database, peer: Peer
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    house = House(database)
    switched_on(house, peer, f"http://127.0.0.1:{port}")

    with serving(house, port):
        await until(lambda: peer.named("setWebhook"))
        await peer.arrives({"message": message(1, text="hello")})
        await until(lambda: ("customer", "hello") in house.record())
    (asked,) = peer.named("setWebhook")
    assert asked["url"] == f"http://127.0.0.1:{port}/telegram/webhook"
    assert asked["secret_token"] == SECRET
    assert asked["allowed_updates"] == ["message", "edited_message", "callback_query"]
    waiting = peer.run(_info(peer))
    assert waiting["pending_update_count"] == 0


async def _info(peer: Peer) -> dict[str, Any]:
    found: dict[str, Any] = peer.emulator._update_queues.info(TOKEN)
    return found


# Failures, sorted


async def test_no_connection_is_tried_later_and_a_lost_answer_is_not(peer: Peer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = Client(TOKEN, f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(TryLater):
            await nowhere.say(1001, "hello", ())
        await nowhere.close()
    client = Client(TOKEN, peer.address)
    for outage, expected in (
        ("unknown", UnknownResult),
        ("server_error", UnknownResult),
        ("blocked", Unreachable),
        ("rate_limit", TryLater),
    ):
        peer.script.append((outage, timedelta(seconds=7)))
        with pytest.raises(expected) as caught:
            await client.say(1001, "hello", ())
    assert isinstance(caught.value, TryLater)
    assert caught.value.after == timedelta(seconds=7)
    with pytest.raises(Unreachable):
        await client.say(1001, " ", ())  # the platform refuses it for good
    await client.close()


async def test_a_refused_token_is_one_clear_sentence_and_the_service_runs(
    database: Database, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(database)
    wrong = "7000001:AAanother-token-of-no-bot-at-all"
    switched_on(house, peer, token=wrong)
    async with alive(house):
        await until(lambda: "COURIER_TELEGRAM_TOKEN" in caplog.text)
    assert wrong not in caplog.text


# The token


async def test_the_token_is_in_no_log_line_whatever_fails(
    database: Database, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house = House(database)
    switched_on(house, peer)
    peer.script += [("unknown", None), ("blocked", None), ("server_error", None)]
    for number in range(1, 5):
        await peer.arrives({"message": message(number, text="hello")})
    async with alive(house):
        await until(lambda: len(house.outbox_rows()) == 4 and house.idle())
    assert peer.chats[1001] == ["answer to hello"] * 2  # one whose answer was lost, one unharmed
    client = Client(TOKEN, "http://127.0.0.1:1")
    with pytest.raises(TryLater) as refused:
        await client.name()
    other = Client("7000002:AAwrong-token-of-no-bot-at-all", peer.address)
    with pytest.raises(TokenRefused) as unknown:
        await other.name()
    await client.close()
    await other.close()
    # httpx did write the addresses, without what opens them.
    assert f"{peer.address}/bot<token>/sendMessage" in caplog.text
    for token in (TOKEN, "7000002:AAwrong-token-of-no-bot-at-all"):
        assert token.partition(":")[2] not in caplog.text
        assert token not in str(refused.value) + str(unknown.value)
        assert refused.value.__suppress_context__
        assert token not in repr(TelegramSettings(token, secret=token))
    assert TOKEN not in str([row.last_error for row in house.outbox_rows()])


# The pace


@pytest.fixture
def seconds() -> list[float]:
    return [100.0]


@pytest.fixture
def pace(seconds: list[float], at: Callable[[datetime], None]) -> Pace:
    return Pace(lambda: seconds[0])


def test_a_private_chat_hears_one_message_a_second(pace: Pace, seconds: list[float]) -> None:
    assert pace.book(1) == 0
    assert pace.book(1) == pytest.approx(1.0)
    with pytest.raises(TryLater) as later:
        pace.book(1)
    assert later.value.after == timedelta(seconds=2)
    seconds[0] += 1.0
    assert pace.book(1) == pytest.approx(1.0)
    assert pace.book(2) < 0.2


def test_a_group_hears_twenty_messages_a_minute(
    pace: Pace, seconds: list[float], at: Callable[[datetime], None]
) -> None:
    for _ in range(20):
        assert pace.book(GROUP) == 0
        seconds[0] += 1.0
        at(clock.now() + timedelta(seconds=1))
    with pytest.raises(TryLater) as later:
        pace.book(GROUP)
    assert later.value.after == timedelta(seconds=40)
    assert pace.book(1) == 0  # nobody else waits
    at(clock.now() + timedelta(seconds=40))
    assert pace.book(GROUP) < 0.2


def test_a_chat_asked_to_wait_waits_alone(pace: Pace, at: Callable[[datetime], None]) -> None:
    pace.hold(1, timedelta(seconds=30))
    with pytest.raises(TryLater) as later:
        pace.book(1)
    assert later.value.after == timedelta(seconds=30)
    assert pace.book(2) == 0
    at(clock.now() + timedelta(seconds=30))
    assert pace.book(1) < 0.2


def test_all_chats_together_hear_thirty_messages_a_second(pace: Pace) -> None:
    waits = [pace.book(chat) for chat in range(1, 31)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(29 / 30)


# Settings


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"COURIER_HOME": str(tmp_path)}


def test_a_token_alone_switches_it_on(home: dict[str, str], tmp_path: Path) -> None:
    assert settings.load(home).telegram is None
    found = settings.load({**home, "COURIER_TELEGRAM_TOKEN": TOKEN})
    assert found.telegram == TelegramSettings(TOKEN)
    assert TOKEN not in repr(found)
    channels = assembly.assemble(found).channels
    assert {channel.name for channel in channels} == {"web", "console", "telegram"}
    assert channels.capabilities("telegram").max_length == 4096


async def test_the_whole_service_answers_on_telegram(home: dict[str, str], peer: Peer) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        given = {
            **home,
            "COURIER_RASA_PORT": str(nobody.getsockname()[1]),
            "COURIER_TELEGRAM_TOKEN": TOKEN,
            "COURIER_TELEGRAM_API": peer.address,
        }
        app = service.create(settings.load(given))
        async with app.router.lifespan_context(app):
            await peer.arrives({"message": message(1, text="my parcel is broken")})
            await until(lambda: peer.chats.get(1001), 30)
    (words,) = peer.chats[1001]
    bot_down = TEXTS.say("en", "handoff.bot_down")  # Rasa is not here: a person is promised
    assert words.startswith(bot_down)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN", "no-token"),
        ("TOKEN", f"bot{TOKEN}"),
        ("WEBHOOK_URL", "http://desk.example"),
        ("SECRET", "with spaces and more"),
        ("SECRET", "short"),
    ],
)
def test_a_wrong_setting_is_one_sentence(home: dict[str, str], name: str, value: str) -> None:
    given = {**home, "COURIER_TELEGRAM_TOKEN": TOKEN, f"COURIER_TELEGRAM_{name}": value}
    with pytest.raises(SettingsError, match=f"COURIER_TELEGRAM_{name}") as wrong:
        settings.load(given)
    assert TOKEN not in str(wrong.value)


def test_a_webhook_without_a_token_is_named(home: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="COURIER_TELEGRAM_TOKEN is missing"):
        settings.load({**home, "COURIER_TELEGRAM_WEBHOOK_URL": "https://desk.example"})


async def test_the_check_says_what_works_and_what_is_missing(peer: Peer) -> None:
    asking = TelegramSettings(TOKEN, api=peer.address)
    told = TelegramSettings(TOKEN, "https://desk.example", api=peer.address)
    wrong = TelegramSettings("7000001:AAanother-token-of-none", api=peer.address)
    nowhere = TelegramSettings(TOKEN, api="http://127.0.0.1:1")
    for chosen, works, sentence in (
        (None, True, "telegram: off. Write /newbot to @BotFather"),
        (asking, True, "telegram: Fixture answers; the service asks for messages"),
        (told, True, "telegram: Fixture answers; deliveries begin when the service starts"),
        (wrong, False, "telegram: COURIER_TELEGRAM_TOKEN is refused"),
        (nowhere, False, "telegram: out of reach"),
    ):
        found = await check(chosen)
        assert found[0] is works
        assert found[1].startswith(sentence)
    assert peer.named("setWebhook") == []


# The peer itself


def test_the_peers_door_knows_telegrams_rules() -> None:
    door = Peer()
    if not door.knows_rules:
        pytest.skip("../shared/data/telegram-bot-api.json is not here")
    assert door.broken_rules("sendMessage", {"chat_id": 1, "text": "x"}) == []
    for wrong in (
        Call("sendMessages", {}),
        Call("sendMessage", {"chat_id": 1}),
        Call("sendMessage", {"chat_id": 1, "text": "x", "colour": "red"}),
        Call("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": "x"}),
        Call("getUpdates", {"offset": "x"}),
    ):
        assert len(door.broken_rules(wrong.method, wrong.fields)) == 1
