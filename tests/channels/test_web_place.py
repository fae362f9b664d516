"""Where the customer is: told only after a click, and refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from conversations.models import Kind, Message
from parcels import timeline
from tests.channels.house import House
from tests.channels.test_uploads_browser import clean
from tests.channels.test_web_files import PICTURES
from tests.channels.test_web_page import (
    SIZES,
    Open,
    address,
    bubbles,
    chromium,
    house,
    open_page,
    url,
)

__all__ = ["address", "chromium", "house", "open_page", "url"]
pytestmark = pytest.mark.slow

DENIED = {
    "zh-CN": "浏览器没有允许定位。您可以在浏览器设置里打开，或者直接告诉我城市和附近的路名。",
    "en-US": "Your browser did not allow it. You can change that in its settings, "
    "or tell me the city and a street nearby.",
}
NO_ANSWER = """() => { navigator.geolocation.getCurrentPosition =
  (_, failed, { timeout }) => timeout === 10000 && failed({ code: 3 }) }"""


def told(house: House) -> list[Message]:
    with house.database.read() as session:
        return list(session.query(Message).filter_by(kind=Kind.LOCATION))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_a_place_is_told_by_a_click_and_never_before(
    house: House, open_page: Open, locale: str, size: str
) -> None:
    page = open_page(locale, size)
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"latitude": 30.2741234, "longitude": 120.1551234})
    page.reload()
    clean(page)
    assert told(house) == []
    button = page.locator("#here")
    button.focus()
    page.keyboard.press("Enter")
    word = "[位置]" if locale == "zh-CN" else "[location]"
    expect(page.locator(".bubble").first).to_have_text(word)
    expect(page.locator(".bubble")).to_have_count(2)  # answered
    (message,) = told(house)
    assert message.text == f"{word} 30.27412, 120.15512"
    assert message.payload["point"] == [30.2741234, 120.1551234]
    expect(page.locator("#tray-news")).to_have_text("")
    clean(page)
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"place-{locale}-{size}.png")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_a_denied_place_is_said_in_words(
    house: House, open_page: Open, locale: str, size: str
) -> None:
    page = open_page(locale, size)
    page.click("#here")
    expect(page.locator("#tray-news")).to_have_text(DENIED[locale])
    expect(page.locator("#tray-news")).to_be_visible()
    expect(page.locator("#here")).to_have_attribute("aria-busy", "false")
    clean(page)
    assert told(house) == []
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"place-denied-{locale}-{size}.png")


def test_a_device_that_cannot_tell_or_takes_too_long_is_said_in_words(
    house: House, open_page: Open
) -> None:
    page = open_page()
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation(None)  # Chromium: position unavailable
    page.click("#here")
    expect(page.locator("#tray-news")).to_contain_text("暂时定不了位")
    page.evaluate(NO_ANSWER)
    page.click("#here")
    expect(page.locator("#tray-news")).to_contain_text("请再点一次")
    assert told(house) == []
    assert bubbles(page) == []


@pytest.fixture
def visitor(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Origin": url}, trust_env=False) as client:
        client.post("/chat/session")
        yield client


@pytest.mark.parametrize(
    "point", [[91, 0], [0, 181], [float("nan"), 0], [1], [1, 2, 3], ["1", "2"], {"a": 1}, "here"]
)
def test_no_place_on_earth_is_refused(house: House, visitor: httpx.Client, point: object) -> None:
    body = json.dumps({"id": "0123456789", "text": "", "point": point})
    headers = {"Content-Type": "application/json"}
    assert visitor.post("/chat/messages", content=body, headers=headers).status_code == 422
    assert told(house) == []


def test_only_our_own_page_may_ask_the_browser(visitor: httpx.Client) -> None:
    def policy(path: str) -> str:
        return str(visitor.get(path).headers["permissions-policy"])

    assert policy("/") == "camera=(), microphone=(), geolocation=(self)"
    assert (
        policy(f"{timeline.PATH}/nobody-knows-this-one")
        == "camera=(), microphone=(), geolocation=()"
    )
