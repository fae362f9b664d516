"""What leaves for WeCom: bodies of the published shape, ids used once, failures by kind."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot import settings
from bot.channels.base import File, NeedsCustomer, Part, SendFailed, TryLater, Unreachable
from bot.channels.degrade import degrade
from bot.channels.tencent.api import Api
from bot.channels.wechat.account import Account as WeChatAccount
from bot.channels.wechat.check import check as check_wechat
from bot.channels.wecom.account import API as REAL
from bot.channels.wecom.account import Account
from bot.channels.wecom.channel import MENU, WecomChannel
from bot.channels.wecom.check import check
from bot.settings import ROOT
from conversations import letters
from conversations.models import Conversation, Delivery, FileKind, Holder
from conversations.schemas import Button
from store import clock
from store.engine import Database
from store.errors import SettingsError
from tests import samples
from tests.channels import wechat_fake
from tests.channels.contract import Desk
from tests.channels.house import served, until
from tests.channels.wecom_fake import (
    ACCOUNT,
    AES_KEY,
    CORPID,
    KFID,
    LABELS,
    OK,
    SECRET,
    TOKEN,
    WecomPlatform,
)

KF = ROOT.parent / "shared" / "data" / "wechat" / "kf"
CHOICES = (Button("改时间", "我想改派送时间"), Button("Pick it up", "I will pick it up"))


@pytest.fixture
async def desk(database: Database, at: Callable[[datetime], None]) -> AsyncIterator[Desk]:
    """A customer has written, so that he may be answered."""
    desk = Desk(database, WecomPlatform())
    desk.house.says = lambda _: []
    await desk.write("m-1", "hello")
    yield desk
    await desk.kill()


def wecom(desk: Desk) -> WecomPlatform:
    assert isinstance(desk.platform, WecomPlatform)
    return desk.platform


def part(text: str = "您的包裹 & <b> 📦", *buttons: Button, key: str = "k", n: int = 7) -> Part:
    return Part(f"{key}/0", KFID, "ann", 1, n, text, buttons, 0, 1)


def sample(name: str) -> dict[str, Any]:
    if not KF.is_dir():
        pytest.skip(f"no sample files: {KF} is not here")
    found: dict[str, Any] = json.loads((KF / f"CgibinKf{name}.json").read_text("utf-8-sig"))
    return found


# The words


async def test_bodies_have_the_published_shape(desk: Desk) -> None:
    api, published = wecom(desk).api, sample("SendMessageRequest")
    await desk.channel.send(part())
    await desk.channel.send(part("which?", *CHOICES, n=8))
    text, menu = api.sent
    assert text.keys() ^ menu.keys() == {"text", "msgmenu"}
    for body in api.sent:
        assert body.keys() <= published.keys()
        assert body[body["msgtype"]].keys() <= published[body["msgtype"]].keys()
    assert menu["msgmenu"]["list"][0].keys() == published["msgmenu"]["list"][0].keys()
    assert menu["msgmenu"]["list"][0]["click"].keys() == {"id", "content"}
    (asked,) = api.bodies("sync_msg")
    assert asked.keys() == sample("SyncMessageRequest").keys()


async def test_the_stand_in_answers_as_the_published_answers(desk: Desk) -> None:
    """What our tests lean on is held to WeCom's own examples."""
    platform = wecom(desk)
    platform.api.says("ann", "m-2", content="hello")
    platform.api.event("ann", "user_recall_msg", recall_msgid="m-1")
    http = Api(ACCOUNT.api, platform.api.client())
    token = platform.api.tokens[-1]

    async def asked(path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = await http.post(f"/cgi-bin/kf/{path}", body, access_token=token)
        assert reply.code == 0
        return reply.body

    page = await asked("sync_msg", {"open_kfid": KFID, "cursor": "", "limit": 9})
    published = sample("SyncMessageResponse")
    assert page.keys() == published.keys()
    message, event = page["msg_list"][-2:]
    assert message.keys() - {"text"} <= published["msg_list"][0].keys()
    assert event["event"].keys() == published["msg_list"][1]["event"].keys()
    person = {"open_kfid": KFID, "external_userid": "ann"}
    state = await asked("service_state/get", person)
    assert state.keys() <= sample("ServiceStateGetResponse").keys()
    moved = await asked("service_state/trans", {**person, "service_state": 3})
    assert moved.keys() == sample("ServiceStateTransferResponse").keys()
    listed = await asked("account/list", {"offset": 0, "limit": 100})
    known = sample("AccountListResponse")
    assert listed["account_list"][0].keys() == known["account_list"][0].keys()
    await http.close()


async def test_an_id_is_of_the_allowed_form_and_the_same_at_each_attempt(desk: Desk) -> None:
    largest = replace(part(n=2**31 - 1), index=199, count=200)
    first = await desk.channel.send(largest)
    assert re.fullmatch(r"[0-9a-zA-Z_-]{1,32}", first or "")
    assert await desk.channel.send(largest) == first
    assert len(wecom(desk).api.sent) == 1
    assert await desk.channel.send(replace(largest, index=198)) != first


async def test_another_database_uses_other_ids(desk: Desk, tmp_path: Path) -> None:
    from store import schema

    empty = Database(f"sqlite:///{tmp_path / 'new.db'}")
    schema.migrate(empty)
    new = Desk(empty, wecom(desk))
    first = await desk.channel.send(part())
    await wecom(desk).tell(new.http)
    assert await new.channel.send(part()) != first
    await new.kill()
    empty.dispose()


async def test_letters_leave_as_letters(desk: Desk) -> None:
    await desk.channel.send(part())
    assert wecom(desk).api.texts("ann") == [part().text]


def test_choices_beyond_what_a_menu_carries_are_numbered_text() -> None:
    can = WecomChannel(ACCOUNT, None, None, None, LABELS).capabilities  # type: ignore[arg-type]
    assert degrade("which?", CHOICES, can) == [("which?", CHOICES)]
    for text, buttons in (
        ("很" * 342, CHOICES),
        ("which?", tuple(Button(str(n), str(n)) for n in range(MENU.buttons + 1))),
        ("which?", (Button("很" * 43, "long"),)),
    ):
        ((words, left),) = degrade(text, buttons, can)
        assert left == ()
        assert "1. " in words


async def test_words_and_choices_at_their_limits_are_taken(desk: Desk) -> None:
    await desk.channel.send(part("很" * 682 + "12", n=8))
    most = [Button("很" * 42 + "12", "say") for _ in range(MENU.buttons)]
    await desk.channel.send(part("很" * 341 + "1", *most, n=9))
    assert len(wecom(desk).api.sent) == 2


# Files


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/png", "image"),
        ("image/gif", "file"),
        ("audio/amr", "voice"),
        ("audio/mpeg", "file"),
        ("video/mp4", "video"),
        ("application/pdf", "file"),
    ],
)
async def test_a_file_leaves_as_its_kind_under_its_name(
    desk: Desk, tmp_path: Path, media_type: str, kind: str
) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(samples.PDF)
    file = File(1, FileKind.DOCUMENT, "运单 1.pdf", media_type, len(samples.PDF), path)
    await desk.channel.send(replace(part(""), file=file))
    api = wecom(desk).api
    assert api.uploads == [(kind, "运单 1.pdf")]
    assert api.sent[0]["msgtype"] == kind
    assert api.sent[0][kind].keys() == sample("SendMessageRequest")[kind].keys()
    assert api.files("ann") == [samples.PDF]


async def test_a_text_file_of_a_customers_is_no_answer_of_the_platform(desk: Desk) -> None:
    wecom(desk).api.media["notes.txt"] = b'{"errcode": 40007}'
    channel = wecom(desk).channel
    assert await channel.fetch(KFID, "notes.txt", 100) == b'{"errcode": 40007}'


# Failures


@pytest.mark.parametrize(
    ("code", "kind", "after"),
    [
        (-1, TryLater, None),
        (6000, TryLater, None),
        (45009, TryLater, timedelta(minutes=1)),
        (45033, TryLater, None),
        (60020, TryLater, timedelta(minutes=10)),
        (95001, NeedsCustomer, None),
        (95002, NeedsCustomer, None),
        (95013, NeedsCustomer, None),
        (40096, Unreachable, None),
        (95000, Unreachable, None),
        (95017, Unreachable, None),
        (99999, Unreachable, None),
    ],
)
async def test_a_refusal_is_of_its_kind_and_keeps_the_platforms_reason(
    desk: Desk, code: int, kind: type[SendFailed], after: timedelta | None
) -> None:
    wecom(desk).api.script = [{"errcode": code, "errmsg": "because of this"}]
    with pytest.raises(kind, match=f"{code} because of this") as failed:
        await desk.channel.send(part())
    assert getattr(failed.value, "after", None) == after


@pytest.mark.parametrize(
    ("state", "kind"), [(2, Unreachable), (3, Unreachable), (4, NeedsCustomer)]
)
async def test_a_session_in_other_hands_is_given_up_and_one_that_ended_waits(
    desk: Desk, state: int, kind: type[SendFailed]
) -> None:
    wecom(desk).api.states["ann"] = state
    with pytest.raises(kind, match="95018"):
        await desk.channel.send(part())


async def test_accounts_that_are_not_ours_are_not_written_to(database: Database) -> None:
    desk = Desk(database, WecomPlatform(replace(ACCOUNT, kfids=("wk-another",))))
    for of in (KFID, "wk-another"):  # another's, and one that nobody ever wrote to
        with pytest.raises(Unreachable):
            await desk.channel.send(replace(part(), account=of))
    await desk.kill()


async def test_what_left_together_is_repeated_as_it_left(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    conversation_id = desk.house.inbox_rows()[0].conversation_id
    for number in range(6):
        desk.house.post(conversation_id, f"k{number}", f"a{number}")
    desk.platform.fail("unknown")
    await desk.work()
    await until(lambda: desk.house.outbox_rows()[0].last_error)
    desk.house.post(conversation_id, "later", "and more")
    at(clock.now() + timedelta(seconds=30))
    desk.house.live.wake("outbox")
    await desk.settled()
    assert await desk.shown() == ["\n\n".join(f"a{n}" for n in range(6)), "and more"]
    assert {row.state for row in desk.house.outbox_rows()} == {Delivery.SENT}


async def test_what_left_together_with_a_dying_worker_is_not_said_twice(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    conversation_id = desk.house.inbox_rows()[0].conversation_id
    for number in range(6):
        desk.house.post(conversation_id, f"k{number}", f"a{number}")
    desk.platform.fail("hang")
    await desk.work()
    await until(lambda: len(wecom(desk).api.sent) == 1)
    await desk.kill()
    desk.start()
    desk.house.post(conversation_id, "later", "and more")
    await desk.work()
    at(clock.now() + timedelta(minutes=1))
    desk.house.live.wake("outbox")
    await desk.settled()
    assert await desk.shown() == ["\n\n".join(f"a{n}" for n in range(6)), "and more"]
    assert {row.state for row in desk.house.outbox_rows()} == {Delivery.SENT}


async def test_a_letter_sent_again_takes_nothing_along_that_may_be_there(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    conversation_id = desk.house.inbox_rows()[0].conversation_id
    desk.house.post(conversation_id, "one", "first")
    desk.house.post(conversation_id, "two", "second")
    desk.platform.fail("blocked")
    desk.platform.fail("unknown")
    await desk.work()
    await until(lambda: desk.house.outbox_rows()[1].last_error)
    desk.platform.fail("rate_limit")
    with desk.database.write() as session:
        letters.resend(session, desk.house.outbox_rows()[0].id, staff_id=1)
    desk.house.live.wake("outbox")
    await until(lambda: desk.house.outbox_rows()[0].last_error)
    at(clock.now() + timedelta(minutes=2))
    desk.house.live.wake("outbox")
    await desk.settled()
    assert await desk.shown() == ["second", "first"]
    assert {row.state for row in desk.house.outbox_rows()} == {Delivery.SENT}


# The token


async def test_one_token_serves_all_calls(desk: Desk) -> None:
    await asyncio.gather(*(desk.channel.send(part(n=n)) for n in range(5)))
    assert wecom(desk).api.asked == 1


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_token_that_stays_void_is_asked_for_once_more_and_not_for_ever(
    desk: Desk, code: int
) -> None:
    api = wecom(desk).api
    api.script = [{"errcode": code, "errmsg": "access_token"}] * 9
    with pytest.raises(TryLater, match=str(code)):
        await desk.channel.send(part())
    assert (api.asked, len(api.script)) == (2, 7)


async def test_a_void_token_is_renewed_and_the_message_arrives(desk: Desk) -> None:
    api = wecom(desk).api
    api.tokens.append("")  # as after a change of the secret
    await desk.channel.send(part())
    assert api.asked == 2
    assert len(api.sent) == 1


async def test_neither_token_nor_secret_is_written_to_the_log(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    platform = WecomPlatform()
    with served(platform.api.app) as base:
        platform.account = replace(ACCOUNT, api=base)
        desk = Desk(database, platform)
        platform.api.client = httpx.AsyncClient  # type: ignore[method-assign]
        await desk.kill()
        desk.start()
        await desk.write("m-1", "hello")
        platform.api.script = [{"errcode": 40058, "errmsg": "too long"}]
        with pytest.raises(Unreachable) as failed:
            await desk.channel.send(part())
        await desk.kill()
    shown = caplog.text + repr(failed.value) + repr(ACCOUNT)
    assert "send_request_headers" in shown  # httpcore does write down what it does here
    for secret in (SECRET, TOKEN, AES_KEY, "token-0", "ENC1"):
        assert secret not in shown


# Into WeCom's own client


async def test_sessions_stay_with_our_desk(desk: Desk) -> None:
    hold(desk, Holder.WAITING)
    await desk.channel.send(part("转人工"))
    assert wecom(desk).api.bodies("service_state/trans") == []


@pytest.mark.parametrize("answer", [OK, {"errcode": 95014, "errmsg": "invalid servicer"}])
async def test_where_a_servicer_is_set_he_gets_what_the_bot_hands_over(
    desk: Desk, answer: dict[str, Any]
) -> None:
    platform = wecom(desk)
    await desk.kill()
    platform.account = replace(ACCOUNT, servicer="zhangsan")
    platform.api.transfer = answer
    desk.start()
    conversation_id = desk.house.inbox_rows()[0].conversation_id
    mine = replace(part("查到了"), conversation_id=conversation_id)
    await desk.channel.send(mine)
    assert platform.api.bodies("service_state/trans") == []
    hold(desk, Holder.WAITING)
    await desk.channel.send(replace(mine, text="转人工", message_id=8))
    (moved,) = platform.api.bodies("service_state/trans")
    assert moved == sample("ServiceStateTransferRequest") | {
        "open_kfid": KFID,
        "external_userid": "ann",
        "servicer_userid": "zhangsan",
    }
    # Refused or not, what the bot said has arrived and the case is on our desk.
    assert platform.api.states["ann"] == (3 if answer == OK else 0)
    assert platform.api.texts("ann") == ["查到了", "转人工"]


def hold(desk: Desk, holder: Holder) -> None:
    with desk.database.write() as session:
        conversation_id = desk.house.inbox_rows()[0].conversation_id
        session.get_one(Conversation, conversation_id).holder = holder


# Settings

GIVEN = {"CORPID": CORPID, "SECRET": SECRET, "TOKEN": TOKEN, "AES_KEY": AES_KEY}


def load(home: Path, **given: str) -> settings.Settings:
    names = {f"COURIER_WECOM_{name}": value for name, value in given.items()}
    return settings.load({"COURIER_HOME": str(home), **names})


def test_without_settings_the_channel_is_off(tmp_path: Path) -> None:
    assert load(tmp_path).wecom is None


def test_settings_alone_switch_it_on(tmp_path: Path) -> None:
    account = Account(CORPID, SECRET, TOKEN, AES_KEY, api=REAL)
    assert load(tmp_path, **GIVEN).wecom == account
    chosen = load(tmp_path, **GIVEN, KFID="wk1, wk2", SERVICER="zhangsan").wecom
    assert chosen == replace(account, kfids=("wk1", "wk2"), servicer="zhangsan")


@pytest.mark.parametrize("missing", GIVEN)
def test_half_an_account_is_one_sentence_that_names_the_rest(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"COURIER_WECOM_{missing} too"):
        load(tmp_path, **{name: value for name, value in GIVEN.items() if name != missing})


def test_a_wrong_account_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="COURIER_WECOM_KFID=客服 holds no OpenKfId"):
        load(tmp_path, **GIVEN, KFID="客服")


async def test_the_service_serves_it_and_pulls_at_its_start(tmp_path: Path) -> None:
    from bot import app

    platform = WecomPlatform()
    with served(platform.api.app) as base:
        service = app.create(load(tmp_path, **GIVEN, KFID=KFID, API=base))
        platform.api.says("ann", "m-1", content="hello")
        async with service.router.lifespan_context(service):
            transport = httpx.ASGITransport(app=service, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://d.test") as http:
                assert (await http.get("/wecom")).status_code == 403
            await until(lambda: platform.api.bodies("sync_msg"))


# The check


async def test_the_check_says_what_works_and_what_is_missing() -> None:
    api = WecomPlatform().api
    with served(api.app) as base:
        account = replace(ACCOUNT, api=base)
        for chosen, works, sentence in (
            (None, True, "wecom: off. docs/wecom.md"),
            (account, True, f"wecom: the token is given, {KFID} can be answered. The callback"),
            (replace(account, secret="x"), False, "wecom: COURIER_WECOM_SECRET is refused"),
            (replace(account, corpid="x"), False, "wecom: COURIER_WECOM_CORPID is refused"),
            (
                replace(account, kfids=("wk9",)),
                False,
                f"wecom: the application sees the accounts {KFID}, not wk9",
            ),
            (replace(account, api="http://127.0.0.1:1"), False, "wecom: out of reach"),
        ):
            found = await check(chosen)
            assert (found[0], found[1][: len(sentence)]) == (works, sentence)
            assert found[1].count(SECRET) + found[1].count(AES_KEY) == 0
        api.account_list[0]["manage_privilege"] = False
        assert "may be read but not answered" in (await check(account))[1]
        api.account_list.clear()
        assert "sees the accounts none" in (await check(account))[1]
    with pytest.raises(SettingsError, match="COURIER_WECOM_AES_KEY"):
        await check(replace(account, aes_key="short"))


async def test_the_official_account_is_checked_too() -> None:
    with served(wechat_fake.WeChatApi().app) as base:
        account = replace(wechat_fake.SAFE, api=base)
        for chosen, works, words in (
            (None, True, "wechat: off"),
            (account, True, "/wechat, with COURIER_WECHAT_TOKEN, safe mode"),
            (replace(account, aes_key=""), True, "plain mode (safer"),
            (replace(account, secret="x"), False, "COURIER_WECHAT_SECRET is refused"),
            (replace(account, api="http://127.0.0.1:1"), False, "wechat: out of reach"),
        ):
            found = await check_wechat(chosen)
            assert found[0] is works
            assert words in found[1]
    with pytest.raises(SettingsError, match="COURIER_WECHAT_AES_KEY"):
        await check_wechat(WeChatAccount("wx", "s", "t", "short"))


def test_the_command_tells_of_every_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bot import cli

    monkeypatch.setenv("COURIER_HOME", str(tmp_path))
    assert cli.main(["channels", "check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["telegram", "wechat", "wecom"]
