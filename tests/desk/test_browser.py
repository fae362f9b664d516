"""The desk in a real browser: live, usable by keyboard, accessible, in both languages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conversations.models import Undelivered
from handoff import staff
from handoff.desk.parts import COOKIE
from tests.desk.afternoon import fill
from tests.desk.tickets_afternoon import tickets_of
from tests.desk.world import PASSWORD, World, serving

# What is looked at here does not depend on the engine.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE, PHONE = (1440, 900), (390, 844)
LOCALES = {"zh": "zh-CN", "en": "en-GB"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "install chromium: apt-get install -y chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def at_desk(
    chromium: Browser,
    world: World,
    url: str,
    login: str | None,
    *,
    language: str = "zh",
    size: tuple[int, int] = WIDE,
) -> Iterator[Page]:
    """A signed-in person's page. Any script error in it fails the test."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, locale=LOCALES[language], base_url=url
    )
    context.set_default_timeout(8000)
    if login:
        secret = world.signed_in(login).client.cookies[COOKIE]
        context.add_cookies([{"name": COOKIE, "value": secret, "url": url}])
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on(
        "console",
        lambda message: faults.append(message.text) if "Security Policy" in message.text else None,
    )
    yield page
    assert faults == []
    context.close()


def assert_accessible(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    sideways = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not sideways, f"{page.url} is wider than the screen"


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_is_accessible_and_fits(
    world: World, chromium: Browser, language: str, size: tuple[int, int]
) -> None:
    cases = fill(world)
    chen = world.signed_in("chen")
    chen.press(f"/desk/cases/{cases['高先生']}/take")
    chen.press(f"/desk/cases/{cases['高先生']}/reply", text="高先生您好")
    chen.press(f"/desk/cases/{cases['高先生']}/note", text="先道歉")
    with serving(world) as url:
        with at_desk(chromium, world, url, None, language=language, size=size) as page:
            page.goto("/desk/login")
            assert_accessible(page)
            page.fill("#login", "chen")
            page.fill("#password", "wrong")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_be_visible()
            assert_accessible(page)
            page.fill("#password", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url("**/desk")
            assert_accessible(page)
            for name in ("周敏", "Emma", "林小姐", "高先生"):
                page.goto(f"/desk/cases/{cases[name]}")
                assert_accessible(page)
            page.click(".modes [data-mode=note]")
            assert_accessible(page)
            page.click("[data-opens=resolve]")
            assert_accessible(page)
            page.keyboard.press("Escape")
            if size == PHONE:
                page.click(".panes [data-pane=packet]")
                assert_accessible(page)
                page.click(".case-head .back")
                expect(page.locator(".queue-pane")).to_be_visible()
            key = world.key_of(cases["周敏"])
            for path in ("", "?q=嘉兴", "?q=没有这样的话", f"/{key}", "/nobody"):
                page.goto(f"/desk/review{path}")
                assert_accessible(page)
            numbers = tickets_of(world, cases)
            for path in ("", "?team=night", *(f"/{number}" for number in numbers.values())):
                page.goto(f"/desk/tickets{path}")
                assert_accessible(page)
            page.click("[data-opens=do-assign]")
            assert_accessible(page)
            page.evaluate("document.querySelector('#do-assign [name=version]').value = 99")
            page.fill("#why-assign", "交接给夜班")
            page.click("#do-assign .primary")
            expect(page.get_by_role("alert")).to_contain_text("交接给夜班")
            assert_accessible(page)
            for path in ("undelivered", "incidents"):
                page.goto(f"/desk/{path}")
                assert_accessible(page)
            stand_still(page)
            lie_about(world, cases)
            for path in ("", "?channel=wechat", "?channel=fax"):
                page.goto(f"/desk/undelivered{path}")
                assert_accessible(page)
            page.goto(f"/desk/cases/{cases['高先生']}")
            assert_accessible(page)
        chen.press(f"/desk/cases/{cases['高先生']}/resolve", outcome="explained")
        with at_desk(chromium, world, url, "chen", language=language, size=size) as page:
            page.goto(f"/desk/cases/{cases['高先生']}")
            assert_accessible(page)


def stand_still(page: Page) -> None:
    """A supervisor enters a route that is closed, and one that should be open again."""
    for until in ("2099-01-01T20:00", "2026-01-02T20:00"):
        page.locator("[name=scope][value=route] + span").click()
        page.fill("#place", "济南转运中心")
        page.fill("#to-place", "北京顺义转运中心")
        page.fill("#since", "2026-01-01T08:00")
        page.fill("#until", until)
        page.fill("#words-zh", "济南暴雪，高速封了，车一时出不来。")
        page.locator(".fields button").click()
        expect(page.locator(".toast").last).to_be_visible()
    expect(page.locator("main .letter")).to_have_count(2)
    expect(page.locator("#place")).to_have_value("")
    page.locator(".letter .good").last.click()
    expect(page.locator("main .list")).to_have_count(2)
    expect(page.locator(".toast")).to_have_count(0, timeout=15_000)  # fading ones are pale
    assert_accessible(page)


def lie_about(world: World, cases: dict[str, int]) -> None:
    """Letters of every kind."""
    long = "您的快件 SF1390275846129 今天下午已从嘉兴中转场发出，预计今晚 20:00 前送到。" * 4
    for name, text, reason in (
        ("高先生", long, Undelivered.EXPIRED),
        ("高先生", "您好，我是陈主管", Undelivered.UNKNOWN),
        ("Emma", "Could you send a photo of the box?", Undelivered.REFUSED),
        ("林小姐", "地址已经改好了", Undelivered.TRIED),
    ):
        world.undelivered(cases[name], text, reason)
    world.unanswered(cases["周敏"], "人呢？有人吗？")


def test_the_meter_counts_down_and_a_supervisor_sends_again(
    world: World, chromium: Browser
) -> None:
    case_id = world.hand_over(world.say("gao", "快点", channel="wechat", name="高先生"))
    letter = world.undelivered(case_id, "您的快件今晚送到")
    world.signed_in("chen").press(f"/desk/cases/{case_id}/take")
    with serving(world) as url, at_desk(chromium, world, url, "chen") as page:
        page.goto(f"/desk/cases/{case_id}")
        reach = page.locator("#reach")
        expect(reach).to_contain_text(re.compile("还能回复 4 条 · 至 后天|还能回复 4 条 · 至 .*月"))
        expect(reach).to_contain_text("1 条没有送到")
        page.fill("#reply-text", "马上查")
        page.keyboard.press("Enter")
        expect(reach).to_contain_text("还能回复 3 条")
        expect(page.locator(".said.bot .why")).to_contain_text("对方平台不收")
        page.get_by_role("link", name="未送达").click()
        page.locator(f"#message-{letter}").get_by_role("button", name="重发").click()
        expect(page.locator(".toast", has_text="已重新发送。")).to_be_visible()
        expect(page.get_by_text("都送到了")).to_be_visible()
        page.goto(f"/desk/cases/{case_id}")
        expect(page.locator("#thread")).to_contain_text("陈主管 重发了一条没送到的消息")


def test_a_case_from_arrival_to_resolved_without_a_reload(world: World, chromium: Browser) -> None:
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto("/desk")
        expect(page.get_by_text("没有客户在等，喘口气吧。")).to_be_visible()
        page.evaluate("window.sameDocument = true")

        case_id = world.waiting("visitor-1", "我的包裹丢了！")
        expect(page.locator(f"[data-case='{case_id}'].row")).to_contain_text("我的包裹丢了！")
        expect(page).to_have_title("(1) 会话 · 快递客服台")
        expect(page.locator("body")).to_have_attribute("data-beeps", "1")
        expect(page.locator("[data-since]")).to_have_text(re.compile(r"已等 0:0\d"))

        page.click(f"[data-case='{case_id}'].row")
        page.click("#take")
        expect(page.locator(".toast", has_text="已接手")).to_be_visible()
        expect(page).to_have_title(re.compile("^访客 .* 的会话"))
        page.locator("#reply-text").press_sequentially("您好")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("我来处理")
        assert page.input_value("#reply-text") == "您好\n我来处理"
        page.keyboard.press("Enter")
        expect(page.locator(".said.agent .text")).to_have_text("您好\n我来处理")
        expect(page.locator(".said.agent .delivery")).to_have_text("待发送")
        assert page.input_value("#reply-text") == ""

        page.locator("#reply-text").fill("写了一半")
        world.say("visitor-1", "谢谢！<img src=x onerror=alert(1)>")
        said = page.locator(".said.customer .text").last
        expect(said).to_have_text("谢谢！<img src=x onerror=alert(1)>")
        assert page.input_value("#reply-text") == "写了一半"

        page.click(".modes [data-mode=note]")
        page.fill("#note-text", "已联系网点")
        page.keyboard.press("Enter")
        expect(page.locator("li.note")).to_contain_text("内部备注 · 客户看不到")
        page.click("[data-opens=resolve]")
        page.get_by_text("已安排派送").click()
        page.get_by_role("button", name="确认已解决").click()
        expect(page.get_by_text("没有客户在等，喘口气吧。")).to_be_visible()
        page.wait_for_url("**/desk")
        assert page.evaluate("window.sameDocument") is True
    assert world.case(case_id).outcome == "redelivery"


def test_the_slower_colleague_sees_who_has_the_case(world: World, chromium: Browser) -> None:
    case_id = world.waiting()
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.route("**/desk/live*", lambda route: route.abort())  # news has not come yet
        page.goto(f"/desk/cases/{case_id}")
        world.signed_in("wangwei").press(f"/desk/cases/{case_id}/take")
        page.click("#take")
        toast = page.locator(".toast", has_text="王伟 已经先接手了这位客户。")
        expect(toast).to_be_visible()
        expect(page.locator(".standing")).to_contain_text("王伟 正在接待这位客户")
        expect(page.locator("#take")).to_have_count(0)


def test_an_open_case_changes_by_itself_when_a_colleague_takes_it(
    world: World, chromium: Browser
) -> None:
    case_id = world.waiting()
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto(f"/desk/cases/{case_id}")
        expect(page.locator("#take")).to_be_visible()
        expect(page.locator("#queue [data-due] > span")).to_contain_text("还剩")
        world.signed_in("wangwei").press(f"/desk/cases/{case_id}/take")
        expect(page.locator(".standing")).to_contain_text("王伟 正在接待这位客户")
        expect(page.locator("#queue")).to_contain_text("王伟 接待中")


def test_a_desk_catches_up_after_the_service_was_away(world: World, chromium: Browser) -> None:
    with ExitStack() as stack, ExitStack() as first_service:
        url = first_service.enter_context(serving(world))
        page = stack.enter_context(at_desk(chromium, world, url, "lili"))
        page.goto("/desk")
        expect(page.get_by_text("没有客户在等，喘口气吧。")).to_be_visible()
        page.evaluate("window.sameDocument = true")
        first_service.close()
        expect(page.locator("#lost")).to_be_visible()
        case_id = world.waiting("visitor-1", "有人吗")
        stack.enter_context(serving(world, int(url.rsplit(":", 1)[1])))
        row = page.locator(f"[data-case='{case_id}'].row")
        expect(row).to_contain_text("有人吗", timeout=20_000)
        expect(page.locator("#lost")).to_be_hidden()
        assert page.evaluate("window.sameDocument") is True


def test_words_that_could_not_be_sent_stay_in_the_box(world: World, chromium: Browser) -> None:
    case_id = world.waiting()
    world.signed_in("lili").press(f"/desk/cases/{case_id}/take")
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto(f"/desk/cases/{case_id}")
        page.route("**/reply", lambda route: route.abort())
        page.fill("#reply-text", "这句话很重要")
        page.keyboard.press("Enter")
        expect(page.locator(".toast", has_text="内容还在")).to_be_visible()
        page.reload()
        expect(page.locator("#reply-text")).to_have_value("这句话很重要")


def test_a_browser_signed_out_elsewhere_is_led_to_the_door(world: World, chromium: Browser) -> None:
    case_id = world.waiting()
    with serving(world) as url, at_desk(chromium, world, url, "lili") as page:
        page.goto("/desk")
        with world.database.write() as session:
            cookies = page.context.cookies()
            staff.end_session(session, next(c["value"] for c in cookies if c["name"] == COOKIE))
        page.click(f"[data-case='{case_id}'].row")
        page.wait_for_url("**/desk/login")
