"""Files that an agent sends, on the customers' page in a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from conversations.schemas import Upload
from tests import samples
from tests.channels.house import House
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
PICTURES = os.environ.get("PICTURES", "")
"""A folder where the pages are kept as pictures, for a person to look at."""


def loaded(page: Page) -> bool:
    return bool(page.locator(".file img").evaluate("i => i.complete && i.naturalWidth > 0"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_files_are_shown_or_offered_accessibly(
    house: House, open_page: Open, locale: str, size: str
) -> None:
    page = open_page(locale, size)
    send(page, "我的发票呢 / my invoice?")
    expect(page.locator(".bubble")).to_have_count(2)
    conversation_id = house.inbox_rows()[0].conversation_id
    for words, name, data in (
        ("这是面单照片", "面单.png", samples.picture(640, 420)),
        ("", "", samples.VOICE),
        ("", "电子发票.pdf", samples.PDF),
    ):
        house.send(conversation_id, words, Upload(name, house.files.keep(data)))
    expect(page.locator(".file")).to_have_count(3)
    expect(page.locator(".file img")).to_be_visible()
    page.wait_for_function("document.querySelector('.file img').naturalWidth > 0")
    assert loaded(page)
    expect(page.locator(".file audio")).to_be_visible()
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".file a").last.bounding_box()["height"] >= 44  # type: ignore[index]
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"page-{locale}-{size}.png")
    with page.expect_download() as download:
        page.click(".file a >> text=电子发票.pdf")
    assert download.value.suggested_filename == "电子发票.pdf"
    page.reload()  # the record has them too
    expect(page.locator(".file")).to_have_count(3)
