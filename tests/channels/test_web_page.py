"""The customers' page in a real browser, with difficult networks and difficult people."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Button, Outbound
from handoff.models import Role, Staff
from store import clock
from store.engine import Database
from tests.channels.house import House, serving

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture(params=["sqlite"])
def address(tmp_path: Path, sqlite_template: Path) -> str:
    """One engine is enough here: the page does not know which it is."""
    path = tmp_path / "courier.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not os.path.exists(CHROMIUM):
        pytest.skip("no Chromium here: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


@pytest.fixture
def url(house: House) -> Iterator[str]:
    with serving(house) as served:
        yield served


Open = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, url: str) -> Iterator[Open]:
    """Opens the page; a script error, or a dialog, fails the test at its end."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def opened(locale: str = "zh-CN", size: str = "desktop", path: str = "/") -> Page:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height}, locale=locale, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.goto(url + path)
        expect(page.locator("body")).to_have_attribute("data-status", "bot")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def send(page: Page, text: str) -> None:
    page.fill("#words", text)
    page.keyboard.press("Enter")


def bubbles(page: Page) -> list[str]:
    return page.locator(".bubble").all_inner_texts()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_the_page_is_accessible_in_each_state(
    house: House, open_page: Open, locale: str, size: str
) -> None:
    house.says = lambda text: [(f"· {text}", (Button("这个", "就是这个"), Button("That", "that")))]
    page = open_page(locale, size)
    axe = Axe()

    def check() -> None:
        found = axe.run(page).response["violations"]
        assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []

    check()
    page.locator(".starters button").first.click()
    expect(page.locator("#choices button")).to_have_count(2)
    check()
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, a, textarea')]
            .filter((e) => e.checkVisibility() && !e.matches('.skip'))
            .filter((e) => e.getBoundingClientRect().height < 44)
            .map((e) => e.outerHTML)"""
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.set_offline(True)
    send(page, "hello")
    expect(page.locator("#banner")).to_be_visible()
    check()


def test_a_quick_reply_says_what_it_stands_for_and_then_goes_away(
    house: House, open_page: Open
) -> None:
    house.says = lambda text: (
        [("哪一个？", (Button("这个", "就是这个"),))] if text == "hi" else [("好", ())]
    )
    page = open_page()
    send(page, "hi")
    page.get_by_role("button", name="这个").click()
    expect(page.locator(".bubble")).to_have_text(["hi", "哪一个？", "就是这个", "好"])
    expect(page.locator("#choices")).to_be_hidden()


def test_hostile_words_are_shown_as_text_on_both_sides(house: House, open_page: Open) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    house.says = lambda text: [(text, (Button(evil, evil),)), ("javascript:alert(3)", ())]
    page = open_page()
    send(page, evil)
    expect(page.locator(".bubble")).to_have_text([evil, evil, "javascript:alert(3)"])
    assert page.locator("#messages img, #messages script, #choices img, #messages a").count() == 0


def test_words_written_offline_are_sent_once_in_order_even_after_a_reload(
    house: House, open_page: Open
) -> None:
    page = open_page()
    send(page, "before")
    expect(page.locator(".bubble")).to_have_text(["before", "answer to before"])
    page.route("**/chat/messages", lambda route: route.abort())
    for text in ("one", "two"):
        send(page, text)
    expect(page.locator("[data-state=queued]")).to_have_count(2)
    page.unroute("**/chat/messages")
    page.reload()
    expect(page.locator(".bubble")).to_have_count(6)
    expect(page.locator("[data-state=queued]")).to_have_count(0)
    customer = [text for author, text in house.record() if author == "customer"]
    assert customer == ["before", "one", "two"]


def test_an_answer_that_was_lost_does_not_make_the_message_twice(
    house: House, open_page: Open
) -> None:
    """The service stored it, the browser never heard so, and sends again by itself."""
    page = open_page()
    lost: list[str] = []

    def lose(route) -> None:  # type: ignore[no-untyped-def]
        if lost:
            route.continue_()
        else:
            route.fetch()
            lost.append("answer")
            route.abort()

    page.route("**/chat/messages", lose)
    send(page, "hello")
    expect(page.locator(".last-mine .state")).to_have_text("已读")
    page.wait_for_timeout(1500)
    assert lost
    assert bubbles(page) == ["hello", "answer to hello"]
    assert house.record() == [("customer", "hello"), ("bot", "answer to hello")]


def test_a_refused_message_says_why_and_can_be_deleted(house: House, open_page: Open) -> None:
    page = open_page()
    page.route(
        "**/chat/messages", lambda route: route.fulfill(status=422, json={"error": "invalid"})
    )
    send(page, "hello")
    failed = page.locator("[data-state=failed]")
    expect(failed).to_contain_text("未发送")
    failed.get_by_role("button", name="删除").click()
    expect(page.locator(".message")).to_have_count(0)


def test_enter_that_ends_a_chinese_word_does_not_send(house: House, open_page: Open) -> None:
    page = open_page()
    page.fill("#words", "nihao")
    for options in ("isComposing: true", "keyCode: 229", "shiftKey: true"):
        page.evaluate(
            f"""document.getElementById('words').dispatchEvent(new KeyboardEvent('keydown',
                {{key: 'Enter', bubbles: true, cancelable: true, {options}}}))"""
        )
    page.wait_for_timeout(200)
    assert page.input_value("#words") == "nihao"
    assert house.record() == []
    page.keyboard.press("Enter")
    expect(page.locator(".bubble").first).to_have_text("nihao")


def test_who_reads_further_up_is_not_pulled_down(house: House, open_page: Open) -> None:
    house.says = lambda _: [(f"line {n}\n\n\n", ()) for n in range(15)]
    page = open_page(size="phone")
    send(page, "hello")
    expect(page.locator(".bubble")).to_have_count(16)
    at_end = """() => {
        const log = document.getElementById("log");
        return log.scrollHeight - log.scrollTop - log.clientHeight < 2;
    }"""
    page.wait_for_function(at_end)
    page.locator("#log").evaluate("(log) => log.scrollTo(0, 0)")
    page.wait_for_timeout(200)
    (row,) = house.inbox_rows()
    house.post(row.conversation_id, "later", "something new")
    expect(page.locator("#jump")).to_be_visible()
    assert page.locator("#log").evaluate("(log) => log.scrollTop") == 0
    page.locator("#jump").click()
    page.wait_for_function(at_end)
    expect(page.locator("#jump")).to_be_hidden()


def test_another_tab_and_a_second_visit_show_the_same_talk(house: House, open_page: Open) -> None:
    page = open_page()
    tab = page.context.new_page()
    tab.goto(page.url)
    send(page, "hello")
    for each in (page, tab):
        expect(each.locator(".bubble")).to_have_text(["hello", "answer to hello"])
    tab.close()
    page.reload()
    expect(page.locator(".bubble")).to_have_text(["hello", "answer to hello"])
    assert {row.state for row in house.outbox_rows()} == {"read"}


def test_a_person_who_takes_over_is_named(house: House, open_page: Open) -> None:
    page = open_page(locale="en-US")
    send(page, "a person please")
    expect(page.locator(".theirs")).to_have_count(1)
    with house.database.write() as session:
        person = Staff(
            login="lm",
            name="Li Min",
            role=Role.AGENT,
            team="first_line",
            password_hash="x",
            created_at=clock.now(),
        )
        session.add(person)
        session.flush()
        conversation = session.query(Conversation).one()
        conversation.holder = "agent"  # type: ignore[assignment]
        conversation.staff_id = person.id
        conversations.post(
            session, conversation, Outbound("a1", "Hello, I am Li Min."), Author.AGENT, person.id
        )
        house.live.after_commit(session, "outbox", f"conversation:{conversation.id}")
    expect(page.locator("#status-text")).to_have_text("Li Min is helping you")
    expect(page.locator(".agent .name")).to_have_text("Li Min · Support")
    expect(page.locator("#chips")).to_be_hidden()


def test_the_page_comes_back_by_itself_after_a_restart_of_the_service(
    database: Database, chromium: Browser
) -> None:
    context = chromium.new_context(locale="zh-CN")
    page = context.new_page()
    with serving(House(database)) as url:
        page.goto(url)
        send(page, "one")
        expect(page.locator(".bubble")).to_have_text(["one", "answer to one"])
    expect(page.locator("body")).to_have_attribute("data-status", "down")
    send(page, "two")
    expect(page.locator("[data-state=queued]")).to_have_count(1)
    time.sleep(0.5)
    with serving(House(database), port=int(url.rpartition(":")[2])):
        expect(page.locator(".bubble")).to_have_text(
            ["one", "answer to one", "two", "answer to two"], timeout=20_000
        )
        expect(page.locator("body")).to_have_attribute("data-status", "bot", timeout=20_000)
        expect(page.locator("#banner")).to_be_hidden()
    context.close()
