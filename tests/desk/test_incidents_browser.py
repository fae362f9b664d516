"""Tickets that rise together, in a real browser: seen live, decided by a supervisor."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from handoff.incidents import IncidentNews
from store.engine import Database
from tests.desk.test_browser import PHONE, WIDE, assert_accessible, at_desk, chromium
from tests.desk.test_files_browser import photograph
from tests.desk.world import World, serving
from tickets.incidents.models import IncidentTicket

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]


def told(world: World, database: Database) -> None:
    """The loop has told the customers."""
    desk = world.desk
    news = IncidentNews(world.tickets, desk.handoffs, desk.incidents.policy, desk.live)
    with database.write() as session:
        for member in session.query(IncidentTicket.id).all():
            news.look(session, member.id)


@pytest.mark.parametrize(
    ("language", "size", "decide", "confirm"),
    [
        ("zh", WIDE, "看看并确认", "是同一件事，发布"),
        ("en", PHONE, "Look and decide", "One cause, publish"),
        ("zh", PHONE, "看看并确认", "是同一件事，发布"),
        ("en", WIDE, "Look and decide", "One cause, publish"),
    ],
)
def test_a_rise_is_seen_live_and_confirmed(
    world: World,
    database: Database,
    chromium: Browser,
    language: str,
    size: tuple[int, int],
    decide: str,
    confirm: str,
) -> None:
    name = f"{language}-{size[0]}"
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "chen", language=language, size=size) as page,
    ):
        page.goto("/desk/incidents")
        expect(page.locator("#proposals .letter")).to_have_count(0)
        world.rise("济南转运中心", "北京顺义转运中心", count=7)
        expect(page.locator("#proposals .letter")).to_have_count(1)
        expect(page.locator("#proposals")).to_contain_text("7")
        assert_accessible(page)
        photograph(page, f"incidents-proposed-{name}")
        page.get_by_role("link", name=decide).click()
        expect(page.locator("#rise .ticket-list > li")).to_have_count(7)
        page.fill("#words-zh", "济南暴雪，高速封了，车一时出不来")
        assert_accessible(page)
        photograph(page, f"proposal-{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name=confirm).click()
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("#proposals .letter")).to_have_count(0)
        told(world, database)
        page.reload()
        assert_accessible(page)
        photograph(page, f"incidents-confirmed-{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("main a[href='/desk/tickets?incident=1']").click()
        expect(page.locator(".ticket-list > li")).to_have_count(7)
        photograph(page, f"incident-tickets-{name}")
        page.locator(".ticket-list a").first.click()
        expect(page.locator(".ticket-side")).to_contain_text("济南转运中心")
        assert_accessible(page)
        photograph(page, f"incident-ticket-{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
