"""A ticket's page in a real browser: live without a reload, by keyboard, accessible, on a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from store.engine import Database
from tests.channels.house import served
from tests.channels.progress_house import Desk, built
from tests.channels.test_parcel_page_browser import opened, sound
from tests.channels.test_web_page import address, chromium
from tickets.lifecycle import Change

__all__ = ["address", "chromium"]
pytestmark = pytest.mark.slow
PICTURES = os.environ.get("COURIER_TEST_PICTURES")
"""A folder for pictures of the pages, for whoever wants to look at them."""


@pytest.fixture
def page_of(database: Database) -> Iterator[tuple[Desk, str]]:
    desk = built(database)
    with served(desk.app) as url:
        yield desk, url


@pytest.mark.parametrize(
    ("size", "locale"),
    [("phone", "zh-CN"), ("desktop", "en-GB"), ("desktop", "zh-CN"), ("phone", "en-GB")],
)
def test_live_and_accessible_at_every_stage(
    chromium: Browser, page_of: tuple[Desk, str], size: str, locale: str
) -> None:
    desk, url = page_of
    page, faults = opened(chromium, url + desk.link, size, locale)

    def look(name: str) -> None:
        sound(page)
        if PICTURES:
            path = Path(PICTURES) / f"{name}-{size}-{locale[:2]}.png"
            page.screenshot(path=path, full_page=True)

    page.evaluate("window.here = true")
    look("accepted")
    page.fill("#tell", "外箱有脚印")
    desk.do(Change.PROPOSE, "全额赔付 300 元，今天到账。")
    agree = page.locator("button[value=agree]")
    expect(agree).to_be_visible()
    expect(page.locator("#tell")).to_have_value("外箱有脚印")
    look("proposed")
    assert page.evaluate("window.here"), "the page was loaded again"
    agree.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".steps .current")).to_have_count(1)
    expect(agree).to_have_count(0)
    desk.do(Change.CLOSE, "300 元已到账")
    expect(page.locator("button[value=unsolved]")).to_be_visible()
    look("closed")
    page.fill("#acts-why", "钱没到账")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("钱没到账")
    look("reopened")
    assert faults == []


@pytest.mark.parametrize(("size", "locale"), [("phone", "zh-CN"), ("desktop", "en-GB")])
def test_the_door_by_keyboard(
    chromium: Browser, page_of: tuple[Desk, str], size: str, locale: str
) -> None:
    desk, url = page_of
    width = {"phone": 390, "desktop": 1440}[size]
    context = chromium.new_context(viewport={"width": width, "height": 844}, locale=locale)
    page = context.new_page()
    page.goto(url + "/tickets/progress")
    page.locator("#number").focus()
    page.keyboard.type(desk.number)
    page.keyboard.press("Tab")
    page.keyboard.type("0000")
    page.keyboard.press("Enter")
    expect(page.locator("#door-fault")).to_be_visible()
    expect(page.locator("#number")).to_have_value(desk.number)
    sound(page)
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"door-{size}-{locale[:2]}.png", full_page=True)
    page.fill("#digits", "7654")
    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_be_visible()
    assert "7654" not in page.url
