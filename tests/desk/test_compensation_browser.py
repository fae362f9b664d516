"""Compensation in a real browser: reckoned anew in place, accessible, within the screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from handoff.models import Role, Staff
from store import clock
from store.orders import Receipt, Result
from tests.desk.test_browser import PHONE, WIDE, assert_accessible, at_desk, chromium
from tests.desk.test_compensation import opened
from tests.desk.world import World, password_hash, serving
from tickets import repository
from tickets.compensation import repository as grants
from tickets.compensation.models import Kind
from tickets.compensation.service import Wish
from tickets.events import Actor
from tickets.models import ActorKind

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]
LI = Actor(ActorKind.STAFF, 1, "李丽")


def granted(world: World, number: str, kind: Kind, percent: int = 100) -> int:
    money = world.desk.money
    with world.database.write() as session:
        ticket = repository.by_number(session, number)
        assert ticket is not None
        wish = Wish(kind, percent)
        return money.compensation.grant(
            session, ticket, LI, wish, team="first_line", key=f"{number}{kind}",
            why="客人是老客户，花瓶是寿礼",
        ).id  # fmt: skip


def a_day(world: World) -> str:
    """A vase that waits for a supervisor, a payment that failed; the vase's ticket."""
    with world.database.write() as session:
        zhou = Staff(login="zhou", name="周主管", role=Role.SUPERVISOR, team="second_line")
        zhou.password_hash, zhou.created_at = password_hash(), clock.now()
        session.add(zhou)
    crab = opened(world, "report_perishable", declared_value="3000", freight="18")
    lili = world.signed_in("lili")
    lili.press(f"/desk/tickets/{crab}/liability", why="干线压坏，出库照片完好")
    granted(world, crab, Kind.DAMAGE)
    rude = opened(world, "report_courier_attitude")
    granted(world, rude, Kind.GIFT_COUPON)
    world.parcel("YT8830201144526", declared_value="44.44")
    number = opened(world, "report_loss")
    with world.database.write() as session:
        ticket = repository.by_number(session, number)
        assert ticket is not None
        ticket.waybill_no = "YT8830201144526"
        session.flush()
        world.desk.money.compensation.settle_liability(session, ticket, LI, "找不到了")
    grant = granted(world, number, Kind.LOSS)
    refused = Receipt(result=Result.REFUSED, reason="account_closed")
    with world.database.write() as session:
        payout = grants.hold_payout(session, grant)
        assert payout is not None
        world.desk.money.payouts.heard(session, payout, refused)
    return crab


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_pages_are_accessible_and_fit(
    world: World, chromium: Browser, language: str, size: tuple[int, int]
) -> None:
    crab = a_day(world)
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "chen", language=language, size=size) as page,
    ):
        for path in ("approvals", f"tickets/{crab}", f"tickets/{crab}/compensation"):
            page.goto(f"/desk/{path}")
            assert_accessible(page)


def test_typing_another_damage_reckons_anew_in_place_and_it_is_granted(
    world: World, chromium: Browser
) -> None:
    number = opened(world, declared_value="80")
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto(f"/desk/tickets/{number}")
        page.fill("#liability-why", "干线压坏")
        page.get_by_role("button", name="确认我们负责").click()
        expect(page.locator(".offer")).to_contain_text("80 元 × 损坏程度 100% = 80 元")
        page.fill("#percent", "25")
        page.get_by_role("button", name="算一下").click()
        expect(page.locator(".offer")).to_contain_text("80 元 × 损坏程度 25% = 20 元")
        assert page.url.endswith("#compensation")  # in place
        page.get_by_role("button", name="赔付 20 元").click()
        expect(page.locator(".grant")).to_contain_text("付款中")
        assert_accessible(page)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_bar_of_a_supervisor_fits_every_screen(
    world: World, chromium: Browser, language: str
) -> None:
    with (
        serving(world) as url,
        at_desk(chromium, world, url, "chen", language=language) as page,
    ):
        page.goto("/desk/approvals")
        for width in (360, 390, 600, 900, 1023, 1024, 1280, 1359, 1366, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width
