"""The code for the small desk, and a case in a topic, in a real browser; wide and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from handoff.models import Topic
from store import clock
from tests.desk.test_browser import PHONE, WIDE, assert_accessible, at_desk, chromium
from tests.desk.test_files_browser import photograph
from tests.desk.world import World, serving

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_code_and_a_topic_are_shown_accessibly(
    world: World, chromium: Browser, language: str, size: tuple[int, int]
) -> None:
    case_id = world.waiting("visitor-1", "我要找人工")
    with world.database.write() as session:
        session.add(
            Topic(
                conversation_id=world.case(case_id).conversation_id,
                chat=-1001234567890,
                thread=42,
                open=True,
                created_at=clock.now(),
                attempts=0,
            )
        )
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "lili", language=language, size=size) as page,
    ):
        page.goto("/desk/telegram")
        assert_accessible(page)
        page.locator("main form button").click()
        expect(page.locator("main code")).to_contain_text("/link ")
        assert_accessible(page)
        photograph(page, f"telegram-code-{language}-{size[0]}")
        page.goto(f"/desk/cases/{case_id}")
        expect(page.locator('a[href="https://t.me/c/1234567890/42"]')).to_be_visible()
        assert_accessible(page)
        photograph(page, f"telegram-case-{language}-{size[0]}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
