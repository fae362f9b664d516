"""The account's menu and its template message, as ``policies/wechat.yml`` has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from bot.channels import quota
from bot.channels.tencent.api import Api
from bot.channels.wechat.menu import set_up
from bot.channels.wechat.policy import WeChatPolicy
from bot.settings import ROOT
from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Outbound
from store import policies
from store.engine import Database
from store.errors import CourierError, PolicyError
from tests.channels.contract import Desk
from tests.channels.house import until
from tests.channels.wechat_fake import API, PLAIN, SECRET, WeChatApi, WeChatPlatform

OURS = policies.load(ROOT / "policies" / "wechat.yml", WeChatPolicy)
TEMPLATE = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"


async def menu(api: WeChatApi, policy: WeChatPolicy = OURS, *, dry_run: bool = False) -> str:
    return await set_up(PLAIN, policy, dry_run=dry_run, api=Api(API, api.client()))


async def test_the_menu_is_written_once_and_then_left_alone() -> None:
    api = WeChatApi()
    assert "+  name: 转人工" in (await menu(api)).replace("+    name", "+  name")
    assert (api.menu, api.menus_written) == (OURS.buttons(), 1)
    assert "nothing to do" in await menu(api)
    assert api.menus_written == 1


async def test_a_dry_run_shows_the_difference_and_changes_nothing() -> None:
    api = WeChatApi()
    await menu(api)
    changed = WeChatPolicy.model_validate({"menu": [{"name": "客服", "says": "转人工"}]})
    shown = await menu(api, changed, dry_run=True)
    assert "+  name: 客服" in shown
    assert "-    name: 工单进度" in shown
    assert (api.menu, api.menus_written) == (OURS.buttons(), 1)
    await menu(api, changed)
    assert api.menu == [{"type": "click", "name": "客服", "key": "转人工"}]


async def test_no_menu_takes_the_old_one_away() -> None:
    api = WeChatApi()
    await menu(api)
    await menu(api, WeChatPolicy())
    assert api.menu == []
    assert "nothing to do" in await menu(api, WeChatPolicy())


async def test_a_refusal_is_one_sentence_without_secrets() -> None:
    account = replace(PLAIN, secret="wrong")
    api = Api(API, WeChatApi().client())
    with pytest.raises(CourierError, match="not changed: 40125 invalid appsecret") as failed:
        await set_up(account, OURS, dry_run=False, api=api)
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("menu: [{name: 查快递}]", "needs one of"),
        ("menu: [{name: 查快递, says: a, url: 'https://a'}]", "needs one of"),
        ("menu: [{name: 一二三四五六, says: a}]", "too long"),
        ("menu: [{name: 查, url: 'ftp://a'}]", "line 1, menu.0.url"),
        ("menu: [{name: 查, items: [{name: 甲, says: ''}]}]", "1 to 128 bytes"),
        ("menu: [{name: 查, items: [{name: 甲, items: []}]}]", "Extra inputs"),
        (f"menu: [{', '.join(['{name: 查, says: a}'] * 4)}]", "at most 3"),
        ("template: {thing1: '{name}'}", "only {words} and {at}"),
    ],
)
def test_a_menu_that_wechat_would_refuse_is_refused_here(
    tmp_path: Path, text: str, fault: str
) -> None:
    path = tmp_path / "wechat.yml"
    path.write_text(text)
    with pytest.raises(PolicyError) as failed:
        policies.load(path, WeChatPolicy)
    assert fault in str(failed.value)


# The template message


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """A bot that answers four times: what comes then waits."""
    account = replace(PLAIN, template=TEMPLATE)
    desk = Desk(database, WeChatPlatform(account, policy=OURS))
    desk.house.says = lambda text: [(f"a{n}", ()) for n in range(4)] if text == "ask" else []
    await desk.work()
    yield desk
    await desk.kill()


def say(desk: Desk, text: str, author: Author, key: str = "") -> None:
    with desk.database.write() as session:
        conversation = session.get_one(Conversation, desk.house.inbox_rows()[0].conversation_id)
        conversations.post(session, conversation, Outbound(key or text, text), author)
        desk.house.live.after_commit(session, "outbox")


def told(desk: Desk) -> list[dict[str, Any]]:
    assert isinstance(desk.platform, WeChatPlatform)
    return desk.platform.api.templates


def waits(desk: Desk, count: int) -> bool:
    return sum(row.last_error == quota.WAITS for row in desk.house.outbox_rows()) == count


async def test_a_customer_is_told_once_that_an_agents_words_wait(desk: Desk) -> None:
    await desk.write("m-000001", "ask")
    await desk.settled()
    say(desk, "one", Author.AGENT)  # the send kept for him
    await desk.settled()
    say(desk, "您的快件今天下午已经从嘉兴发出，预计晚上八点送到", Author.AGENT)
    await until(lambda: waits(desk, 1) and told(desk))
    say(desk, "请保持电话畅通", Author.AGENT)
    await until(lambda: waits(desk, 2))
    (notice,) = told(desk)
    assert (notice["touser"], notice["template_id"]) == ("ann", TEMPLATE)
    assert notice["data"]["thing1"]["value"] == "您的快件今天下午已经从嘉兴发出，预计晚…"
    assert desk.house.outbox_rows()[-2].nudged_at is not None
    await desk.write("m-000002", "ok")
    await desk.settled()
    assert len(await desk.shown()) == 7


async def test_the_bots_words_wait_quietly_and_a_promises_do_not(desk: Desk) -> None:
    await desk.write("m-000001", "ask")
    await desk.settled()
    say(desk, "news", Author.BOT)
    await until(lambda: waits(desk, 1))
    assert told(desk) == []
    say(desk, "送到了吗", Author.SYSTEM, key="promise:1:due")
    desk.house.live.wake("outbox")
    await desk.write("m-000002", "hello")
    await desk.settled()
    assert told(desk) == []


async def test_a_promise_that_waits_is_told(desk: Desk) -> None:
    await desk.write("m-000001", "ask")
    await desk.settled()
    say(desk, "我们会在 18:00 前联系您", Author.SYSTEM, key="promise:1:due")
    await until(lambda: told(desk))
    assert len(told(desk)) == 1


async def test_without_a_template_nobody_is_told(database: Database) -> None:
    desk = Desk(database, WeChatPlatform(PLAIN, policy=OURS))
    desk.house.says = lambda _: [(f"a{n}", ()) for n in range(4)]
    await desk.work()
    await desk.write("m-000001", "ask")
    await desk.settled()
    say(desk, "one", Author.AGENT)
    await desk.settled()
    say(desk, "two", Author.AGENT)
    await until(lambda: waits(desk, 1))
    assert told(desk) == []
    await desk.kill()


def test_the_command_says_what_to_set_where_wechat_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COURIER_HOME", str(tmp_path))
    monkeypatch.delenv("COURIER_WECHAT_APPID", raising=False)
    assert cli.main(["channels", "menu", "--dry-run"]) == 1
    assert "set COURIER_WECHAT_APPID" in capsys.readouterr().err
