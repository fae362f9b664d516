"""What comes from WeCom: callbacks, pages behind a cursor, and what each entry becomes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.channels.wecom import convert
from bot.channels.wecom.channel import PATH, WecomChannel
from bot.channels.wecom.convert import Said
from bot.channels.wecom.models import WecomAccount
from bot.settings import ROOT
from conversations import letters
from conversations.models import Delivery, FileKind, Kind, Outbox, Undelivered
from conversations.schemas import Button
from store import clock
from store.engine import Database
from tests.channels.contract import Desk, waits
from tests.channels.house import House, served, serving, until
from tests.channels.wecom_fake import (
    ACCOUNT,
    CORPID,
    KFID,
    LABELS,
    WecomPlatform,
    sealed,
)

KF = ROOT.parent / "shared" / "data" / "wechat" / "kf"
here = pytest.mark.skipif(not KF.is_dir(), reason=f"no sample files: {KF} is not here")


@pytest.fixture
async def desk(database: Database, at: Callable[[datetime], None]) -> AsyncIterator[Desk]:
    desk = Desk(database, WecomPlatform())
    yield desk
    await desk.kill()


def wecom(desk: Desk) -> WecomPlatform:
    assert isinstance(desk.platform, WecomPlatform)
    return desk.platform


def account(desk: Desk) -> WecomAccount:
    with desk.database.read() as session:
        return session.query(WecomAccount).one()


# The callback


async def test_the_platforms_question_is_answered_with_what_it_hides(desk: Desk) -> None:
    reply = await desk.http.get(PATH, params=sealed("593<b>"))
    assert (reply.status_code, reply.text) == (200, "593<b>")
    assert reply.headers["content-type"].startswith("text/plain")
    for wrong in (
        sealed("593", corpid="ww0000000000000000"),
        sealed("593") | {"nonce": "3"},
        sealed("593") | {"echostr": "593"},
        {},
    ):
        assert (await desk.http.get(PATH, params=wrong)).status_code == 403


async def test_a_callback_is_answered_once_it_is_noted_and_before_anything_is_fetched(
    desk: Desk,
) -> None:
    reply = await wecom(desk).callback(desk.http)
    assert (reply.status_code, reply.text) == (200, "success")
    noted = account(desk)
    assert (noted.open_kfid, noted.due_at, noted.ticket) == (KFID, clock.now(), "ENC1")
    assert wecom(desk).api.calls == []


@here
async def test_the_published_callback_is_noted(desk: Desk) -> None:
    body = (KF.parent / "work" / "KfMessageEvent.xml").read_text("utf-8-sig")
    assert (await wecom(desk).deliver(desk.http, body)).status_code == 200
    assert account(desk).open_kfid == "wkxxxxxxx"
    assert account(desk).ticket.startswith("ENCApHxnGDNAVNY4AaSJKj4Tb5mwsEMzxhFmHVGcra996NR")
    other = (KF.parent / "work" / "KfAccountAuthChangeEvent.xml").read_text("utf-8-sig")
    assert (await wecom(desk).deliver(desk.http, other)).status_code == 200
    assert account(desk).notes == 1


async def test_a_callback_for_another_corporation_changes_nothing(desk: Desk) -> None:
    body = f"<xml><Event>kf_msg_or_event</Event><OpenKfId>{KFID}</OpenKfId></xml>"
    assert (await wecom(desk).deliver(desk.http, body, "ww0000000000000000")).status_code == 403
    with desk.database.read() as session:
        assert session.query(WecomAccount).count() == 0


async def test_accounts_that_are_not_ours_are_left_alone(database: Database) -> None:
    desk = Desk(database, WecomPlatform(replace(ACCOUNT, kfids=("wk-another",))))
    assert await desk.write("m-1", "hello") == 200
    assert wecom(desk).api.calls == []
    await desk.kill()


# Pages


async def test_every_page_is_fetched_and_the_order_is_kept(desk: Desk) -> None:
    wecom(desk).api.page = 2
    for number in range(5):
        wecom(desk).api.says("ann", f"m-{number}", content=f"no {number}")
    await wecom(desk).tell(desk.http)
    assert desk.house.record() == [("customer", f"no {number}") for number in range(5)]
    asked = wecom(desk).api.bodies("sync_msg")
    assert [body["cursor"] for body in asked] == ["", "2", "4"]
    assert {body["open_kfid"] for body in asked} == {KFID}
    done = account(desk)
    assert (done.cursor, done.due_at, done.leased_until, done.attempts) == ("5", None, None, 0)


async def test_accounts_are_read_and_answered_apart(desk: Desk) -> None:
    platform = wecom(desk)
    await desk.work()
    await desk.write("m-1", "to the first")
    platform.api.says("ann", "m-1", content="to the second")
    platform.api.entries["wk-2"].append(platform.api.entries[KFID].pop())
    await platform.callback(desk.http, kfid="wk-2")
    await platform.pull()
    await desk.settled()
    told = {(body["open_kfid"], body["text"]["content"]) for body in platform.api.sent}
    assert told == {(KFID, "answer to to the first"), ("wk-2", "answer to to the second")}
    with desk.database.read() as session:
        assert {row.cursor for row in session.query(WecomAccount)} == {"1"}


async def test_a_page_that_cannot_be_stored_is_stored_whole_later(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    api = wecom(desk).api
    api.page = 2
    for number in range(4):
        api.says("ann", f"m-{number}", content=f"no {number}")
    keep = desk.house.inbox.keep

    def breaks_at_the_last(session: Any, inbound: Any, lease: Any = None) -> Any:
        stored = keep(session, inbound, lease)
        if inbound.outside_id == "m-3":
            raise OSError("killed at this line")
        return stored

    desk.house.inbox.keep = breaks_at_the_last  # type: ignore[method-assign]
    await desk.kill()
    desk.channel = wecom(desk).attach(desk.house)
    desk.house.channels.add(desk.channel)
    desk.http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=desk.house.app()), base_url="http://desk.test"
    )
    await wecom(desk).tell(desk.http)
    # The first page is there with its cursor; of the second there is nothing.
    assert [text for _, text in desk.house.record()] == ["no 0", "no 1"]
    failed = account(desk)
    assert (failed.cursor, failed.last_error) == ("2", "OSError")
    desk.house.inbox.keep = keep  # type: ignore[method-assign]
    await desk.kill()
    desk.start()
    at(clock.now() + timedelta(seconds=2))
    await wecom(desk).pull()
    assert [text for _, text in desk.house.record()] == [f"no {number}" for number in range(4)]
    assert account(desk).last_error is None


async def test_of_one_account_only_one_process_pulls(desk: Desk) -> None:
    platform = wecom(desk)
    other = WecomChannel(
        ACCOUNT,
        desk.database,
        desk.house.live,
        desk.house.inbox.keep,
        LABELS,
        platform.api.client(),
    )
    platform.api.says("ann", "m-1", content="hello")
    await platform.callback(desk.http)
    found = await asyncio.gather(*(c.puller.work() for c in (platform.channel, other) * 3))
    assert sorted(found) == [False] * 5 + [True]
    assert len(platform.api.bodies("sync_msg")) == 1
    assert desk.house.record() == [("customer", "hello")]


async def test_a_puller_that_was_too_slow_stores_nothing(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    platform = wecom(desk)
    platform.api.says("ann", "m-1", content="hello")
    await platform.callback(desk.http)
    slow = platform.channel.puller
    (claimed,) = slow._claim()
    at(clock.now() + timedelta(minutes=3))
    await platform.pull()
    assert account(desk).cursor == "1"
    platform.api.happens("ann", "m-2", 5, {"msgtype": "text", "text": {"content": "from Lili"}})
    assert not await slow._page(claimed)
    assert (account(desk).cursor, desk.house.record()) == ("1", [("customer", "hello")])


async def test_what_is_written_during_a_pull_is_not_lost(desk: Desk) -> None:
    platform = wecom(desk)
    sync = platform.api._sync
    told: list[asyncio.Future[Any]] = []

    def answer_and_hear_of_more(body: dict[str, Any]) -> Any:
        answer = sync(body)
        if not told:
            platform.api.says("ann", "m-2", content="and this")
            told.append(asyncio.ensure_future(platform.callback(desk.http)))
        return answer

    platform.api._sync = answer_and_hear_of_more  # type: ignore[method-assign]
    store = platform.channel.puller._store

    def store_after_the_callback(*page: Any) -> bool:
        while not told[0].done():
            threading.Event().wait(0.01)
        return store(*page)

    platform.channel.puller._store = store_after_the_callback  # type: ignore
    await desk.write("m-1", "hello")
    assert [text for _, text in desk.house.record()] == ["hello", "and this"]
    assert account(desk).due_at is None


async def test_what_was_written_before_our_time_is_not_answered(desk: Desk) -> None:
    api = wecom(desk).api
    for minutes in (4000, 11, 9):
        api.says("ann", f"m-{minutes}", content=f"{minutes} minutes ago")
        entry = api.entries[KFID][-1]
        assert isinstance(entry, dict)
        entry["send_time"] -= minutes * 60
    await wecom(desk).tell(desk.http)
    assert desk.house.record() == [("customer", "9 minutes ago")]


async def test_what_came_while_we_were_down_is_answered_however_long_that_was(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    await desk.write("m-1", "hello")
    api = wecom(desk).api
    api.says("ann", "m-2", content="are you there?")
    await desk.kill()
    at(clock.now() + timedelta(days=2))
    desk.start()
    app = desk.house.app()
    async with app.router.lifespan_context(app):  # no callback: the start itself asks
        await until(lambda: len(desk.house.record()) == 2)
    assert "token" not in api.bodies("sync_msg")[-1]


async def test_the_ticket_of_a_callback_is_shown_for_ten_minutes(
    desk: Desk, at: Callable[[datetime], None]
) -> None:
    platform = wecom(desk)
    platform.api.syncs = [{"errcode": -1, "errmsg": "system busy"}]
    await desk.write("m-1", "hello")
    at(clock.now() + timedelta(minutes=11))
    await platform.pull()
    asked = platform.api.bodies("sync_msg")
    assert [body.get("token") for body in asked] == ["ENC1", None]
    assert desk.house.record() == [("customer", "hello")]


async def test_a_ticket_that_is_void_is_left_out(desk: Desk) -> None:
    platform = wecom(desk)
    platform.api.says("ann", "m-1", content="hello")
    await platform.callback(desk.http)
    platform.api.ticket = "a newer one"
    await platform.pull()
    assert [body.get("token") for body in platform.api.bodies("sync_msg")] == ["ENC1", None]
    assert desk.house.record() == [("customer", "hello")]


@pytest.mark.parametrize(
    "step",
    [
        {"errcode": -1, "errmsg": "system busy"},
        {"errcode": 95000, "errmsg": "invalid open_kfid"},
        {"errcode": 0, "errmsg": "ok", "has_more": 1, "next_cursor": ""},
        "unknown",
    ],
)
async def test_a_pull_that_fails_is_repeated_with_growing_waits(
    desk: Desk, at: Callable[[datetime], None], step: dict[str, Any] | str
) -> None:
    wecom(desk).api.syncs = [step, step]
    await desk.write("m-1", "hello")
    for seconds in (1, 2):
        failed = account(desk)
        assert failed.last_error
        assert failed.due_at == clock.now() + timedelta(seconds=seconds)
        at(failed.due_at)
        await wecom(desk).pull()
    assert desk.house.record() == [("customer", "hello")]


# What an entry becomes


def said(kind: str, **facts: Any) -> Said:
    entry = {
        "msgid": "m-1",
        "external_userid": "ann",
        "origin": 3,
        "send_time": 1615478585,
        "msgtype": kind,
        kind: facts,
    }
    found = convert.read(entry, KFID, LABELS)
    assert isinstance(found, Said)
    return found


@pytest.mark.parametrize(
    ("kind", "facts", "text", "shown"),
    [
        ("text", {"content": "查快递"}, "查快递", Kind.TEXT),
        ("image", {"media_id": "M"}, "[图片]", Kind.IMAGE),
        ("voice", {"media_id": "M"}, "[语音]", Kind.VOICE),
        ("video", {"media_id": "M"}, "[视频]", Kind.FILE),
        ("file", {"media_id": "M"}, "[文件]", Kind.FILE),
        (
            "location",
            {"latitude": 23.106, "longitude": 113.324, "name": "广州塔", "address": "海珠区"},
            "[位置] 广州塔 海珠区 (23.106, 113.324)",
            Kind.LOCATION,
        ),
        ("link", {"title": "t", "url": "u"}, "[链接] t u", Kind.TEXT),
        ("miniprogram", {"title": "t", "appid": "a"}, "[小程序] t", Kind.TEXT),
        ("channels_shop_order", {"product_titles": "t", "order_id": 7}, "[订单] t 7", Kind.TEXT),
        ("merged_msg", {"title": "{0}"}, "[聊天记录] {0}", Kind.TEXT),
        ("business_card", {"userid": "zhang"}, "[名片]", Kind.TEXT),
        ("of_2030", {}, "[其他消息]", Kind.TEXT),
    ],
)
def test_a_kind_becomes_words(kind: str, facts: dict[str, Any], text: str, shown: Kind) -> None:
    inbound = said(kind, **facts).inbound
    assert (inbound.text, inbound.kind) == (text, shown)
    assert (inbound.channel, inbound.account, inbound.address) == ("wecom", KFID, "ann")
    assert inbound.sent_at is not None
    assert [file.id for file in inbound.attachments] == (["M"] if "media_id" in facts else [])


def test_a_file_is_of_its_kind() -> None:
    kinds = [said(kind, media_id="M").inbound.attachments[0].kind for kind in convert._FILES]
    assert kinds == [FileKind.PHOTO, FileKind.VOICE, FileKind.VIDEO, FileKind.DOCUMENT]


@here
def test_the_published_answer_is_read_to_its_end() -> None:
    page = json.loads((KF / "CgibinKfSyncMessageResponse.json").read_text("utf-8-sig"))
    found = [convert.read(entry, KFID, LABELS) for entry in page["msg_list"]]
    assert found[0] is not None
    assert found[1] == convert.Happened(
        convert.Person(KFID, "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"), "recalled"
    )


async def test_a_choice_says_what_it_says_and_only_to_whom_it_was_offered(desk: Desk) -> None:
    api = wecom(desk).api
    desk.house.says = lambda text: (
        [("which?", (Button("改时间", "我想改派送时间"), Button("no", "none")))]
        if text == "hello"
        else []
    )
    await desk.work()
    await desk.write("m-1", "hello")
    await desk.settled()
    choice = api.sent[0]["msgmenu"]["list"][0]["click"]
    assert choice["content"] == "改时间"
    api.says("ann", "m-2", content=choice["content"], menu_id=choice["id"])
    api.says("bob", "m-3", content=choice["content"], menu_id=choice["id"])
    api.says("ann", "m-4", content="改时间", menu_id="ffffffffffff.99")
    await wecom(desk).tell(desk.http)
    mine = [text for author, text in desk.house.record() if author == "customer"]
    assert mine == ["hello", "我想改派送时间", "改时间", "改时间"]


# Events


async def test_who_opens_the_chat_is_greeted_once_and_in_time(desk: Desk) -> None:
    api = wecom(desk).api
    api.event("ann", "enter_session", welcome_code="CODE")
    await wecom(desk).tell(desk.http)
    (greeting,) = api.bodies("send_msg_on_event")
    assert greeting == {"code": "CODE", "msgtype": "text", "text": {"content": LABELS["welcome"]}}
    api.event("bob", "enter_session", welcome_code="LATE")
    entry = api.entries[KFID][-1]
    assert isinstance(entry, dict)
    entry["send_time"] -= 21
    api.event("cat", "enter_session")  # WeCom gives no code to who was greeted lately
    api.event("dan", "enter_session", welcome_code="CODE")  # refused: said before
    await wecom(desk).tell(desk.http)
    assert [body["code"] for body in api.bodies("send_msg_on_event")] == ["CODE", "CODE"]
    assert desk.house.record() == []


async def test_a_message_that_did_not_arrive_after_all_is_marked(desk: Desk) -> None:
    api = wecom(desk).api
    await desk.work()
    await desk.write("m-1", "hello")
    await desk.settled()
    msgid = api.sent[0]["msgid"]
    api.event("bob", "msg_send_fail", fail_msgid=msgid, fail_type=10)  # not his
    api.event("ann", "msg_send_fail", fail_msgid="0" * 10 + msgid[10:], fail_type=10)  # not ours
    api.event("ann", "msg_send_fail", fail_msgid="MSGID", fail_type=10)
    await wecom(desk).tell(desk.http)
    assert desk.house.outbox_rows()[0].state == Delivery.SENT
    api.event("ann", "msg_send_fail", fail_msgid=msgid, fail_type=10)
    await wecom(desk).tell(desk.http)
    row = desk.house.outbox_rows()[0]
    assert (row.state, row.due_at) == (Delivery.FAILED, None)
    assert (row.reason, row.last_error) == (
        Undelivered.REFUSED,
        "WeCom: the customer refuses messages",
    )


async def test_what_did_not_arrive_after_all_can_be_sent_again(desk: Desk) -> None:
    api = wecom(desk).api
    long = "很" * 900
    desk.house.says = lambda _: [(long, ())]
    await desk.work()
    await desk.write("m-1", "hello")
    await desk.settled()
    first, second = api.sent
    for _ in range(2):  # told twice, it is lost once
        api.event("ann", "msg_send_fail", fail_msgid=second["msgid"], fail_type=13)
    await wecom(desk).tell(desk.http)
    with desk.database.write() as session:
        row = session.get_one(Outbox, desk.house.outbox_rows()[0].id)
        assert (row.state, row.outside_ids) == (Delivery.FAILED, [first["msgid"]])
        letters.resend(session, row.id, staff_id=1)
    desk.house.live.wake("outbox")
    await desk.settled()
    again = api.sent[2:]
    assert [body["text"] for body in again] == [second["text"]]
    assert again[0]["msgid"] not in {first["msgid"], second["msgid"]}
    assert desk.house.outbox_rows()[0].state == Delivery.SENT


async def test_what_left_together_did_not_arrive_together(desk: Desk) -> None:
    desk.house.says = lambda _: [(f"a{n}", ()) for n in range(6)]
    await desk.work()
    await desk.write("m-1", "hello")
    await desk.settled()
    api = wecom(desk).api
    assert len(api.sent) == 1
    api.event("ann", "msg_send_fail", fail_msgid=api.sent[0]["msgid"], fail_type=4)
    await wecom(desk).tell(desk.http)
    assert {row.state for row in desk.house.outbox_rows()} == {Delivery.FAILED}


async def test_a_failure_that_is_told_before_the_send_is_noted_stays(desk: Desk) -> None:
    api = wecom(desk).api
    send = api._send

    async def fails_at_once(body: dict[str, Any]) -> Any:
        answer = await send(body)
        api.event("ann", "msg_send_fail", fail_msgid=body["msgid"], fail_type=6)
        await wecom(desk).tell(desk.http)
        return answer

    api._send = fails_at_once  # type: ignore[method-assign]
    await desk.work()
    await desk.write("m-1", "hello")
    await desk.settled()
    await until(lambda: desk.house.outbox_rows()[0].sent_at)
    row = desk.house.outbox_rows()[0]
    assert (row.state, row.last_error) == (Delivery.FAILED, "WeCom: more than five messages")
    assert row.reason == Undelivered.REFUSED


async def test_staff_see_what_happened_in_wecoms_own_client(desk: Desk) -> None:
    api = wecom(desk).api
    await desk.write("m-1", "hello")
    api.event("ann", "user_recall_msg", recall_msgid="m-1")
    for change in (1, 3, 9):
        api.event("ann", "session_status_change", change_type=change)
    api.event("nobody", "user_recall_msg", recall_msgid="m-0")
    api.event("ann", "servicer_status_change", status=1)
    await wecom(desk).tell(desk.http)
    assert desk.house.record()[1:] == [
        ("system", "recalled"),
        ("system", "wecom_taken"),
        ("system", "wecom_ended"),
    ]


async def test_a_colleagues_words_are_kept_as_a_colleagues(desk: Desk) -> None:
    api = wecom(desk).api
    await desk.work()
    await desk.write("m-1", "hello")
    await desk.settled()
    api.happens("ann", "m-2", 5, {"msgtype": "text", "text": {"content": "I am Lili"}})
    api.happens("nobody", "m-3", 5, {"msgtype": "text", "text": {"content": "hello?"}})
    api.happens("ann", "m-4", 5, {"msgtype": "text", "text": {"content": " "}})
    await wecom(desk).tell(desk.http)
    await desk.settled()
    assert desk.house.record()[2:] == [("agent", "I am Lili")]
    assert await desk.shown() == ["answer to hello"]


async def test_what_waited_leaves_once_the_customer_writes(desk: Desk) -> None:
    desk.house.says = lambda text: [("news", ())] if text == "hello" else []
    wecom(desk).api.script = [{"errcode": 95001, "errmsg": "send msg count limit"}]
    await desk.work()
    await desk.write("m-1", "hello")
    await until(lambda: waits(desk))
    await desk.write("m-2", "and?")
    await desk.settled()
    assert await desk.shown() == ["news"]


# The whole way over real connections


async def test_a_customer_is_answered_over_real_connections(database: Database) -> None:
    platform = WecomPlatform()
    with served(platform.api.app) as base:
        house = House(database)
        account = replace(ACCOUNT, api=base)
        house.channels.add(
            WecomChannel(account, database, house.live, house.inbox.keep, LABELS, None)
        )
        with serving(house) as desk:
            async with httpx.AsyncClient(base_url=desk) as http:
                platform.api.says("ann", "m-1", content="hello")
                assert (await platform.callback(http)).status_code == 200
                await until(lambda: platform.api.texts("ann"))
    assert platform.api.texts("ann") == ["answer to hello"]


def test_the_corporations_id_is_no_secret_but_the_rest_is() -> None:
    shown = repr(ACCOUNT)
    assert CORPID in shown
    for secret in (ACCOUNT.secret, ACCOUNT.token, ACCOUNT.aes_key):
        assert secret not in shown


# Killed

PULLER = """
import asyncio, sys
from dataclasses import replace
from datetime import timedelta
from bot.channels.wecom import pull
from bot.channels.wecom.channel import WecomChannel
from store.engine import Database
from tests.channels.house import House
from tests.channels.wecom_fake import ACCOUNT, LABELS

async def work():
    house = House(Database(sys.argv[1]))
    account = replace(ACCOUNT, api=sys.argv[2])
    channel = WecomChannel(account, house.database, house.live, house.inbox.keep, LABELS)
    while True:
        await channel.puller.work()
        await asyncio.sleep(0.05)

pull.LEASE = timedelta(seconds=1)
asyncio.run(work())
"""


@pytest.mark.slow
async def test_pullers_killed_at_any_line_leave_nothing_out_and_nothing_twice(
    desk: Desk, address: str
) -> None:
    api = wecom(desk).api
    api.page = 5
    wanted = [f"no {number}" for number in range(200)]
    for text in wanted:
        api.says("ann", text.replace(" ", "-"), content=text)
    await wecom(desk).callback(desk.http)
    with served(api.app) as base:
        # The clock of the test stands still, theirs does not: the note is due for them.
        pullers = [puller(address, base) for _ in range(2)]
        try:
            for kills in range(1, 5):
                await until(lambda n=kills: len(api.bodies("sync_msg")) >= 8 * n, 30)  # type: ignore[misc]
                pullers[kills % 2].kill()
                pullers[kills % 2].wait()
                pullers[kills % 2] = puller(address, base)
            await until(lambda: account(desk).cursor == "200", 30)
        finally:
            for process in pullers:
                process.kill()
                process.wait()
    assert [text for _, text in desk.house.record()] == wanted
    assert len(desk.house.inbox_rows()) == len(wanted)


def puller(database: str, api: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PULLER, database, api], cwd=ROOT)
