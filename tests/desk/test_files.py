"""Files at the desk: shown safely to those who may see them, and sent with a reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot import app, settings
from conversations import attachments
from conversations import repository as record
from conversations.models import Attachment, Gone, Kind, Outbox
from store.errors import FileTooBig
from tests import samples
from tests.desk.test_cases import toast
from tests.desk.world import Browser, World

# What is looked at here does not depend on the engine.
pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


def taken(world: World, channel: str = "web") -> tuple[Browser, int]:
    """lili with a case that she holds."""
    case_id = world.hand_over(world.say("ann", "请看照片", channel=channel))
    lili = world.signed_in("lili")
    assert lili.call(f"/api/cases/{case_id}/take").status_code == 200
    return lili, case_id


def send(browser: Browser, case_id: int, data: bytes, name: str = "label.png", **form: str) -> Any:
    return browser.client.post(
        f"/desk/cases/{case_id}/reply",
        data={"csrf": browser.csrf, "text": ""} | form,
        files={"file": (name, data, "image/png")},
        headers={"HX-Request": "true"},
    )


def last_message(world: World, case_id: int) -> Any:
    with world.database.read() as session:
        return record.messages(session, world.case(case_id).conversation_id)[-1]


# What a customer sent


def test_a_photo_is_shown_in_the_thread_and_its_label_is_not(world: World) -> None:
    lili, case_id = taken(world)
    file_id = world.photo_beside(case_id)
    page = lili.get(f"/desk/cases/{case_id}").text
    assert f'<img src="/desk/files/{file_id}" alt="box.png"' in page
    assert '<p class="text" dir="auto">[图片]</p>' not in page
    answer = lili.get(f"/desk/files/{file_id}")
    assert answer.content == samples.PHOTO
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == 'inline; filename="box.png"'
    assert answer.headers["cache-control"].startswith("private")


@pytest.mark.parametrize("data", [samples.PAGE, samples.DRAWING, samples.PDF])
def test_what_might_run_is_only_offered_for_saving(world: World, data: bytes) -> None:
    lili, case_id = taken(world)
    file_id = world.photo_beside(case_id, data, '"><script>.html')
    answer = lili.get(f"/desk/files/{file_id}")
    assert answer.content == data
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    page = lili.get(f"/desk/cases/{case_id}").text
    assert f'<a href="/desk/files/{file_id}" download>' in page
    assert "<script>.html" not in page


def test_a_part_of_a_video_is_served_where_a_player_asks_for_it(world: World) -> None:
    lili, case_id = taken(world)
    file_id = world.photo_beside(case_id, samples.VIDEO, "箱子.mp4")
    part = lili.get(f"/desk/files/{file_id}", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert "filename*=utf-8''%E7%AE%B1%E5%AD%90.mp4" in part.headers["content-disposition"]


@pytest.mark.parametrize("reason", list(Gone))
def test_a_file_that_never_came_says_why_in_both_languages(world: World, reason: Gone) -> None:
    lili, case_id = taken(world)
    file_id = world.photo_beside(case_id)
    with world.database.write() as session:
        row = session.get_one(Attachment, file_id)
        attachments.gone(row, reason)
        row.sha256 = None
    for language, words in (("zh", "没有收到"), ("en", "Could not be fetched")):
        page = lili.get(f"/desk/cases/{case_id}", headers={"Accept-Language": language}).text
        assert words in page
    assert lili.get(f"/desk/files/{file_id}").status_code == 404


def test_the_thread_changes_when_a_file_has_come(world: World) -> None:
    lili, case_id = taken(world)
    file_id = world.photo_beside(case_id)
    address = f"/desk/cases/{case_id}/thread"
    version = lili.get(address).text.partition('id="thread-version" name="seen" value="')[2][:16]
    assert lili.get(address, params={"seen": version}).status_code == 204
    with world.database.write() as session:
        attachments.gone(session.get_one(Attachment, file_id), Gone.EXPIRED)
    assert lili.get(address, params={"seen": version}).status_code == 200


@pytest.mark.parametrize("file_id", ["0", "999999", "x", "99999999999999999999"])
def test_an_unknown_file_is_a_sentence(world: World, file_id: str) -> None:
    assert world.signed_in("chen").get(f"/desk/files/{file_id}").status_code in {404, 422}


def test_the_packet_lists_a_customers_files(world: World) -> None:
    conversation_id = world.say("ann", "请看照片")
    case_id = world.hand_over(conversation_id)
    file_id = world.photo_beside(case_id)
    world.hand_over(conversation_id)  # renews the packet
    transcript = world.signed_in("lili").get(f"/api/cases/{case_id}/packet").json()["transcript"]
    assert transcript[-1]["attachments"] == [
        {"kind": "photo", "name": "box.png", "size": len(samples.PHOTO),
         "address": f"/desk/files/{file_id}"}
    ]  # fmt: skip


# What an agent sends


def test_a_file_leaves_with_a_reply_by_the_outbox(world: World) -> None:
    lili, case_id = taken(world)
    answer = send(lili, case_id, samples.PHOTO, text="请看面单")
    assert answer.status_code == 200
    assert "请看面单" in answer.text
    assert 'alt="label.png"' in answer.text
    message = last_message(world, case_id)
    assert (message.kind, message.text) == (Kind.IMAGE, "请看面单")
    with world.database.read() as session:
        assert session.query(Outbox).filter_by(message_id=message.id).count() == 1
        (file,) = record.attachments(session, [message.id])
        assert world.desk.files.path(file.sha256 or "").read_bytes() == samples.PHOTO


def test_a_file_needs_no_words_and_sent_twice_arrives_once(world: World) -> None:
    lili, case_id = taken(world)
    for _ in range(2):
        assert send(lili, case_id, samples.PDF, "账单.pdf", key="one").status_code == 200
    assert last_message(world, case_id).text == ""
    with world.database.read() as session:
        messages = record.messages(session, world.case(case_id).conversation_id)
        assert len(record.attachments(session, [m.id for m in messages])) == 1


def test_a_program_sends_a_file_once_however_often_it_says_so(world: World) -> None:
    lili, case_id = taken(world)
    address, headers = f"/api/cases/{case_id}/reply", {"x-csrf-token": lili.csrf}
    form = {"text": "请看面单", "key": "one"}
    for repeated in (False, True):
        file = {"file": ("label.png", samples.PHOTO)}
        answer = lili.client.post(address, data=form, files=file, headers=headers)
        assert (answer.status_code, answer.json()["repeated"]) == (200, repeated)
    refused = {"file": ("label.png", samples.PROGRAM)}
    assert lili.client.post(address, data={}, files=refused, headers=headers).status_code == 415
    assert lili.client.post(address, data=form, files=file).status_code == 403
    message = last_message(world, case_id)
    assert (message.kind, message.text) == (Kind.IMAGE, "请看面单")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text": 7}', b'{"text": "\xff"}'])
def test_a_program_is_told_what_is_no_reply(world: World, body: bytes) -> None:
    lili, case_id = taken(world)
    headers = {"x-csrf-token": lili.csrf, "content-type": "application/json"}
    answer = lili.client.post(f"/api/cases/{case_id}/reply", content=body, headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize("form", [{}, {"text": "您好"}])
def test_an_empty_file_field_is_no_file(world: World, form: dict[str, str]) -> None:
    lili, case_id = taken(world)
    answer = send(lili, case_id, b"", "", **form)
    assert answer.status_code == (200 if form else 422)


def test_a_kind_that_is_not_taken_is_refused_with_a_sentence(world: World) -> None:
    lili, case_id = taken(world)
    before = last_message(world, case_id).id
    answer = send(lili, case_id, samples.PROGRAM, "label.png")
    assert answer.status_code == 415
    assert toast(answer).startswith("这种文件不能发")
    assert last_message(world, case_id).id == before


def test_a_document_for_wechat_is_refused_before_it_is_queued(world: World) -> None:
    lili, case_id = taken(world, "wechat")
    page = lili.get(f"/desk/cases/{case_id}").text
    assert "收不了文档" in page
    assert 'accept="image/jpeg,image/png,image/gif,audio/amr,audio/mpeg,video/mp4"' in page
    before = last_message(world, case_id).id
    answer = send(lili, case_id, samples.PDF, "label.png")
    assert answer.status_code == 422
    assert toast(answer).startswith("客户用的渠道收不了这种文件")
    assert last_message(world, case_id).id == before
    assert send(lili, case_id, samples.PHOTO).status_code == 200


def test_a_channel_without_files_says_so(world: World) -> None:
    lili, case_id = taken(world, "telegram")  # not switched on here
    assert "客户用的渠道收不了文件" in lili.get(f"/desk/cases/{case_id}").text
    assert send(lili, case_id, samples.PHOTO).status_code == 422


def test_a_key_that_no_page_makes_is_refused(world: World) -> None:
    lili, case_id = taken(world)
    assert send(lili, case_id, samples.PHOTO, key="k" * 65).status_code == 422


def test_a_file_without_the_pages_token_or_case_changes_nothing(world: World) -> None:
    lili, case_id = taken(world)
    before = last_message(world, case_id).id
    assert send(lili, case_id, samples.PHOTO, csrf="a-guess").status_code == 403
    assert send(world.signed_in("wangwei"), case_id, samples.PHOTO).status_code == 409
    nobody = send(Browser(world.client(), ""), case_id, samples.PHOTO)
    assert nobody.headers["hx-redirect"] == "/desk/login"
    assert last_message(world, case_id).id == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("application/json", b"{}"),
        ("text/plain", b"text=hello"),
    ],
)
def test_what_is_no_form_is_refused(world: World, kind: str, body: bytes) -> None:
    lili, case_id = taken(world)
    answer = lili.client.post(
        f"/desk/cases/{case_id}/reply",
        content=body,
        headers={"content-type": kind, "x-csrf-token": lili.csrf},
    )
    assert answer.status_code == 422


def test_a_file_too_big_is_not_read_to_its_end(world: World) -> None:
    lili, case_id = taken(world)
    read = 0

    def endless() -> Any:
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while read < 4 * world.desk.files.most:
            read += 1 << 16
            yield bytes(1 << 16)

    async def body() -> AsyncIterator[bytes]:
        for chunk in endless():
            yield chunk

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=world.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:
            return await http.post(
                f"/desk/cases/{case_id}/reply",
                content=body(),
                headers={
                    "content-type": "multipart/form-data; boundary=x",
                    "cookie": "; ".join(f"{k}={v}" for k, v in lili.client.cookies.items()),
                },
            )

    answer = asyncio.run(ask())
    assert answer.status_code == FileTooBig.status
    assert "文件超过 20 MB" in answer.text
    assert read <= world.desk.files.most + (1 << 18)


async def test_a_reply_and_an_upload_may_be_as_long_as_a_file(tmp_path: Path, address: str) -> None:
    given = {"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address}
    service = app.create(settings.load(given))
    parts = service.state.service
    transport = httpx.ASGITransport(app=service, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as http:

        async def status(path: str, length: int) -> int:
            body = b"x" * 10  # what is announced decides
            return (
                await http.post(path, content=body, headers={"content-length": str(length)})
            ).status_code

        assert await status("/desk/login", 2 << 20) == 413
        assert await status("/desk/cases/1/note", 2 << 20) == 413
        assert await status("/desk/cases/1/reply", parts.files.most) == 303
        assert await status("/api/cases/1/reply", parts.files.most) == 401
        assert await status("/chat/files", parts.files.most) == 401
        assert await status("/chat/messages", 2 << 20) == 413
        assert await status("/chat/files", parts.files.most + (2 << 20)) == 413
        assert await status("/desk/cases/1/reply", parts.files.most + (2 << 20)) == 413
    parts.database.dispose()
