"""Answers after the solution on the desk in a real browser: accessible, wide and on a phone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from store import clock
from tests.desk.test_after import scored
from tests.desk.test_browser import PHONE, WIDE, assert_accessible, at_desk, chromium
from tests.desk.world import World, serving

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]
PICTURES = os.environ.get("COURIER_TEST_PICTURES")
"""A folder for pictures of the pages, for whoever wants to look at them."""


@pytest.mark.parametrize(("size", "language"), [(WIDE, "zh"), (PHONE, "en")])
def test_scores_on_the_desk(
    chromium: Browser, world: World, size: tuple[int, int], language: str
) -> None:
    with clock.frozen(clock.now()):
        number, case_id = scored(world)
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "chen", language=language, size=size) as page,
    ):
        paths = {
            "scores": "/desk/scores",
            "ticket": f"/desk/tickets/{number}",
            "case": f"/desk/cases/{case_id}",
        }
        for name, path in paths.items():
            page.goto(path)
            assert_accessible(page)
            if PICTURES:
                shot = Path(PICTURES) / f"desk-{name}-{size[0]}-{language}.png"
                page.screenshot(path=shot, full_page=True)
        page.goto("/desk/scores")
        page.locator(".letter button").first.press("Enter")
        expect(page.locator(".letter")).to_have_count(0)
