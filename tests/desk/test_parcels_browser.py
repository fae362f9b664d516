"""The desk's view of a parcel in a real browser: accessible, by keyboard, wide and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.desk.test_browser import PHONE, WIDE, assert_accessible, at_desk, chromium
from tests.desk.test_files_browser import photograph
from tests.desk.test_parcels import NUMBER, followed, lived_in
from tests.desk.world import World, serving

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_notices_of_a_parcel_are_readable(
    world: World, chromium: Browser, language: str, size: tuple[int, int]
) -> None:
    followed(world)
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "chen", language=language, size=size) as page,
    ):
        page.goto(f"/desk/parcels/{NUMBER}")
        expect(page.locator("#followers-h")).to_be_visible()
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.evaluate("document.querySelector('#followers-h').scrollIntoView()")
        photograph(page, f"parcel-notices-{language}-{size[0]}")


@pytest.mark.parametrize(
    ("language", "size", "reveal"),
    [("zh", PHONE, "查看并记录"), ("en", WIDE, "Show (this is logged)")],
)
def test_a_parcel_is_found_and_looked_at_by_keyboard(
    world: World, chromium: Browser, language: str, size: tuple[int, int], reveal: str
) -> None:
    lived_in(world)
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "chen", language=language, size=size) as page,
    ):
        page.goto("/desk/parcels")
        page.fill("#number", NUMBER[:-1] + "4")
        page.press("#number", "Enter")
        near = page.get_by_role("link", name=NUMBER)
        expect(near).to_be_visible()
        assert_accessible(page)
        near.press("Enter")
        expect(page.locator("h1")).to_contain_text(NUMBER)
        expect(page.locator("main")).not_to_contain_text("张三丰")
        assert_accessible(page)
        page.get_by_role("button", name=reveal).press("Enter")
        expect(page.locator("main")).to_contain_text("张三丰")
        assert_accessible(page)
        photograph(page, f"parcel-{language}-{size[0]}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
