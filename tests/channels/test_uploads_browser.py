"""Files that a customer adds on the page and in the widget, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, Route, expect

from tests import samples
from tests.channels.house import House
from tests.channels.test_web_files import PICTURES
from tests.channels.test_web_page import (
    SIZES,
    Open,
    address,
    chromium,
    house,
    open_page,
    send,
    url,
)

__all__ = ["address", "chromium", "house", "open_page", "url"]
pytestmark = pytest.mark.slow

PHOTO = FilePayload(name="压坏的箱子.png", mimeType="image/png", buffer=samples.picture(640, 420))
BILL = FilePayload(name="invoice-2026-11.pdf", mimeType="application/pdf", buffer=samples.PDF)
PROGRAM = FilePayload(name="setup.exe", mimeType="image/png", buffer=samples.PROGRAM)

# Gives the page a file as a mouse or the clipboard does: [event, name, type, bytes, beside it].
GIVE = """(event, how) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(how.bytes)], "shot.png", { type: "image/png" }));
  if (how.text) data.setData("text/plain", how.text);
  const where = document.querySelector("#words");
  for (const name of how.events)
    where.dispatchEvent(name === "paste"
      ? new ClipboardEvent(name, { clipboardData: data, bubbles: true, cancelable: true })
      : new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def give(page: Page, *events: str, text: str = "") -> None:
    how = {"bytes": list(samples.PHOTO), "events": events, "text": text}
    page.evaluate(f"how => ({GIVE})(null, how)", how)


def add(page: Page, *files: FilePayload) -> None:
    page.set_input_files("#pick", list(files))


def clean(page: Page) -> None:
    page.wait_for_timeout(300)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_a_file_is_added_sent_and_shown_accessibly(
    house: House, open_page: Open, locale: str, size: str
) -> None:
    page = open_page(locale, size)
    with page.expect_file_chooser() as chooser:
        page.click("#attach")
    chooser.value.set_files([PHOTO, BILL])
    expect(page.locator("#tray [data-state=ready]")).to_have_count(2)
    add(page, PROGRAM)
    expect(page.locator("#tray [data-state=failed]")).to_have_count(1)
    clean(page)
    picture(page, f"tray-{locale}-{size}")
    page.click("#send")  # not with a file that cannot be sent: said, and the way out has the focus
    expect(page.locator("#tray li").last.locator("button").last).to_be_focused()
    page.locator("#tray li").last.locator("button").last.press("Enter")
    expect(page.locator("#tray li")).to_have_count(2)
    send(page, "箱子压坏了 / the box is crushed")
    expect(page.locator("#tray")).to_be_hidden()
    expect(page.locator(".mine .file")).to_have_count(2)
    expect(page.locator(".theirs")).to_have_count(1)
    expect(page.locator(".mine .file img")).to_have_js_property("naturalWidth", 640)
    clean(page)
    picture(page, f"sent-{locale}-{size}")
    with page.expect_download() as download:
        page.click(".file a >> text=invoice-2026-11.pdf")
    assert download.value.path().read_bytes() == samples.PDF
    page.reload()  # the record has them too, and says the words alone
    expect(page.locator(".mine .file img")).to_have_js_property("naturalWidth", 640)
    expect(page.locator(".mine .bubble")).to_contain_text("箱子压坏了 / the box is crushed")
    expect(page.locator(".mine .bubble")).not_to_contain_text("[")
    assert len(house.attachments()) == 2


def test_a_picture_is_pasted_or_dropped_but_not_with_text(house: House, open_page: Open) -> None:
    page = open_page()
    give(page, "paste")
    expect(page.locator("#tray li")).to_have_count(1)
    give(page, "paste", text="a table of figures")
    expect(page.locator("#tray li")).to_have_count(1)
    give(page, "dragenter", "dragover")
    expect(page.locator("#drop")).to_be_visible()
    give(page, "drop")
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("#tray [data-state=ready]")).to_have_count(2)
    page.press("#words", "Enter")  # a file needs no words
    expect(page.locator(".mine .file img")).to_have_count(2)
    expect(page.locator(".theirs")).to_have_count(1)


def test_what_cannot_be_sent_is_said_with_its_limit(house: House, open_page: Open) -> None:
    page = open_page()
    page.evaluate("""() => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(21 << 20)], "film.mp4", { type: "video/mp4" }));
      data.items.add(new File([], "nothing.png", { type: "image/png" }));
      const pick = document.getElementById("pick");
      pick.files = data.files;
      pick.dispatchEvent(new Event("change"));
    }""")
    expect(page.locator("#tray small")).to_have_text(
        ["这个文件超过 20 MB 了，请压缩后再发。", "这个文件是空的，请换一个。"]
    )
    add(page, *[BILL] * 5)
    expect(page.locator("#tray li")).to_have_count(6)
    expect(page.locator("#tray-news")).to_have_text("一条消息最多带 6 个文件。")


def test_files_added_offline_are_sent_once_and_in_order(house: House, open_page: Open) -> None:
    page = open_page()
    send(page, "一")
    expect(page.locator(".theirs")).to_have_count(1)
    page.context.set_offline(True)
    add(page, PHOTO)
    expect(page.locator("#tray [data-state=waiting]")).to_have_count(1)
    send(page, "照片")
    send(page, "三")
    expect(page.locator("[data-state=queued]")).to_have_count(2)
    page.context.set_offline(False)
    expect(page.locator(".theirs")).to_have_count(3, timeout=20_000)
    said = [text for author, text in house.record() if author == "customer"]
    assert said == ["一", "[图片]\n照片", "三"]
    assert len(house.attachments()) == 1


def test_an_upload_can_be_cancelled_and_is_tried_again_by_itself(
    house: House, open_page: Open
) -> None:
    page = open_page()
    held: list[Route] = []
    page.route("**/chat/files", lambda route: held.append(route))
    add(page, PHOTO)
    expect(page.locator("#tray [data-state=up]")).to_have_count(1)
    page.locator("#tray button").last.click()
    expect(page.locator("#tray")).to_be_hidden()
    add(page, BILL)
    send(page, "发票")
    discard = page.locator(".mine .meta button")
    expect(discard).to_have_text("删除")
    discard.click()
    expect(page.locator(".mine")).to_have_count(0)
    page.unroute("**/chat/files")
    page.route("**/chat/files", lambda route: route.abort(), times=1)
    add(page, PHOTO)
    expect(page.locator("#tray [data-state=waiting]")).to_have_count(1)
    expect(page.locator("#tray [data-state=ready]")).to_have_count(1, timeout=15_000)
    page.click("#send")
    expect(page.locator(".theirs")).to_have_count(1)
    assert [row.name for row in house.attachments()] == ["压坏的箱子.png"]


def test_an_upload_that_is_gone_is_made_once_more(house: House, open_page: Open) -> None:
    page = open_page()
    add(page, PHOTO)
    expect(page.locator("#tray [data-state=ready]")).to_have_count(1)

    def too_late(route: Route) -> None:
        route.fulfill(status=410, body=json.dumps({"error": "upload_gone", "message": ""}))

    page.route("**/chat/messages", too_late, times=1)
    page.click("#send")
    expect(page.locator(".theirs")).to_have_count(1)
    assert len(house.attachments()) == 1


def test_a_file_that_was_not_uploaded_before_a_reload_is_not_lost_in_silence(
    house: House, open_page: Open
) -> None:
    page = open_page()
    page.context.set_offline(True)
    add(page, PHOTO)
    send(page, "照片")
    expect(page.locator("[data-state=queued]")).to_have_count(1)
    page.route("**/chat/files", lambda route: route.abort())
    page.context.set_offline(False)
    page.reload()
    expect(page.locator("[data-state=failed]")).to_contain_text("请重新选择")
    assert house.inbox_rows() == []
