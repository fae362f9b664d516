"""What WeChat pushes: signed, hidden, parsed and converted; wechatpy and stored files say how."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from wechatpy.crypto import PrpCrypto, WeChatCrypto
from wechatpy.parser import parse_message

from bot.channels.tencent import crypto, xml
from bot.channels.tencent.callback import MAX_BODY
from bot.channels.wechat import convert
from bot.channels.wechat.channel import PATH
from bot.settings import ROOT
from conversations.models import Kind
from conversations.schemas import Inbound
from store.engine import Database
from store.errors import Invalid, SettingsError
from tests.channels.contract import Desk
from tests.channels.house import TEXTS
from tests.channels.wechat_fake import AES_KEY, APPID, PLAIN, TOKEN, WeChatPlatform, signed

DATA = ROOT.parent / "shared" / "data" / "wechat"
LABELS = TEXTS.room("zh", "wechat")
here = pytest.mark.skipif(not DATA.is_dir(), reason=f"no sample files: {DATA} is not here")
SAMPLES = sorted(DATA.glob("mp/*"))


def vectors() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((DATA / "crypto-vectors.json").read_text("utf-8"))
    return found


# How it is signed and hidden


@here
def test_the_known_answers_are_signed_as_they_say() -> None:
    assert len(vectors()) == 2
    for v in vectors():
        words = (v["token"], v["timestamp"], v["nonce"], v["cipher"])
        assert crypto.genuine(v["msg_signature"], *words)
        assert not crypto.genuine(v["msg_signature"], *words[:3], v["cipher"] + "A")
        assert not crypto.genuine("", *words)


@here
def test_the_known_answer_opens() -> None:
    v = vectors()[0]
    push = xml.read(crypto.SafeMode(v["key"], v["id"], "KEY").open(v["cipher"]))
    assert xml.word(push, "FromUserName") == v["plain_user"]
    assert xml.word(push, "Content") == v["plain_content"]
    assert xml.word(push, "MsgId") == v["plain_msgid"]


@here
@pytest.mark.parametrize("change", ["key", "id", "cut", "turned", "letters"])
def test_a_cipher_for_somebody_else_stays_shut(change: str) -> None:
    v = vectors()[0]
    cipher = {
        "cut": v["cipher"][:-24],
        "turned": v["cipher"][:-8] + "AAAAAA==",
        "letters": "密文",
    }.get(change, v["cipher"])
    key = AES_KEY[::-1] if change == "key" else v["key"]
    appid = "wx0000000000000000" if change == "id" else v["id"]
    with pytest.raises(Invalid):
        crypto.SafeMode(key, appid, "KEY").open(cipher)


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 31, 32, 33, 2048])
def test_what_wechatpy_hides_opens_at_every_length_of_padding(length: int) -> None:
    message = ("件" * length).encode()
    safe = crypto.SafeMode(AES_KEY, APPID, "KEY")
    hidden = PrpCrypto(WeChatCrypto(TOKEN, AES_KEY, APPID).key).encrypt(message, APPID)
    assert safe.open(hidden.decode()) == message


@pytest.mark.parametrize("key", ["", "short", "密" * 43, "=" * 43])
def test_a_wrong_key_is_one_sentence_at_start(key: str) -> None:
    with pytest.raises(SettingsError, match="KEY is no EncodingAESKey"):
        crypto.SafeMode(key, APPID, "KEY")


# What it says


@here
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_read_as_wechatpy_reads_it(path: Path) -> None:
    push = xml.read(path.read_bytes())
    assert push
    if path.name.startswith("Cgibin"):
        return  # a body of the server's API
    assert xml.word(push, "ToUserName")
    assert xml.word(push, "MsgType")
    convert.to_inbound(push, APPID, LABELS)
    if path.name.endswith("Event.xml"):
        peer = parse_message(path.read_text("utf-8-sig"))
        assert xml.word(push, "FromUserName") == peer.source
        # Of what was sent to many the name is spelt MsgID: it is no message of a customer's.
        given = xml.word(push, "MsgId") or xml.word(push, "MsgID")
        assert given == str(peer.id or "")


@here
def test_all_samples_are_there() -> None:
    assert len(SAMPLES) > 30


def sample(name: str) -> Inbound | None:
    return convert.to_inbound(xml.read((DATA / "mp" / name).read_bytes()), APPID, LABELS)


@here
@pytest.mark.parametrize(
    ("name", "outside_id", "kind", "text"),
    [
        ("TextMessageEvent.xml", "1234567890123456", Kind.TEXT, "this is a test"),
        ("TextMessageEvent.json", "1234567890123456", Kind.TEXT, "this is a test"),
        ("ImageMessageEvent.xml", "1234567890123456", Kind.IMAGE, "[图片]"),
        ("VoiceMessageEvent.xml", "1234567890123456", Kind.VOICE, "[语音]"),
        ("VideoMessageEvent.xml", "1234567890123456", Kind.FILE, "[视频]"),
        ("ShortVideoMessageEvent.xml", "1234567890123456", Kind.FILE, "[小视频]"),
        (
            "LocationMessageEvent.xml",
            "1234567890123456",
            Kind.LOCATION,
            "[位置] 位置信息 (23.134521, 113.358803)",
        ),
        ("SubscribePushEvent.xml", "FromUser:123456789:subscribe", Kind.TEXT, "你好"),
        ("ScanPushEvent.xml", "FromUser:123456789:SCAN", Kind.TEXT, "你好"),
        ("ClickPushEvent.xml", "FromUser:123456789:CLICK", Kind.TEXT, "EVENTKEY"),
        (
            "ScanCodePushEvent.xml",
            "oMgHVjngRipVsoxg6TuX3vz6glDg:1408090502:scancode_push",
            Kind.TEXT,
            "1",
        ),
    ],
)
def test_a_sample_becomes_what_the_customer_said(
    name: str, outside_id: str, kind: Kind, text: str
) -> None:
    found = sample(name)
    assert found is not None
    assert (found.channel, found.account) == ("wechat", APPID)
    assert (found.outside_id, found.kind, found.text) == (outside_id, kind, text)


@here
@pytest.mark.parametrize(
    "name",
    [
        "UnsubscribePushEvent.xml",
        "LocationPushEvent.xml",
        "ViewPushEvent.xml",
        "ViewMiniProgramPushEvent.xml",
        "TemplateSendJobFinishEvent.xml",
        "MassSendJobFinishEvent.xml",
        "FreePublishJobFinishEvent.xml",
        "UserEnterTempSessionEvent.json",
        "UserAuthorizationRevokeEvent.xml",
        "SubscribeMessagePopupEvent.xml",
    ],
)
def test_what_no_customer_said_is_nobodys_message(name: str) -> None:
    assert sample(name) is None


def push(tags: str) -> Inbound | None:
    who = "<FromUserName>ann</FromUserName><CreateTime>1348831860</CreateTime>"
    body = f"<xml>{who}<MsgId>7</MsgId>{tags}</xml>".encode()
    return convert.to_inbound(xml.read(body), APPID, LABELS)


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ("<MsgType>voice</MsgType><Recognition>查快递</Recognition>", "查快递"),
        ("<MsgType>link</MsgType><Title>t</Title><Url>u</Url>", "[链接] t u"),
        ("<MsgType>file</MsgType><Title>a.pdf</Title>", "[文件] a.pdf"),
        ("<MsgType>file</MsgType><Title>{0}</Title>", "[文件] {0}"),
        ("<MsgType>sticker</MsgType>", "[其他消息]"),
        (
            "<MsgType>event</MsgType><Event>scancode_waitmsg</Event><ScanCodeInfo>"
            "<ScanResult>CODE_128,SF1234567890123</ScanResult></ScanCodeInfo>",
            "SF1234567890123",
        ),
    ],
)
def test_kinds_without_a_sample(tags: str, text: str) -> None:
    found = push(tags)
    assert found is not None
    assert found.text == text
    assert found.sent_at == datetime(2012, 9, 28, 11, 31, tzinfo=UTC)


def test_a_name_or_id_too_long_for_the_record_is_nobodys_message() -> None:
    assert push(f"<MsgType>text</MsgType><FromUserName>{'a' * 200}</FromUserName>") is None
    assert push(f"<MsgType>event</MsgType><Event>{'E' * 200}</Event>") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"words",
        b"<xml>words</xml>",
        b"<xml><a></xml>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><xml><Content>&a;</Content></xml>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><b>&a;</b></xml>',
        b"<xml>" + b"<a>" * 500 + b"</a>" * 500 + b"</xml>",
        b'{"a": ',
        b'{"a": ' + b"[" * 100_000,
    ],
    ids=range(9),
)
def test_what_is_no_push_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        xml.read(body)


# What our server does with it


@pytest.fixture
async def safe(database: Database) -> AsyncIterator[Desk]:
    desk = Desk(database, WeChatPlatform())
    yield desk
    await desk.kill()


@pytest.fixture
async def plain(database: Database) -> AsyncIterator[Desk]:
    desk = Desk(database, WeChatPlatform(PLAIN))
    yield desk
    await desk.kill()


async def test_the_platforms_question_is_answered_with_its_echo(plain: Desk) -> None:
    query = {"timestamp": "1", "nonce": "2", "signature": signed("1", "2"), "echostr": "593<b>"}
    reply = await plain.http.get(PATH, params=query)
    assert (reply.status_code, reply.text) == (200, "593<b>")
    assert reply.headers["content-type"].startswith("text/plain")
    query["nonce"] = "3"
    wrong = await plain.http.get(PATH, params=query)
    assert (wrong.status_code, "593" in wrong.text) == (403, False)
    assert (await plain.http.get(PATH)).status_code == 403


async def test_a_plain_push_is_answered_success_when_it_is_stored(plain: Desk) -> None:
    await stored(plain)


async def test_a_hidden_push_is_answered_success_when_it_is_stored(safe: Desk) -> None:
    await stored(safe)


async def stored(desk: Desk) -> None:
    tags = "<MsgType>text</MsgType><Content>你好</Content><MsgId>1</MsgId>"
    reply = await wechat(desk).push(desk.http, tags)
    assert (reply.status_code, reply.text) == (200, "success")
    assert desk.house.record() == [("customer", "你好")]


async def test_an_event_without_an_id_is_kept_once(plain: Desk) -> None:
    for _ in range(3):
        await wechat(plain).push(plain.http, "<MsgType>event</MsgType><Event>subscribe</Event>")
    assert plain.house.record() == [("customer", "你好")]


async def test_safe_mode_takes_no_plain_push_however_it_is_signed(safe: Desk) -> None:
    body = b"<xml><FromUserName>ann</FromUserName><MsgType>text</MsgType><MsgId>1</MsgId></xml>"
    query: dict[str, Any] = {"timestamp": "1", "nonce": "2", "signature": signed("1", "2")}
    query["msg_signature"] = signed("1", "2", "")
    reply = await safe.http.post(PATH, params=query, content=body)
    assert reply.status_code == 403
    assert safe.house.record() == []


async def test_safe_mode_takes_no_cipher_with_another_ones_signature(safe: Desk) -> None:
    crypt = WeChatCrypto(TOKEN, AES_KEY, APPID)
    body = crypt.encrypt_message("<xml><MsgId>1</MsgId></xml>", "2", "1").encode()
    query = {"timestamp": "1", "nonce": "2", "signature": signed("1", "2")}
    query["msg_signature"] = signed("1", "2", "another")
    assert (await safe.http.post(PATH, params=query, content=body)).status_code == 403


async def test_a_push_for_another_app_is_refused(safe: Desk) -> None:
    crypt = WeChatCrypto(TOKEN, AES_KEY, "wx0000000000000000")
    hidden = PrpCrypto(crypt.key).encrypt("<xml></xml>", "wx0000000000000000").decode()
    query = {"timestamp": "1", "nonce": "2", "msg_signature": signed("1", "2", hidden)}
    body = f"<xml><Encrypt>{hidden}</Encrypt></xml>".encode()
    assert (await safe.http.post(PATH, params=query, content=body)).status_code == 403


async def test_a_long_body_is_not_read_to_its_end(plain: Desk) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 10_000
            yield b"x" * 10_000

    query = {"timestamp": "1", "nonce": "2", "signature": signed("1", "2")}
    reply = await plain.http.post(PATH, params=query, content=endless())
    assert reply.status_code == 413
    assert read <= MAX_BODY + 20_000


def wechat(desk: Desk) -> WeChatPlatform:
    assert isinstance(desk.platform, WeChatPlatform)
    return desk.platform
