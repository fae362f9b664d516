"""A parcel's page in a real browser: live without a reload, by keyboard, accessible, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from parcels.models import Status
from store import clock
from store.engine import Database
from tests.channels.house import House, serving
from tests.channels.test_parcel_page import NUMBER, scanned, stored
from tests.channels.test_web_page import SIZES, address, chromium

__all__ = ["address", "chromium"]
pytestmark = pytest.mark.slow


@pytest.fixture
def url(database: Database) -> Iterator[str]:
    with serving(House(database)) as served:
        yield served


def opened(chromium: Browser, address: str, size: str, locale: str) -> tuple[Page, list[str]]:
    width, height = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, locale=locale, reduced_motion="reduce"
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.goto(address)
    expect(page.locator("#live-text")).not_to_be_empty()
    return page, faults


def sound(page: Page) -> None:
    """Nothing that axe complains of, and nothing to scroll sideways for."""
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


LIVE = (Status.OUT_FOR_DELIVERY, Status.EXCEPTION, Status.AVAILABLE_FOR_PICKUP)


@pytest.mark.parametrize(("size", "locale"), [("phone", "zh-CN"), ("desktop", "en-GB")])
def test_the_page_is_live_and_accessible_in_every_state(
    chromium: Browser, database: Database, url: str, size: str, locale: str
) -> None:
    path = stored(database, eta_to=clock.now() - timedelta(hours=1), eta_from=None)
    page, faults = opened(chromium, url + path, size, locale)
    page.evaluate("window.here = true")
    sound(page)
    before = page.locator(".road li").count()
    for number, status in enumerate(LIVE):
        scanned(database, NUMBER, status=status, place=f"第 {number} 站")
        expect(page.locator(".road li")).to_have_count(before + number + 1)
        sound(page)
    assert page.evaluate("window.here"), "the page was loaded again"
    page.fill("#digits", "0000")
    page.press("#digits", "Enter")
    expect(page.locator("#private-wrong")).to_be_visible()
    expect(page.locator("#digits")).to_be_focused()
    sound(page)
    page.keyboard.type("7654")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#private dl")).to_contain_text("张三丰")
    sound(page)
    assert faults == []


def test_what_is_being_typed_outlives_news(chromium: Browser, database: Database, url: str) -> None:
    page, faults = opened(chromium, url + stored(database), "phone", "zh-CN")
    page.fill("#digits", "76")
    scanned(database, NUMBER, status=Status.OUT_FOR_DELIVERY, place="上海浦东网点")
    expect(page.locator("#headline")).to_have_text("正在派送")
    expect(page.locator("#digits")).to_have_value("76")
    expect(page.locator("#news")).to_have_text("正在派送")
    assert faults == []


def test_a_button_opens_the_chat_where_it_is_said(
    chromium: Browser, database: Database, url: str
) -> None:
    page, faults = opened(chromium, url + stored(database), "phone", "zh-CN")
    page.get_by_role("button", name="改时间").press("Enter")
    page.wait_for_url(url + "/")
    expect(page.locator(".mine .bubble")).to_have_text(f"我要改派送时间，单号{NUMBER}")
    assert NUMBER not in page.url
    assert faults == []
