"""Files that visitors send from the page: the bytes first, then a message that names them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.channels.web import uploads
from bot.channels.web.limits import Limits, Rate
from bot.channels.web.sites import Sites, WidgetPolicy
from conversations.files import UNKNOWN, FileRules, Files
from conversations.models import Attachment, Kind, Message
from store import clock
from store.engine import Database
from tests import samples
from tests.channels.house import House, client, until
from tests.channels.test_web import begin, history
from tests.channels.test_widget import LOOK

At = Callable[[datetime], None]
ORIGIN = "https://shop.example.com"


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with client(house.app()) as opened:
        yield opened


async def upload(http: httpx.AsyncClient, data: bytes = samples.PHOTO, **headers: str) -> Any:
    return await http.post(uploads.PATH, content=data, headers=headers)


async def say(
    http: httpx.AsyncClient, *files: tuple[str, str], text: str = "", number: str = "m-000001"
) -> httpx.Response:
    named = [{"id": upload_id, "name": name} for upload_id, name in files]
    return await http.post("/chat/messages", json={"id": number, "text": text, "files": named})


async def test_a_picture_goes_with_its_words(house: House, http: httpx.AsyncClient) -> None:
    await begin(http)
    async with house.at_work():
        sent = await upload(http)
        assert (sent.status_code, sent.json()["kind"]) == (201, "photo")
        files = [
            (sent.json()["id"], "../箱子.png"),
            ((await upload(http, samples.PDF)).json()["id"], "账单.pdf"),
        ]
        for _ in range(2):  # an answer may be lost: the same id is the same message
            assert (await say(http, *files, text="压坏了")).status_code == 202
        await until(house.outbox_rows)
    with house.database.read() as session:
        message = session.query(Message).order_by(Message.id).first()
        assert message is not None
        assert (message.kind, message.text) == (Kind.IMAGE, "[图片] [文件] 账单.pdf\n压坏了")
        assert session.query(Attachment).count() == 2
    shown = (await history(http))["messages"][0]
    assert shown["text"] == "压坏了"
    assert [(f["kind"], f["name"]) for f in shown["files"]] == [
        ("photo", "箱子.png"), ("document", "账单.pdf"),
    ]  # fmt: skip
    assert (await http.get(shown["files"][0]["address"])).content == samples.PHOTO


async def test_the_same_bytes_uploaded_twice_are_one_file(
    house: House, http: httpx.AsyncClient
) -> None:
    await begin(http)
    for number in ("m-000001", "m-000002"):
        sent = (await upload(http)).json()
        assert (await say(http, (sent["id"], "a.png"), number=number)).status_code == 202
    first, second = house.attachments()
    assert first.sha256 == second.sha256


async def test_another_visitor_cannot_send_or_see_my_file(
    house: House, http: httpx.AsyncClient
) -> None:
    await begin(http)
    mine = (await upload(http)).json()["id"]
    async with client(house.app()) as other:
        await begin(other)
        assert (await say(other, (mine, "a.png"))).status_code == 410
        assert house.inbox_rows() == []
        assert (await say(http, (mine, "a.png"))).status_code == 202
        assert (await other.get(f"/chat/files/{house.attachments()[0].id}")).status_code == 404
        assert (await http.get(f"/chat/files/{house.attachments()[0].id}")).status_code == 200


@pytest.mark.parametrize("number", ["", "x", "a b c d", "é" * 40, "x" * 401])
async def test_a_made_up_id_is_refused(house: House, http: httpx.AsyncClient, number: str) -> None:
    await begin(http)
    assert (await say(http, (number, "a.png"))).status_code in {410, 422}
    assert house.inbox_rows() == []


async def test_an_id_whose_content_was_changed_is_refused(
    house: House, http: httpx.AsyncClient
) -> None:
    await begin(http)
    mine = (await upload(http)).json()["id"]
    other = house.files.keep(samples.PDF).sha256
    forged = mine.replace(mine.split(" ")[0], other)
    assert (await say(http, (forged, "a.pdf"))).status_code == 410


async def test_an_upload_can_be_sent_until_it_is_swept(
    house: House, http: httpx.AsyncClient, at: At
) -> None:
    await begin(http)
    mine = (await upload(http)).json()["id"]
    at(clock.now() + uploads.VALID)
    assert (await say(http, (mine, "a.png"))).status_code == 202
    at(clock.now() + timedelta(seconds=1))
    gone = await say(http, (mine, "a.png"), number="m-000002")
    assert (gone.status_code, gone.json()["error"]) == (410, "upload_gone")


async def test_without_a_session_or_from_another_site_nothing_is_kept(
    house: House, http: httpx.AsyncClient
) -> None:
    assert (await upload(http)).status_code == 401
    await begin(http)
    assert (await upload(http, origin="https://evil.example")).status_code == 403
    assert (await upload(http, authorization="Bearer shop.forged")).status_code == 401
    assert not list(house.files.path("00").parent.parent.rglob("*"))


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        (b"", 422, "invalid"),
        (samples.PROGRAM, 415, "file_not_allowed"),
        (bytes(1 << 10), 415, "file_not_allowed"),
    ],
)
async def test_what_is_not_taken_is_refused_with_a_sentence(
    http: httpx.AsyncClient, data: bytes, status: int, error: str
) -> None:
    await begin(http)
    answer = await upload(http, data, **{"content-type": "image/png"})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["message"]


async def test_a_page_that_runs_is_kept_as_the_text_it_is_and_only_saved(
    house: House, http: httpx.AsyncClient
) -> None:
    await begin(http)
    sent = (await upload(http, samples.PAGE, **{"content-type": "text/html"})).json()
    await say(http, (sent["id"], "a.html"))
    file = await http.get(f"/chat/files/{house.attachments()[0].id}")
    assert file.headers["content-type"] == UNKNOWN
    assert file.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("announced", [True, False])
async def test_more_than_is_taken_is_not_read_to_its_end(
    database: Database, tmp_path: Any, announced: bool
) -> None:
    house = House(database, files=Files(tmp_path, FileRules(max_megabytes=1, allowed=("*",))))
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1 << 16
            yield bytes(1 << 16)

    async with client(house.app()) as http:
        await begin(http)
        length = {"content-length": str(4 << 20)} if announced else {}
        answer = await http.post(uploads.PATH, content=body(), headers=length)
    assert answer.status_code == 413
    assert "1 MB" in answer.json()["message"]
    assert read <= (0 if announced else (1 << 20) + (1 << 17))


async def test_a_visitor_may_upload_so_many_an_hour(
    database: Database, tmp_path: Any, at: At
) -> None:
    rules = FileRules(max_megabytes=1, uploads_per_hour=2, allowed=("*",))
    house = House(database, files=Files(tmp_path, rules))
    async with client(house.app()) as http, client(house.app()) as other:
        await begin(http)
        await begin(other)
        assert [(await upload(http)).status_code for _ in range(3)] == [201, 201, 429]
        assert "2" in (await upload(http)).json()["message"]
        assert (await upload(other)).status_code == 201
        at(clock.now() + timedelta(minutes=31))
        assert (await upload(http)).status_code == 201


async def test_an_address_may_send_so_much(database: Database) -> None:
    house = House(database, limits=Limits(megabytes_per_address=Rate(2, 0.001)))
    async with client(house.app()) as http:
        statuses = []
        for _ in range(3):  # a new visitor each time
            http.cookies.clear()
            await begin(http)
            statuses.append((await upload(http, samples.PDF)).status_code)
    assert statuses == [201, 201, 429]


async def test_too_many_files_beside_a_message_are_refused(http: httpx.AsyncClient) -> None:
    await begin(http)
    mine = (await upload(http)).json()["id"]
    assert (await say(http, *[(mine, "a.png")] * 7)).status_code == 422
    assert (await say(http, *[(mine, "a.png")] * 6)).status_code == 202


async def test_nothing_at_all_is_no_message(http: httpx.AsyncClient) -> None:
    await begin(http)
    assert (await say(http)).status_code == 422


async def test_a_visitor_of_a_website_sends_by_his_token(database: Database) -> None:
    sites = Sites(WidgetPolicy.model_validate({"keys": {"shop": {"sites": [ORIGIN], **LOOK}}}), {})
    house = House(database, sites=sites)
    async with client(house.app()) as http:
        token = (await http.post("/widget/shop/session")).json()["token"]
        http.headers["authorization"] = f"Bearer {token}"
        sent = (await upload(http)).json()
        assert (await say(http, (sent["id"], "a.png"))).status_code == 202
        del http.headers["authorization"]
        await begin(http)
        assert (await say(http, (sent["id"], "a.png"), number="m-000002")).status_code == 410
