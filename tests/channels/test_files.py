"""Files over the real channels: how each platform is asked for them and given them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.channels import fetching, quota
from bot.say import _shown, _Words
from conversations import attachments
from conversations import service as conversations
from conversations.files import Files
from conversations.models import (
    Attachment,
    Audience,
    Author,
    Conversation,
    Delivery,
    FileKind,
    FileState,
    Gone,
)
from conversations.schemas import Inbound, Reference, Upload
from store import clock
from store.engine import Database
from tests import samples
from tests.channels.contract import Desk
from tests.channels.fake import FakeChannel, FakePlatform
from tests.channels.house import TEXTS, House, client, until
from tests.channels.telegram_peer import FETCHED, TOKEN, Peer, peer
from tests.channels.test_telegram import Telegram, message, update
from tests.channels.test_web import WebPlatform
from tests.channels.wechat_fake import WeChatPlatform

__all__ = ["peer"]
At = Callable[[datetime], None]


async def begun(desk: Desk) -> int:
    """A customer who was answered; his conversation."""
    await desk.work()
    await desk.write("m-000001", "hello")
    await desk.settled()
    return desk.house.inbox_rows()[0].conversation_id


def kept(desk: Desk, data: bytes, name: str = "") -> Upload:
    return Upload(name, desk.files.keep(data))


# Telegram


@pytest.fixture
async def telegram(database: Database, peer: Peer, at: At) -> Any:
    desk = Desk(database, Telegram(peer))
    yield desk
    await desk.kill()


@pytest.mark.parametrize(
    ("data", "method", "name"),
    [
        (samples.PHOTO, "sendPhoto", "photo.png"),
        (samples.VOICE, "sendVoice", "voice.ogg"),
        (samples.VIDEO, "sendVideo", "video.mp4"),
        (samples.PDF, "sendDocument", "document.pdf"),
        (samples.AMR, "sendDocument", "voice.amr"),
        (b"words", "sendDocument", "document.txt"),
    ],
)
async def test_telegram_is_given_a_file_as_what_it_can_show(
    telegram: Desk, peer: Peer, data: bytes, method: str, name: str
) -> None:
    conversation_id = await begun(telegram)
    telegram.house.send(conversation_id, "", kept(telegram, data))
    await telegram.settled()
    (sent,) = peer.named(method)
    upload = sent[method.removeprefix("send").lower()]
    assert (upload["filename"], upload["data"]) == (name, data)


async def test_a_photo_too_large_to_be_shown_is_a_document(telegram: Desk, peer: Peer) -> None:
    conversation_id = await begun(telegram)
    large = samples.PHOTO + bytes(10_000_001)
    telegram.house.send(conversation_id, "", kept(telegram, large, "箱子.png"))
    await telegram.settled()
    assert peer.named("sendPhoto") == []
    assert peer.named("sendDocument")[0]["document"]["filename"] == "箱子.png"


async def test_a_group_that_became_a_supergroup_is_sent_the_file_there(
    telegram: Desk, peer: Peer
) -> None:
    assert isinstance(telegram.platform, Telegram)
    words = message(1, -500, text="hello")
    await telegram.work()
    await telegram.platform.deliver(telegram.http, update(1, message=words))
    await telegram.settled()
    peer.moved[-500] = -1000500
    conversation_id = telegram.house.inbox_rows()[0].conversation_id
    telegram.house.send(conversation_id, "", kept(telegram, samples.PHOTO))
    await telegram.settled()
    assert peer.files == {-1000500: [("photo", samples.PHOTO)]}


async def test_what_telegram_holds_is_fetched_and_the_token_stays_out_of_the_log(
    telegram: Desk, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    peer.holds("v1", samples.VOICE)
    voice = {"file_id": "v1", "file_unique_id": "u", "duration": 3}
    await telegram.work()
    assert isinstance(telegram.platform, Telegram)
    await telegram.platform.deliver(telegram.http, update(1, message=message(1, voice=voice)))
    await telegram.settled()
    (file,) = telegram.house.attachments()
    assert (file.state, file.media_type, file.seconds) == (FileState.STORED, "audio/ogg", 3)
    assert TOKEN not in caplog.text


async def test_an_album_is_messages_with_a_photo_each(telegram: Desk, peer: Peer) -> None:
    await telegram.work()
    assert isinstance(telegram.platform, Telegram)
    for number in range(1, 4):
        peer.holds(f"p{number}", samples.picture(number, 1))
        photo = [{"file_id": f"p{number}", "file_unique_id": "u", "width": 1, "height": 1}]
        part = message(number, media_group_id="7", photo=photo)
        await telegram.platform.deliver(telegram.http, update(number, message=part))
    await telegram.settled()
    files = telegram.house.attachments()
    assert [file.state for file in files] == [FileState.STORED] * 3
    assert len({file.message_id for file in files}) == 3
    assert len({file.sha256 for file in files}) == 3


async def test_a_file_announced_too_big_is_not_asked_for(telegram: Desk, peer: Peer) -> None:
    document = {"file_id": "d", "file_unique_id": "u", "file_size": telegram.files.most + 1}
    await telegram.work()
    assert isinstance(telegram.platform, Telegram)
    update_ = update(1, message=message(1, document=document))
    await telegram.platform.deliver(telegram.http, update_)
    await telegram.settled()
    (file,) = telegram.house.attachments()
    assert (file.state, file.reason) == (FileState.GONE, Gone.TOO_BIG)
    assert peer.named("getFile") == []


async def test_a_file_that_telegram_will_not_give_a_bot_is_too_big(
    telegram: Desk, peer: Peer
) -> None:
    peer.holds("d", bytes(FETCHED + 1))
    await telegram.work()
    assert isinstance(telegram.platform, Telegram)
    document = {"file_id": "d", "file_unique_id": "u"}
    await telegram.platform.deliver(telegram.http, update(1, message=message(1, document=document)))
    await telegram.settled()
    (file,) = telegram.house.attachments()
    assert (file.state, file.reason) == (FileState.GONE, Gone.TOO_BIG)


# WeChat


@pytest.fixture
async def wechat(database: Database, at: At) -> Any:
    desk = Desk(database, WeChatPlatform())
    yield desk
    await desk.kill()


def weixin(desk: Desk) -> WeChatPlatform:
    assert isinstance(desk.platform, WeChatPlatform)
    return desk.platform


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        (samples.PHOTO, "image", "image.png"),
        (samples.AMR, "voice", "voice.amr"),
        (samples.VIDEO, "video", "video.mp4"),
    ],
)
async def test_wechat_is_given_a_file_in_two_steps(
    wechat: Desk, data: bytes, kind: str, name: str
) -> None:
    conversation_id = await begun(wechat)
    api = weixin(wechat).api
    api.make_tokens_void()  # fetched afresh for the upload
    wechat.house.send(conversation_id, "", kept(wechat, data, "箱子"))
    await wechat.settled()
    assert api.uploads[-1] == (kind, name)
    assert api.files("ann") == [data]
    sent = api.sent[-1]
    assert (sent["touser"], sent["msgtype"]) == ("ann", kind)
    assert sent[kind]["media_id"] == "media-0"


async def test_a_document_never_leaves_for_wechat(wechat: Desk) -> None:
    conversation_id = await begun(wechat)
    wechat.house.send(conversation_id, "", kept(wechat, samples.PDF))
    await wechat.settled()
    row = wechat.house.outbox_rows()[-1]
    assert row.state == Delivery.FAILED
    assert "carries no application/pdf" in (row.last_error or "")
    assert weixin(wechat).api.uploads == []


async def test_a_file_is_not_joined_with_words_and_counts_as_a_send(wechat: Desk) -> None:
    wechat.house.says = lambda _: [(f"a{n}", ()) for n in range(3)]
    conversation_id = await begun(wechat)
    wechat.house.send(conversation_id, "one", kept(wechat, samples.PHOTO))
    wechat.house.send(conversation_id, "two")
    await until(lambda: wechat.house.outbox_rows()[-1].last_error == quota.WAITS)
    assert await wechat.shown() == ["a0", "a1", "a2", "one"]
    assert weixin(wechat).api.files("ann") == [samples.PHOTO]
    wechat.house.says = lambda _: []
    await wechat.write("m-000002", "and?")
    await wechat.settled()
    assert (await wechat.shown())[-1] == "two"


async def test_what_is_heard_in_a_voice_message_is_kept_beside_it(wechat: Desk) -> None:
    weixin(wechat).api.media["v1"] = samples.AMR
    await wechat.work()
    tags = "<MsgType>voice</MsgType><MediaId>v1</MediaId><Format>amr</Format><MsgId>7</MsgId>"
    heard = "<Recognition>我的快递呢</Recognition>"
    await weixin(wechat).push(wechat.http, tags + heard)
    await wechat.settled()
    assert wechat.house.record()[0] == ("customer", "我的快递呢")
    (file,) = wechat.house.attachments()
    assert (file.kind, file.media_type) == (FileKind.VOICE, "audio/amr")


async def test_a_video_is_fetched_from_where_wechat_says_it_lies(
    wechat: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "httpx")
    weixin(wechat).api.media["video-1"] = samples.VIDEO
    await wechat.work()
    tags = "<MsgType>video</MsgType><MediaId>video-1</MediaId><MsgId>8</MsgId>"
    await weixin(wechat).push(wechat.http, tags)
    await wechat.settled()
    (file,) = wechat.house.attachments()
    assert (file.state, file.media_type) == (FileState.STORED, "video/mp4")
    assert "elsewhere" not in caplog.text
    assert "token-" not in caplog.text


async def test_more_than_is_taken_is_not_downloaded_to_its_end(wechat: Desk) -> None:
    weixin(wechat).api.media["big"] = samples.PHOTO + bytes(wechat.files.most)
    await wechat.work()
    tags = "<MsgType>image</MsgType><MediaId>big</MediaId><MsgId>9</MsgId>"
    await weixin(wechat).push(wechat.http, tags)
    await wechat.settled()
    (file,) = wechat.house.attachments()
    assert (file.state, file.reason) == (FileState.GONE, Gone.TOO_BIG)


# Fetching


async def test_a_platform_out_of_reach_for_two_days_is_given_up(database: Database, at: At) -> None:
    platform = FakePlatform(drops_repeats=False)
    platform.broken_fetches = 1000
    desk = Desk(database, platform)
    await desk.work()
    await platform.write_file(desk.http, "m-000001", samples.PHOTO)
    await until(lambda: desk.house.attachments()[0].last_error)
    assert desk.house.attachments()[0].due_at == clock.now() + timedelta(seconds=2)
    at(clock.now() + fetching.KEEP)
    desk.house.live.wake("files")
    await until(lambda: desk.house.attachments()[0].state == FileState.GONE)
    assert desk.house.attachments()[0].reason == Gone.UNREACHABLE
    await desk.kill()


async def test_two_workers_fetch_each_file_once(address: str) -> None:
    platform = FakePlatform(drops_repeats=False)
    asked: list[str] = []
    give = platform.give
    platform.give = lambda reference: asked.append(reference) or give(reference)  # type: ignore
    files: list[Files] = []
    houses = []
    for _ in range(2):
        house = House(Database(address), files=files[0] if files else None)
        files.append(house.files)
        house.channels.add(platform.attach(house))
        houses.append(house)
    http = client(houses[0].app())
    for number in range(20):
        await platform.write_file(http, f"m-{number:06}", samples.picture(number + 1))
    async with houses[0].at_work(), houses[1].at_work():
        await until(houses[0].idle, 30)
    assert sorted(asked) == [f"m-{number:06}" for number in range(20)]
    assert {file.state for file in houses[0].attachments()} == {FileState.STORED}
    for house in houses:
        house.database.dispose()


async def test_a_platform_that_hangs_delays_no_other_file(database: Database) -> None:
    class Hanging(FakeChannel):
        async def fetch(self, account: str, reference: str, most: int) -> bytes:
            if reference == "m-000001":
                await asyncio.Event().wait()
            return await super().fetch(account, reference, most)

    platform = FakePlatform(drops_repeats=False)
    house = House(database)
    house.channels.add(Hanging(platform, house.inbox.accept))
    http = client(house.app())
    async with house.at_work():
        for number in range(1, 12):
            await platform.write_file(http, f"m-{number:06}", samples.picture(number))
        await until(lambda: [f.state for f in house.attachments()].count(FileState.STORED) == 10)
        assert house.attachments()[0].state == FileState.FETCHING


async def test_a_file_of_a_channel_that_is_off_waits_for_it(database: Database, at: At) -> None:
    platform = FakePlatform(drops_repeats=False)
    platform.files["f1"] = samples.PHOTO
    house = House(database)
    photo = (Reference(FileKind.PHOTO, "f1"),)
    await house.inbox.accept(Inbound("fake", "desk", "ann", "1", "[photo]", attachments=photo))
    async with house.at_work():
        await until(lambda: house.attachments()[0].last_error)
        house.channels.add(platform.attach(house))
        at(clock.now() + timedelta(minutes=1))
        house.live.wake("files")
        await until(lambda: house.attachments()[0].state == FileState.STORED)


# The page and the terminal


@pytest.fixture
async def web(database: Database, at: At) -> Any:
    desk = Desk(database, WebPlatform())
    yield desk
    await desk.kill()


async def test_a_visitor_sees_the_files_of_his_own_conversation_only(web: Desk) -> None:
    conversation_id = await begun(web)
    web.house.send(conversation_id, "see", kept(web, samples.PDF, "账单.pdf"))
    await web.settled()
    (file,) = web.house.attachments()
    platform = web.platform
    assert isinstance(platform, WebPlatform)
    ann = await platform._headers(web.http, "ann")
    bob = await platform._headers(web.http, "bob")
    address = f"/chat/files/{file.id}"
    found = (await web.http.get("/chat/history", headers=ann)).json()["messages"][-1]
    assert found["files"] == [
        {"kind": "document", "name": "账单.pdf", "size": len(samples.PDF), "address": address}
    ]
    mine = await web.http.get(address, headers=ann)
    assert (mine.status_code, mine.content) == (200, samples.PDF)
    assert mine.headers["content-disposition"].startswith("attachment; ")
    assert "sandbox" in mine.headers["content-security-policy"]
    assert (await web.http.get(address, headers=bob)).status_code == 404
    web.http.cookies.clear()
    assert (await web.http.get(address)).status_code == 401
    for wrong in ("0", "99", "9999999999999", "x", "-1", "1;drop"):
        answer = await web.http.get(f"/chat/files/{wrong}", headers=ann)
        assert answer.status_code in {404, 422}


async def test_a_colleagues_file_is_not_the_visitors(web: Desk) -> None:
    conversation_id = await begun(web)
    with web.database.write() as session:
        conversation = session.get_one(Conversation, conversation_id)
        note = conversations.append(
            session, conversation, Author.AGENT, "see", audience=Audience.STAFF
        )
        found = attachments.references([kept(web, samples.PHOTO)])
        attachments.attach(session, note, found)
        file_id = session.query(Attachment.id).filter_by(message_id=note.id).scalar()
    assert isinstance(web.platform, WebPlatform)
    ann = await web.platform._headers(web.http, "ann")
    assert (await web.http.get(f"/chat/files/{file_id}", headers=ann)).status_code == 404


def test_the_terminal_prints_a_line_for_a_file() -> None:
    answer = {
        "text": "", "files": ["账单.pdf"], "buttons": [], "ticket": None,
        "author": "agent", "name": "李丽",
    }  # fmt: skip
    assert "账单.pdf" in _shown(answer, _Words(TEXTS, "zh"))
