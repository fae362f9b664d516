"""Telegram under the contract of all channels, against the emulator on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.channels.base import Channel, Part, TryLater
from bot.channels.telegram.channel import TelegramChannel
from bot.channels.telegram.client import Client
from bot.channels.telegram.pace import Pace
from bot.channels.telegram.webhook import PATH
from conversations.models import Conversation, Customer, Delivery, Holder, Message
from conversations.schemas import Button
from store import clock
from store.engine import Database
from tests.channels.contract import ChannelContract, Desk, Platform
from tests.channels.house import TEXTS, House, post, until
from tests.channels.telegram_peer import ACCOUNT, TOKEN, Peer, peer

__all__ = ["peer"]
SECRET = "the-secret-of-these-deliveries"
PEOPLE = {"ann": 1001, "bob": 1002}
GROUP = -500


def message(number: int, chat: int = 1001, **content: Any) -> dict[str, Any]:
    """A message as Telegram sends it."""
    who = {"id": abs(chat), "is_bot": False, "first_name": "Ann", "last_name": "Chen"}
    kind = {"type": "private", "first_name": "Ann"} if chat > 0 else {"type": "group", "title": "G"}
    return {
        "message_id": number,
        "date": 1772416800,
        "chat": {"id": chat, **kind},
        "from": {**who, "language_code": "en"},
        **content,
    }


def update(number: int, **kind: Any) -> dict[str, Any]:
    return {"update_id": number, **kind}


class Telegram(Platform):
    outages = frozenset({"rate_limit", "server_error", "unknown", "blocked", "hang"})
    gives_files = takes_files = True

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def attach(self, house: House) -> Channel:
        return TelegramChannel(
            Client(TOKEN, self.peer.address),
            house.database,
            house.live,
            house.inbox.accept,
            TEXTS,
            secret=SECRET,
            webhook_url="https://desk.test",
            # The pace itself has tests of its own; here it would only cost time.
            pace=Pace(lambda: asyncio.get_running_loop().time(), private=0.02, everywhere=0.0),
        )

    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        number = int(outside_id.removeprefix("m-"))
        return await self.deliver(
            http, update(number, message=message(number, PEOPLE[who], text=text))
        )

    async def deliver(self, http: httpx.AsyncClient, body: object, secret: str = SECRET) -> int:
        return await post(http, PATH, body, {"X-Telegram-Bot-Api-Secret-Token": secret})

    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        return list(self.peer.chats.get(PEOPLE[who], []))

    async def write_file(
        self, http: httpx.AsyncClient, outside_id: str, data: bytes | None, who: str = "ann"
    ) -> int:
        number = int(outside_id.removeprefix("m-"))
        if data is not None:
            self.peer.holds(f"file-{number}", data)
        document = {"file_id": f"file-{number}", "file_unique_id": "u", "file_name": "bill.pdf"}
        return await self.deliver(
            http, update(number, message=message(number, PEOPLE[who], document=document))
        )

    async def files_shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[bytes]:
        return [data for _, data in self.peer.files.get(PEOPLE[who], [])]

    def break_fetches(self, times: int) -> None:
        self.peer.broken_fetches = times

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        joined = message(9, GROUP, new_chat_members=[{"id": 5, "is_bot": False, "first_name": "x"}])
        header = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        raw = [b'{"update_id": ', b"[]", b'"x"', b"\xff", b"[" * 100_000, b"null"]
        bodies: list[object] = [
            update(1, message=joined),
            update(2, poll={"id": "1"}),
            update(3, message="words"),
            update(4, message={"message_id": 4}),
            update(5, message=message(5, text={"not": "words"})),
            update(6, message={**message(6, text="x"), "date": 10**30}),
            update(7, callback_query={"id": "1", "from": {"id": 1}, "data": "0.0"}),
            {},
        ]
        wrong = update(8, message=message(8, text="hello"))
        return [
            *[(await http.post(PATH, content=body, headers=header)).status_code for body in raw],
            *[await self.deliver(http, body) for body in bodies],
            await self.deliver(http, wrong, "wrong"),
            await self.deliver(http, wrong, ""),
        ]

    def fail(self, outage: str, times: int = 1, wait: timedelta | None = None) -> None:
        self.peer.script += [(outage, wait)] * times


class TestTelegram(ChannelContract):
    @pytest.fixture
    def platform(self, peer: Peer) -> Platform:
        return Telegram(peer)


@pytest.fixture
def telegram(peer: Peer) -> Telegram:
    return Telegram(peer)


@pytest.fixture
async def desk(database: Database, telegram: Telegram, at: Callable[[datetime], None]) -> Any:
    opened = Desk(database, telegram)
    yield opened
    await opened.kill()


@pytest.fixture
def deliver(desk: Desk, telegram: Telegram) -> Callable[..., Any]:
    async def one(number: int, **kind: Any) -> int:
        return await telegram.deliver(desk.http, update(number, **kind))

    return one


async def test_a_wrong_secret_is_refused_and_nothing_is_stored(
    desk: Desk, telegram: Telegram
) -> None:
    words = update(1, message=message(1, text="hello"))
    for wrong in ("", "the-secret-of-these-deliverieS", "é"):
        raw = {b"x-telegram-bot-api-secret-token": wrong.encode()}
        reply = await desk.http.post(PATH, json=words, headers=list(raw.items()))
        assert reply.status_code == 401
    assert desk.house.record() == []
    assert await telegram.deliver(desk.http, words) == 200


KINDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "photo": (
        {"photo": [{"file_id": f, "file_unique_id": f, "width": 1, "height": 1, "file_size": n}
                   for n, f in enumerate(("small", "large"), 1)]}, "image", "[photo]"),
    "voice": ({"voice": {"file_id": "v", "file_unique_id": "v", "duration": 3}},
              "voice", "[voice message]"),
    "video": ({"video": {"file_id": "v", "file_unique_id": "v", "duration": 3, "width": 1,
                         "height": 1, "mime_type": "video/mp4"}}, "file", "[video]"),
    "document": ({"document": {"file_id": "d", "file_unique_id": "d", "file_name": "bill\u202e.pdf",
                               "mime_type": "application/pdf", "file_size": 7}},
                 "file", "[file] bill.pdf"),
    "sticker": ({"sticker": {"file_id": "s", "file_unique_id": "s", "type": "regular", "width": 1,
                             "height": 1, "is_animated": False, "is_video": False,
                             "emoji": "😡"}}, "text", "[sticker] 😡"),
    "dice": ({"dice": {"emoji": "🎲", "value": 3}}, "text", "[other content]"),
}  # fmt: skip


async def test_a_shared_location_is_asked_of_the_bot(
    desk: Desk, deliver: Callable[..., Any]
) -> None:
    await desk.work()
    where = {"latitude": 31.2304, "longitude": 121.4737}
    assert await deliver(1, message=message(1, location=where)) == 200
    await desk.settled()
    assert desk.house.record()[0] == ("customer", "[location] 31.230400, 121.473700")
    assert len(desk.house.handled) == 1
    with desk.database.read() as session:
        stored = session.query(Message).order_by(Message.id).first()
        assert stored is not None
        assert (stored.kind, stored.payload["point"]) == ("location", [31.2304, 121.4737])


@pytest.mark.parametrize("name", KINDS)
async def test_what_has_no_words_is_kept_and_answered_politely(
    desk: Desk, deliver: Callable[..., Any], name: str
) -> None:
    content, kind, text = KINDS[name]
    await desk.work()
    for _ in range(2):  # a second delivery changes nothing
        assert await deliver(1, message=message(1, **content)) == 200
    await desk.settled()
    (shown,) = await desk.shown()
    assert "words" in shown or "type" in shown
    assert desk.house.record() == [("customer", text), ("system", shown)]
    assert desk.house.handled == []  # the bot was not asked
    with desk.database.read() as session:
        stored = session.query(Message).order_by(Message.id).first()
        assert stored is not None
        assert stored.kind == kind
        files = desk.house.attachments()
    if name == "photo":
        assert [(file.kind, file.reference, file.size) for file in files] == [("photo", "large", 2)]
    if name == "document":
        assert files[0].name == "bill.pdf"


async def test_a_person_who_has_the_conversation_is_not_interrupted(
    desk: Desk, deliver: Callable[..., Any]
) -> None:
    await desk.work()
    await desk.write("m-000001", "hello")
    await desk.settled()
    with desk.database.write() as session:
        session.query(Conversation).one().holder = Holder.AGENT
    await deliver(2, message=message(2, **KINDS["sticker"][0]))
    await desk.settled()
    assert desk.house.record()[-1] == ("customer", "[sticker] 😡")
    assert await desk.shown() == ["answer to hello"]


async def test_words_beside_a_file_are_the_bots_to_answer(
    desk: Desk, deliver: Callable[..., Any]
) -> None:
    await desk.work()
    await deliver(1, message=message(1, caption="it is broken", **KINDS["photo"][0]))
    await desk.settled()
    assert desk.house.record()[0] == ("customer", "[photo]\nit is broken")
    assert await desk.shown() == ["answer to [photo]\nit is broken"]


async def test_an_album_is_answered_once(desk: Desk, deliver: Callable[..., Any]) -> None:
    await desk.work()
    for number in range(1, 5):
        part = message(number, media_group_id="77", **KINDS["photo"][0])
        await deliver(number, message=part)
    await desk.settled()
    assert [author for author, _ in desk.house.record()].count("customer") == 4
    assert len(await desk.shown()) == 1


async def test_a_contact_and_a_place_are_told_to_the_bot(
    desk: Desk, deliver: Callable[..., Any]
) -> None:
    await desk.work()
    contact = {"phone_number": "+8613800001111", "first_name": "王", "last_name": "伟"}
    place = {
        "location": {"latitude": 1.0, "longitude": 2.0},
        "title": "Gate 3",
        "address": "Long Rd",
    }
    await deliver(1, message=message(1, contact=contact))
    await deliver(2, message=message(2, venue=place, location=place["location"]))
    await desk.settled()
    assert [text for author, text in desk.house.record() if author == "customer"] == [
        "王 伟 +8613800001111",
        "Gate 3 Long Rd",
    ]


async def test_an_edit_is_said_again_and_the_first_words_stay(
    desk: Desk, deliver: Callable[..., Any]
) -> None:
    await desk.work()
    await desk.write("m-000001", "my number is SF1")
    edited = message(1, text="my number is SF2", edit_date=1772416900)
    for _ in range(2):
        await deliver(2, edited_message=edited)
    # A link's preview is an edit too, and so is a live location on its way.
    await deliver(3, edited_message=message(1, text="my number is SF1", edit_date=1772416950))
    moving = message(4, location={"latitude": 1.0, "longitude": 2.0}, edit_date=1772416960)
    await deliver(4, edited_message=moving)
    await desk.settled()
    assert [text for author, text in desk.house.record() if author == "customer"] == [
        "my number is SF1",
        "Correction: my number is SF2",
    ]


async def test_the_start_button_is_a_greeting(desk: Desk, deliver: Callable[..., Any]) -> None:
    await deliver(1, message=message(1, text="/start from-page"))
    assert desk.house.record() == [("customer", "Hello")]
    with desk.database.read() as session:
        customer = session.query(Customer).one()
        assert (customer.address, customer.account) == ("1001", ACCOUNT)
        assert (customer.name, customer.language) == ("Ann Chen", "en")


def press(data: str, chat: int = 1001, number: int = 50, query: str = "9") -> dict[str, Any]:
    sent = message(number, chat, text="which?")
    sender = {"id": abs(chat), "is_bot": False, "first_name": "Ann", "language_code": "en"}
    return {"id": query, "from": sender, "chat_instance": "1", "data": data, "message": sent}


async def test_a_button_says_its_words_once_and_its_waiting_sign_ends(
    desk: Desk, deliver: Callable[..., Any], peer: Peer
) -> None:
    choices = (Button("this", "I mean this"), Button("that", "I mean that"))
    desk.house.says = lambda text: [("which?", choices if text == "hello" else ())]
    await desk.work()
    await desk.write("m-000001", "hello")
    await desk.settled()
    rows = peer.named("sendMessage")[0]["reply_markup"]["inline_keyboard"]
    assert [[button["text"] for button in row] for row in rows] == [["this"], ["that"]]
    opaque = rows[1][0]["callback_data"]
    assert "that" not in opaque
    for query in ("9", "10"):
        assert await deliver(2, callback_query=press(opaque, query=query)) == 200
    await desk.settled()
    said = [text for author, text in desk.house.record() if author == "customer"]
    assert said == ["hello", "I mean that"]
    await until(lambda: len(peer.named("answerCallbackQuery")) == 2)
    shown = {str(a["callback_query_id"]): a["text"] for a in peer.named("answerCallbackQuery")}
    assert shown["9"] == "Chosen: that"
    assert shown["10"].startswith("We have had this choice already")


async def test_a_button_of_another_chat_says_nothing(
    desk: Desk, deliver: Callable[..., Any], peer: Peer
) -> None:
    desk.house.says = lambda _: [("which?", (Button("secret", "secret words"),))]
    await desk.work()
    await desk.write("m-000001", "hello")
    await desk.settled()
    opaque = peer.named("sendMessage")[0]["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    stolen = [opaque, "ffffffffffff.0", f"{opaque.split('.')[0]}.7"]
    for number, data in enumerate(stolen, 20):
        assert await deliver(number, callback_query=press(data, 1002, query=str(number))) == 200
    await until(lambda: len(peer.named("answerCallbackQuery")) == len(stolen))
    assert all("no longer valid" in a["text"] for a in peer.named("answerCallbackQuery"))
    assert "secret words" not in [text for _, text in desk.house.record()]


async def test_words_too_long_to_keep_are_answered_aside(desk: Desk, peer: Peer) -> None:
    await desk.work()
    assert await desk.write("m-000001", "x" * 4001) == 200
    await until(lambda: peer.chats.get(1001))
    assert desk.house.record() == []


async def test_a_limit_of_one_chat_holds_back_no_other(desk: Desk, telegram: Telegram) -> None:
    telegram.fail("rate_limit", wait=timedelta(seconds=300))
    await desk.work()
    await desk.write("m-000001", "from ann")
    await until(lambda: desk.house.outbox_rows() and desk.house.outbox_rows()[0].last_error)
    await desk.write("m-000002", "from bob", "bob")
    await until(lambda: telegram.peer.chats.get(1002))
    assert telegram.peer.chats == {1002: ["answer to from bob"]}
    assert desk.house.outbox_rows()[0].due_at == clock.now() + timedelta(seconds=300)


async def test_while_a_chat_is_to_wait_nothing_at_all_is_sent_there(
    desk: Desk, telegram: Telegram
) -> None:
    part = Part("k/0", ACCOUNT, "1001", 1, 1, "hello", (), 0, 1)
    telegram.fail("rate_limit", wait=timedelta(seconds=300))
    for _ in range(2):
        with pytest.raises(TryLater) as later:
            await desk.channel.send(part)
        assert later.value.after == timedelta(seconds=300)
    assert len(telegram.peer.named("sendMessage")) == 1


async def test_a_group_that_became_a_supergroup_is_answered_there(
    desk: Desk, deliver: Callable[..., Any], peer: Peer
) -> None:
    peer.moved[GROUP] = -1000500
    await desk.work()
    await deliver(1, message=message(1, GROUP, text="hello"))
    await desk.settled()
    assert peer.chats == {-1000500: ["answer to hello"]}
    await deliver(2, message=message(1, -1000500, text="again"))
    await desk.settled()
    with desk.database.read() as session:
        assert session.query(Customer).one().address == "-1000500"
        assert session.query(Conversation).count() == 1


async def test_a_migration_that_is_announced_is_followed(
    desk: Desk, deliver: Callable[..., Any]
) -> None:
    await deliver(1, message=message(1, GROUP, text="hello"))
    await deliver(2, message=message(2, GROUP, migrate_to_chat_id=-1000500))
    await deliver(3, message=message(1, -1000500, migrate_from_chat_id=GROUP))
    with desk.database.read() as session:
        assert session.query(Customer).one().address == "-1000500"
    assert len(desk.house.record()) == 1


async def test_another_bots_customers_are_not_written_to(desk: Desk, peer: Peer) -> None:
    await desk.write("m-000001", "hello")
    with desk.database.write() as session:
        session.query(Customer).one().account = "7000002"
    await desk.work()
    await until(lambda: desk.house.outbox_rows() and desk.house.outbox_rows()[0].last_error)
    assert desk.house.outbox_rows()[0].state == Delivery.FAILED
    assert peer.chats == {}


async def test_typing_is_shown_while_the_bot_thinks_and_not_after(desk: Desk, peer: Peer) -> None:
    enough = asyncio.Event()

    async def slow(_: Any) -> None:
        await enough.wait()

    desk.house.before = slow
    await desk.work()
    await desk.write("m-000001", "hello")
    await until(lambda: peer.named("sendChatAction"))
    assert peer.named("sendChatAction") == [{"chat_id": 1001, "action": "typing"}]
    enough.set()
    await desk.settled()
