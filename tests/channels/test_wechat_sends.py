"""What leaves for WeChat: bodies as wechatpy writes them, one token for all, failures by kind."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from wechatpy import WeChatClient

from bot import settings
from bot.channels.base import (
    Accepted,
    NeedsCustomer,
    Part,
    SendFailed,
    TryLater,
    UnknownResult,
    Unreachable,
)
from bot.channels.wechat.account import API as REAL
from bot.channels.wechat.account import Account
from bot.channels.wechat.channel import WeChatChannel
from bot.settings import ROOT
from conversations.schemas import Inbound
from store import clock
from store.errors import SettingsError
from tests.channels.house import served
from tests.channels.wechat_fake import APPID, PLAIN, SECRET, TOKEN, WeChatApi

MP = ROOT.parent / "shared" / "data" / "wechat" / "mp"


async def nothing(_: Inbound) -> Accepted:
    raise AssertionError("nothing comes in here")


async def nobody(_: int) -> None:
    raise AssertionError("nobody wrote here")


def channel(client: httpx.AsyncClient | None, account: Account = PLAIN) -> WeChatChannel:
    return WeChatChannel(account, nothing, nobody, {}, client)


def part(text: str = "您的包裹 & <b> 📦") -> Part:
    return Part("k/0", APPID, "ann", 1, 1, text, (), 0, 1)


@pytest.fixture
def api() -> WeChatApi:
    api = WeChatApi()
    api.left["ann"] = 5
    return api


@pytest.fixture
def wechat(api: WeChatApi, at: Callable[[datetime], None]) -> WeChatChannel:
    return channel(api.client())


# The words


@pytest.fixture
def sample() -> dict[str, Any]:
    if not MP.is_dir():
        pytest.skip(f"no sample files: {MP} is not here")
    path = MP / "CgibinMessageCustomSendRequest.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8-sig"))
    return found


async def test_a_text_has_the_shape_of_the_sample(
    api: WeChatApi, wechat: WeChatChannel, sample: dict[str, Any]
) -> None:
    await wechat.send(part())
    assert api.sent[0].keys() <= sample.keys()
    assert api.sent[0]["text"].keys() == sample["text"].keys()


async def test_a_text_is_written_as_wechatpy_writes_it(
    api: WeChatApi, wechat: WeChatChannel
) -> None:
    assert await wechat.send(part()) is None
    with served(api.app) as base:
        peer = WeChatClient(APPID, SECRET)
        peer.API_BASE_URL = f"{base}/cgi-bin/"
        peer.session.set(peer.access_token_key, api.tokens[-1], 7200)
        await asyncio.to_thread(peer.message.send_text, "ann", part().text)
    ours, theirs = api.sent
    assert ours == theirs
    # Letters leave as letters: the customer would read an escape as it stands.
    assert part().text.encode() in api.raw[0]


# The token


async def test_one_token_serves_all_sends_and_is_asked_for_in_normal_mode(
    api: WeChatApi, wechat: WeChatChannel
) -> None:
    await asyncio.gather(*(wechat.send(part()) for _ in range(5)))
    assert api.asked == [{"grant_type": "client_credential", "appid": APPID, "secret": SECRET}]
    assert len(api.sent) == 5


async def test_a_token_is_renewed_before_it_ends(
    api: WeChatApi, wechat: WeChatChannel, at: Callable[[datetime], None]
) -> None:
    await wechat.send(part())
    at(clock.now() + timedelta(seconds=7200 - 301))
    await wechat.send(part())
    assert len(api.asked) == 1
    at(clock.now() + timedelta(seconds=2))
    await wechat.send(part())
    assert len(api.asked) == 2


async def test_a_void_token_is_renewed_once_for_all_and_the_messages_arrive(
    api: WeChatApi, wechat: WeChatChannel
) -> None:
    await wechat.send(part())
    api.make_tokens_void()
    await asyncio.gather(*(wechat.send(part()) for _ in range(4)))
    assert len(api.asked) == 2
    assert len(api.sent) == 5


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_token_that_stays_void_is_asked_for_once_more_and_not_for_ever(
    code: int, api: WeChatApi, wechat: WeChatChannel
) -> None:
    api.script = [{"errcode": code, "errmsg": "access_token"}] * 9
    with pytest.raises(TryLater, match=str(code)):
        await wechat.send(part())
    assert len(api.asked) == 2
    assert len(api.script) == 7


async def test_a_wrong_secret_says_so_and_is_tried_again_later(api: WeChatApi) -> None:
    wrong = channel(api.client(), Account(APPID, "wrong", TOKEN, "", PLAIN.api))
    with pytest.raises(TryLater, match="40125 invalid appsecret"):
        await wrong.send(part())


async def test_neither_token_nor_secret_is_written_to_the_log(
    api: WeChatApi, wechat: WeChatChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await wechat.send(part())
    api.script = [{"errcode": 45002, "errmsg": "too long"}]
    with pytest.raises(Unreachable) as failed:
        await wechat.send(part())
    shown = caplog.text + repr(failed.value) + repr(PLAIN)
    assert "cgi-bin/stable_token" in caplog.text  # httpx does write addresses here
    assert "token-0" not in shown
    assert SECRET not in shown
    assert TOKEN not in shown


# Failures


@pytest.mark.parametrize(
    ("code", "kind", "after"),
    [
        (-1, TryLater, None),
        (45009, TryLater, timedelta(hours=1)),
        (45011, TryLater, timedelta(minutes=1)),
        (45015, NeedsCustomer, None),
        (45047, NeedsCustomer, None),
        (40003, Unreachable, None),
        (43004, Unreachable, None),
        (48001, Unreachable, None),
        (99999, Unreachable, None),
    ],
)
async def test_a_refusal_is_of_its_kind_and_keeps_the_platforms_reason(
    code: int,
    kind: type[SendFailed],
    after: timedelta | None,
    api: WeChatApi,
    wechat: WeChatChannel,
) -> None:
    api.script = [{"errcode": code, "errmsg": "because of this"}]
    with pytest.raises(kind, match=f"{code} because of this") as failed:
        await wechat.send(part())
    assert getattr(failed.value, "after", None) == after


async def test_an_answer_that_never_comes_is_an_unknown_result(
    api: WeChatApi, at: Callable[[datetime], None]
) -> None:
    api.script = ["hang"]
    with served(api.app) as base:
        account = Account(APPID, SECRET, TOKEN, "", base)
        slow = channel(httpx.AsyncClient(timeout=1), account)
        with pytest.raises(UnknownResult, match="ReadTimeout"):
            await slow.send(part())
        assert len(api.sent) == 1
    # Nobody listens there now: it was certainly not sent.
    with pytest.raises(TryLater, match="ConnectError"):
        await slow.send(part())
    await slow.close()


async def test_a_token_that_never_comes_means_that_nothing_was_sent(
    at: Callable[[datetime], None],
) -> None:
    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    slow = channel(httpx.AsyncClient(timeout=0.2), Account(APPID, SECRET, TOKEN, "", base))
    with pytest.raises(TryLater, match="ReadTimeout"):
        await slow.send(part())
    gone.set()
    await slow.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("body", ["<html>", "[]", ""])
async def test_an_answer_nobody_can_read_is_an_unknown_result(
    body: str, at: Callable[[datetime], None]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("stable_token"):
            return httpx.Response(200, json={"access_token": "t", "expires_in": 7200})
        return httpx.Response(200, text=body)

    odd = channel(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    with pytest.raises(UnknownResult):
        await odd.send(part())


# Settings

GIVEN = {"APPID": APPID, "SECRET": SECRET, "TOKEN": TOKEN}


def load(home: Path, **given: str) -> settings.Settings:
    names = {f"COURIER_WECHAT_{name}": value for name, value in given.items()}
    return settings.load({"COURIER_HOME": str(home), **names})


def test_without_settings_the_channel_is_off(tmp_path: Path) -> None:
    assert load(tmp_path).wechat is None


def test_settings_alone_switch_it_on(tmp_path: Path) -> None:
    assert load(tmp_path, **GIVEN).wechat == Account(APPID, SECRET, TOKEN, "", REAL, passive=True)


def test_an_account_without_custom_send_says_so_in_its_settings(tmp_path: Path) -> None:
    account = load(tmp_path, **GIVEN, CUSTOM_SEND="no", TEMPLATE="t1").wechat
    assert account == Account(APPID, SECRET, TOKEN, "", REAL, False, True, "t1")
    can = channel(None, account).capabilities
    assert (can.reply_quota, dict(can.files)) == (0, {})
    with pytest.raises(SettingsError, match="PASSIVE=no too"):
        load(tmp_path, **GIVEN, CUSTOM_SEND="no", PASSIVE="no")
    with pytest.raises(SettingsError, match="COURIER_WECHAT_PASSIVE=maybe must be yes or no"):
        load(tmp_path, **GIVEN, PASSIVE="maybe")


@pytest.mark.parametrize("missing", GIVEN)
def test_half_an_account_is_one_sentence_that_names_the_rest(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"COURIER_WECHAT_{missing} too"):
        load(tmp_path, **{name: value for name, value in GIVEN.items() if name != missing})


async def test_the_service_serves_it_when_it_is_on(tmp_path: Path) -> None:
    from bot import app

    async def asked(**given: Any) -> int:
        service = app.create(load(tmp_path, **given))
        transport = httpx.ASGITransport(app=service, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
            status = (await http.get("/wechat")).status_code
        service.state.service.database.dispose()
        return status

    assert await asked() == 404
    assert await asked(**GIVEN) == 403
