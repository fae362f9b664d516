"""A company's own app under the contract of all channels, and what is its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from bot.channels.http.account import MEGABYTE, from_file
from bot.channels.http.client import wait_of
from bot.channels.quota import WAITS
from conversations.models import Delivery, FileState, Gone
from conversations.schemas import Button, Upload
from store import clock
from store.engine import Database
from store.errors import PolicyError, SettingsError
from tests import samples
from tests.channels.contract import ChannelContract, Desk, Later, Platform
from tests.channels.house import until
from tests.channels.http_app import SECRET, Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop().serving() as running:
        yield running
    assert running.faults == []


class TestHttp(ChannelContract):
    @pytest.fixture
    def platform(self, shop: Shop) -> Platform:
        return shop


@pytest.fixture
async def desk(
    database: Database, shop: Shop, at: Callable[[datetime], None]
) -> AsyncIterator[Desk]:
    opened = Desk(database, shop)
    yield opened
    await opened.kill()


@pytest.fixture
def later(desk: Desk, at: Callable[[datetime], None]) -> Later:
    def move(by: timedelta) -> None:
        at(clock.now() + by)
        desk.house.live.wake("outbox")

    return move


HELLO = {"customer": {"id": "ann", "name": "王伟", "language": "zh"}, "text": "hello"}


async def posted(
    desk: Desk, shop: Shop, body: object = HELLO, path: str = "messages", **change: str | None
) -> int:
    """A signed request with some of its headers changed, or left out."""
    raw = json.dumps(body).encode()
    headers = shop.headers("m-1", raw) | {k.replace("_", "-"): v for k, v in change.items()}
    kept = {k: v for k, v in headers.items() if v is not None}
    return (await desk.http.post(f"/http/shop_app/{path}", content=raw, headers=kept)).status_code


async def test_only_what_the_app_signed_comes_in(desk: Desk, shop: Shop) -> None:
    good = shop.headers("m-1", json.dumps(HELLO).encode())["webhook-signature"]
    for change in (
        {"webhook_signature": None},
        {"webhook_signature": good.replace("v1,", "v1a,")},
        {"webhook_signature": good[:-4] + "AAA="},
        {"webhook_id": "m-2"},
        {"webhook_id": None},
        {"webhook_timestamp": "1772416801"},
        {"webhook_timestamp": "soon"},
        {"webhook_timestamp": "1" * 30},
    ):
        assert await posted(desk, shop, **change) == 401
    for path in ("messages", "receipts"):
        assert (await desk.http.post(f"/http/shop_app/{path}", json=HELLO)).status_code == 401
    assert desk.house.record() == []
    # While the app changes its key it may sign with both.
    assert await posted(desk, shop, webhook_signature=f"v1,old {good}") == 202


@pytest.mark.parametrize(("minutes", "status"), [(4, 202), (-4, 202), (6, 401), (-6, 401)])
async def test_a_request_is_good_for_five_minutes(
    desk: Desk, shop: Shop, minutes: int, status: int
) -> None:
    raw = json.dumps(HELLO).encode()
    headers = shop.headers("m-1", raw, clock.now() + timedelta(minutes=minutes))
    reply = await desk.http.post("/http/shop_app/messages", content=raw, headers=headers)
    assert reply.status_code == status
    assert len(desk.house.record()) == (status == 202)


async def test_a_replay_within_them_says_nothing_new(desk: Desk, shop: Shop) -> None:
    first = await shop.post(desk.http, "m-1", HELLO)
    again = await shop.post(desk.http, "m-1", HELLO)
    assert first.json() == {"message": 1, "new": True}
    assert again.json() == {"message": 1, "new": False}
    assert len(desk.house.record()) == 1


async def test_a_body_too_long_is_refused_before_it_is_read(desk: Desk, shop: Shop) -> None:
    reply = await shop.post(desk.http, "m-1", b" " * 64_001)
    assert reply.status_code == 413


async def test_a_message_goes_out_with_all_that_an_app_needs(desk: Desk, shop: Shop) -> None:
    desk.house.says = lambda _: [("which?", (Button("this", "I mean this"),))]
    await desk.work()
    await shop.post(desk.http, "m-1", HELLO)
    await desk.settled()
    ((name, body),) = shop.requests
    (row,) = desk.house.outbox_rows()
    assert name == f"msg_{row.message_id}_0"
    assert body == {
        "type": "message",
        "timestamp": clock.now().isoformat(),
        "customer": {"id": "ann"},
        "message": row.message_id,
        "part": 1,
        "parts": 1,
        "text": "which?",
        "buttons": [{"title": "this", "say": "I mean this"}],
        "file": None,
    }
    assert row.outside_ids == ["app-1"]


async def test_a_repeat_has_the_id_of_the_first_send(desk: Desk, shop: Shop, later: Later) -> None:
    shop.fail("unknown")
    shop.fail("server_error")
    await desk.work()
    await shop.post(desk.http, "m-1", HELLO)
    for attempt in (1, 2):
        await until(lambda n=attempt: len(shop.requests) == n)  # type: ignore[misc]
        await until(lambda: desk.house.outbox_rows()[0].last_error)
        await until(lambda: desk.house.outbox_rows()[0].leased_until is None)
        later(timedelta(minutes=1))
    await desk.settled()
    assert len({name for name, _ in shop.requests}) == 1
    assert len(shop.requests) == 3
    assert desk.house.outbox_rows()[0].state == Delivery.SENT


def test_a_retry_after_may_be_a_date(at: Callable[[datetime], None]) -> None:
    assert wait_of("Mon, 02 Mar 2026 02:01:30 GMT") == timedelta(seconds=90)
    assert wait_of("Sun, 01 Mar 2026 02:01:30 GMT") == timedelta()
    assert wait_of("9" * 30) == timedelta(days=1)
    assert wait_of("soon") is None


async def test_a_redirect_is_not_followed(desk: Desk, shop: Shop) -> None:
    shop.fail("elsewhere")
    await desk.work()
    await shop.post(desk.http, "m-1", HELLO)
    await desk.settled()
    assert desk.house.outbox_rows()[0].state == Delivery.FAILED
    assert desk.house.outbox_rows()[0].last_error == "HTTP 307"


ELSEWHERE = (
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:1/files/x",
    "https://127.0.0.1:{port}/files/x",
    "http://localhost:{port}/files/x",
    "http://127.0.0.1:{port}@example.com/files/x",
    "http://ann:secret@127.0.0.1:{port}/files/x",
    "http://127.0.0.1:{port}.example.com/files/x",
    "http://example.com#@127.0.0.1:{port}/files/x",
    "//127.0.0.1:{port}/files/x",
    "file:///etc/passwd",
)


@pytest.mark.parametrize("url", ELSEWHERE)
async def test_a_file_that_lies_elsewhere_is_never_asked_for(
    desk: Desk, shop: Shop, url: str
) -> None:
    url = url.replace("{port}", shop.address.rpartition(":")[2])
    reply = await shop.post(desk.http, "m-1", HELLO | {"files": [{"url": url}]})
    assert reply.status_code == 422
    assert desk.house.record() == []


async def test_a_callback_that_moved_gets_no_question_for_old_files(desk: Desk, shop: Shop) -> None:
    await shop.write_file(desk.http, "m-000001", samples.PHOTO)
    shop.address = "http://127.0.0.1:9"
    desk.house.channels.add(shop.attach(desk.house))
    await desk.work()
    await until(lambda: desk.house.attachments()[0].state == FileState.GONE)
    assert desk.house.attachments()[0].reason == Gone.EXPIRED


async def test_a_file_too_big_is_not_read_to_its_end(desk: Desk, shop: Shop) -> None:
    await shop.write_file(desk.http, "m-000001", b"x" * (20 * MEGABYTE + 1))
    await desk.work()
    await desk.settled()
    (file,) = desk.house.attachments()
    assert (file.state, file.reason) == (FileState.GONE, Gone.TOO_BIG)


async def test_words_beside_files_are_one_message(desk: Desk, shop: Shop) -> None:
    shop.files["box"] = samples.PHOTO
    files = [{"url": f"{shop.address}/files/box", "kind": "photo", "name": "box\u202e.png"}] * 2
    await shop.post(desk.http, "m-1", HELLO | {"files": files})
    assert desk.house.record() == [("customer", "[图片]\n[图片]\nhello")]
    assert [file.name for file in desk.house.attachments()] == ["box.png"] * 2


async def link_of_a_sent_file(desk: Desk, shop: Shop) -> str:
    await desk.work()
    await shop.post(desk.http, "m-1", HELLO)
    await desk.settled()
    picture = Upload("box.png", desk.files.keep(samples.PHOTO))
    desk.house.send(desk.house.inbox_rows()[0].conversation_id, "", picture)
    await desk.settled()
    return str(shop.requests[-1][1]["file"]["url"])


async def test_a_link_to_a_file_ends_and_fits_no_other(
    desk: Desk, shop: Shop, later: Later
) -> None:
    link = await link_of_a_sent_file(desk, shop)
    reply = await desk.http.get(link)
    assert reply.content == samples.PHOTO
    assert reply.headers["x-content-type-options"] == "nosniff"
    until_at = link.partition("until=")[2].partition("&")[0]
    wrong = [
        link.replace(f"until={until_at}", f"until={int(until_at) + 1}"),
        link.replace("/files/1?", "/files/2?"),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.partition("?")[0],
        link.replace("signature=", "signature=%C3%A9"),
    ]
    for other in wrong:
        assert (await desk.http.get(other)).status_code == 404
    later(timedelta(minutes=61))
    assert (await desk.http.get(link)).status_code == 404


async def test_receipts_are_shown_to_who_wrote_and_never_go_back(desk: Desk, shop: Shop) -> None:
    await desk.work()
    await shop.post(desk.http, "m-1", HELLO)
    await desk.settled()
    (row,) = desk.house.outbox_rows()

    async def receipt(state: str, who: str = "ann", message: int = row.message_id) -> int:
        body = {"customer": {"id": who}, "message": message, "state": state}
        return (await shop.post(desk.http, f"r-{state}", body, "receipts")).status_code

    assert await receipt("delivered", "bob") == 404
    assert await receipt("lost") == 422
    assert await receipt("delivered", message=row.message_id - 1) == 204
    assert desk.house.outbox_rows()[0].state == Delivery.SENT
    for state, expected in (("delivered",) * 2, ("read",) * 2, ("delivered", "read")):
        assert await receipt(state) == 204
        assert desk.house.outbox_rows()[0].state == expected


async def test_under_a_quota_answers_wait_for_the_customer(
    database: Database, shop: Shop, at: Callable[[datetime], None]
) -> None:
    desk = Desk(database, shop)
    desk.house.channels.add(shop.attach(desk.house, quota=2, max_length=100))
    desk.house.says = lambda said: [("x" * 90, ()), ("y" * 90, ())] if said == "hello" else []
    desk.http._transport.app = desk.house.app()  # type: ignore[attr-defined]
    await desk.work()
    await shop.post(desk.http, "m-1", HELLO)
    await until(lambda: [row.last_error for row in desk.house.outbox_rows()] == [None, WAITS])
    assert [text[0] for text in await desk.shown()] == ["x"]
    at(clock.now() + timedelta(minutes=1))
    await shop.post(desk.http, "m-2", HELLO | {"text": "go on"})
    await until(lambda: len(shop.requests) == 2)
    assert [text[0] for text in await desk.shown()] == ["x", "y"]
    await desk.kill()


def test_an_account_needs_a_secret_and_a_safe_address(tmp_path: Path) -> None:
    path = tmp_path / "http.yml"

    def accounts(callback: str = "https://app.example.com/hook", name: str = "shop_app") -> None:
        path.write_text(json.dumps({"accounts": {name: {"callback": callback, "buttons": False}}}))

    accounts()
    (account,) = from_file(path, {"SHOP_APP": SECRET})
    assert account.channel == "http_shop_app"
    assert account.capabilities.retry_unknown
    assert SECRET not in repr(account)
    assert account.key.decode() not in repr(account)
    for secrets in ({}, {"SHOP_APP": "short"}, {"SHOP_APP": "é" * 40}, {"OTHER": SECRET}):
        with pytest.raises(SettingsError, match=r"COURIER_HTTP_SECRET_(SHOP_APP|OTHER)"):
            from_file(path, secrets)
    unsafe: list[dict[str, Any]] = [
        {"callback": "http://app.example.com"},
        {"callback": "ftp://app.example.com"},
        {"callback": "https://ann:secret@app.example.com"},
        {"callback": "/hook"},
        {"name": "Shop-App"},
    ]
    for wrong in unsafe:
        accounts(**wrong)
        with pytest.raises(PolicyError, match=r"http\.yml: line"):
            from_file(path, {"SHOP_APP": SECRET})


def test_the_check_names_a_secret_that_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COURIER_HOME", str(tmp_path))
    assert cli.main(["channels", "check"]) == 0
    monkeypatch.setenv("COURIER_HTTP_SECRET_TYPO", SECRET)
    assert cli.main(["channels", "check"]) == 1
    said = capsys.readouterr().err
    assert "COURIER_HTTP_SECRET_TYPO is set, but" in said
    assert SECRET not in said
