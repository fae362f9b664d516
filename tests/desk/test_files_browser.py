"""Files at the desk in a real browser: seen, sent, refused; wide and on a phone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from conversations import attachments
from conversations.models import Attachment, FileState, Gone
from tests import samples
from tests.desk.test_browser import PHONE, WIDE, assert_accessible, at_desk, chromium
from tests.desk.world import World, serving

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]
BOX = samples.picture(640, 420)
PICTURES = os.environ.get("PICTURES", "")
"""A folder where the pages are kept as pictures, for a person to look at."""


def photograph(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def shown(page: Page, selector: str) -> bool:
    """Whether a picture has really been loaded."""
    return bool(page.locator(selector).last.evaluate("i => i.complete && i.naturalWidth > 0"))


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_files_of_every_kind_and_state_are_shown_accessibly(
    world: World, chromium: Browser, language: str, size: tuple[int, int]
) -> None:
    case_id = world.waiting("visitor-1", "箱子压坏了，请看照片")
    world.photo_beside(case_id, BOX, "箱子.png")
    world.photo_beside(case_id, samples.VOICE, "")
    world.photo_beside(case_id, samples.VIDEO, "开箱.mp4")
    world.photo_beside(case_id, samples.PDF, "购买凭证（2026 年 2 月）.pdf")
    coming, lost = world.photo_beside(case_id, BOX, "第二张.png"), world.photo_beside(case_id)
    with world.database.write() as session:
        session.get_one(Attachment, coming).state = FileState.FETCHING
        attachments.gone(session.get_one(Attachment, lost), Gone.TOO_BIG)
    world.signed_in("lili").press(f"/desk/cases/{case_id}/take")
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "lili", language=language, size=size) as page,
    ):
        page.goto(f"/desk/cases/{case_id}")
        expect(page.locator(".file video")).to_be_attached()
        assert shown(page, ".file.photo img")
        assert_accessible(page)
        photograph(page, f"thread-{language}-{size[0]}")
        page.set_input_files(
            "[type=file]", {"name": "面单.png", "mimeType": "image/png", "buffer": BOX}
        )
        expect(page.locator(".chosen")).to_contain_text("面单.png")
        assert_accessible(page)
        page.locator("#scroll").evaluate("e => e.scrollTop = 0")
        photograph(page, f"attached-{language}-{size[0]}")


def test_a_picture_is_attached_taken_back_and_sent(world: World, chromium: Browser) -> None:
    case_id = world.waiting()
    world.signed_in("lili").press(f"/desk/cases/{case_id}/take")
    box: FilePayload = {"name": "面单.png", "mimeType": "image/png", "buffer": BOX}
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto(f"/desk/cases/{case_id}")
        field, chosen = page.locator("[type=file]"), page.locator(".chosen")
        field.set_input_files(box)
        expect(chosen).to_be_visible()
        page.click("[data-detach]")
        expect(chosen).to_be_hidden()
        assert field.evaluate("f => f.files.length") == 0
        field.set_input_files(box)
        page.locator("#reply-text").press("Enter")  # no words needed
        expect(page.locator(".said.agent .file img")).to_be_visible()
        expect(chosen).to_be_hidden()
        assert field.evaluate("f => f.files.length") == 0
        page.fill("#reply-text", "这是面单")
        page.keyboard.press("Enter")
        expect(page.locator(".said.agent .text")).to_have_text("这是面单")
        expect(page.locator(".said.agent .file img")).to_have_count(1)
        with page.expect_popup() as popup:
            page.click(".said.agent .file a")
        assert re.search(r"/desk/files/\d+$", popup.value.url)
        assert popup.value.evaluate("document.images[0].naturalWidth") == 640


def test_a_picture_from_the_clipboard_is_attached(world: World, chromium: Browser) -> None:
    case_id = world.waiting()
    world.signed_in("lili").press(f"/desk/cases/{case_id}/take")
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto(f"/desk/cases/{case_id}")
        page.locator("#reply-text").evaluate(
            """(area, bytes) => {
              const clipboardData = new DataTransfer();
              const file = new File([new Uint8Array(bytes)], "image.png", { type: "image/png" });
              clipboardData.items.add(file);
              area.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
            }""",
            list(samples.PHOTO),
        )
        expect(page.locator(".chosen")).to_contain_text("image.png")


def test_what_the_channel_cannot_carry_is_said_before_anything_is_sent(
    world: World, chromium: Browser
) -> None:
    case_id = world.hand_over(world.say("gao", "您好", channel="wechat"))
    world.signed_in("lili").press(f"/desk/cases/{case_id}/take")
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"/desk/cases/{case_id}")
        field = page.locator("[type=file]")
        for name, kind, size, words in (
            ("账单.pdf", "application/pdf", 10, "收不了文档"),
            ("大图.png", "image/png", 11 << 20, "文件超过 10 MB"),
        ):
            field.set_input_files({"name": name, "mimeType": kind, "buffer": bytes(size)})
            expect(page.locator(".toast.bad").last).to_contain_text(words)
            expect(page.locator(".chosen")).to_be_hidden()
        assert not any(address.endswith("/reply") for address in asked)


def test_a_file_that_comes_later_appears_without_a_reload(world: World, chromium: Browser) -> None:
    case_id = world.waiting()
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto(f"/desk/cases/{case_id}")
        file_id = world.photo_beside(case_id, BOX)
        topic = f"conversation:{world.case(case_id).conversation_id}"
        with world.database.write() as session:
            session.get_one(Attachment, file_id).state = FileState.FETCHING
            world.desk.live.after_commit(session, topic)
        expect(page.locator(".file")).to_contain_text("正在接收")
        with world.database.write() as session:
            row = session.get_one(Attachment, file_id)
            attachments.stored(row, world.desk.files.keep(BOX))
            world.desk.live.after_commit(session, topic)
        expect(page.locator(".file.photo img")).to_be_visible()
