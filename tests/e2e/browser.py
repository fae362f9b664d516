"""Real Chromium: the customer's page and the desk as a person uses them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.house import House

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
_STILL = """Promise.allSettled(document.getAnimations()
    .filter(motion => motion.effect.getComputedTiming().iterations !== Infinity)
    .map(motion => motion.finished))"""
PHONE, WIDE = (390, 844), (1440, 900)
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
# A machine that runs a service, Rasa and a browser on two cores may take its time.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def launched() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium (.ci/run does it)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def visit(
    chromium: Browser, house: House, language: str, size: tuple[int, int]
) -> Iterator[BrowserContext]:
    """A person's own browser. Any script error or dialog in it fails the test."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale=LOCALES[language],
        timezone_id="Asia/Shanghai",
        base_url=house.url,
    )
    context.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on(
            "console",
            lambda said: faults.append(said.text) if "Security Policy" in said.text else None,
        )

    context.on("page", watch)
    try:
        yield context
    finally:
        context.close()
    assert faults == []


class Chat:
    """The customers' page in one tab."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.page.goto("/")
        expect(self.page.locator("#log")).to_have_attribute("aria-busy", "false")

    def say(self, text: str) -> None:
        self.page.fill("#words", text)
        self.page.press("#words", "Enter")

    def hears(self, words: str, author: str = "bot") -> None:
        """Until an ``author`` (bot, agent, system) has said something with ``words``."""
        bubble = self.page.locator(f"#messages li.{author} .bubble", has_text=words)
        expect(bubble.last).to_be_visible()

    def lines(self) -> list[str]:
        """Every bubble, in order."""
        return self.page.locator("#messages li.message .bubble").all_text_contents()

    def shows_exactly(self, lines: list[str]) -> None:
        """Until the bubbles are these, each once and in order."""
        expect(self.page.locator("#messages li.message .bubble")).to_have_text(
            [line.strip() for line in lines]
        )

    def settled(self) -> None:
        """Until everything written was accepted and nobody is typing."""
        expect(self.page.locator("#messages li[data-state=sending]")).to_have_count(0)
        expect(self.page.locator("#messages li[data-state=queued]")).to_have_count(0)
        expect(self.page.locator("#typing")).to_be_hidden()


class Desk:
    """The desk in one tab, signed in through its form."""

    def __init__(self, context: BrowserContext, house: House, login: str) -> None:
        self.page = context.new_page()
        self.page.goto("/desk")
        expect(self.page).to_have_url(f"{house.url}/desk/login")
        self.page.fill("#login", login)
        self.page.fill("#password", house.passwords[login])
        self.page.press("#password", "Enter")
        self.page.wait_for_url("**/desk")
        self.page.evaluate("window.sameDocument = true")

    def row(self, case_id: int) -> str:
        return f"#queue [data-case='{case_id}']"

    def open(self, case_id: int) -> None:
        self.page.click(self.row(case_id))
        expect(self.page.locator(f"#case[data-case='{case_id}']")).to_be_visible()

    def take(self) -> None:
        self.page.click("#take")
        expect(self.page.locator("#reply-text")).to_be_visible()

    def reply(self, text: str) -> None:
        self.page.fill("#reply-text", text)
        self.page.press("#reply-text", "Enter")
        expect(self.page.locator("li.said.agent .text").last).to_have_text(text)
        # While it is on its way the button is off, and another Enter would be dropped.
        expect(self.page.locator("#reply-form .primary")).to_be_enabled()

    def note(self, text: str) -> None:
        self.page.click(".modes [data-mode=note]")
        self.page.fill("#note-text", text)
        self.page.press("#note-text", "Enter")
        expect(self.page.locator("li.note .text").last).to_have_text(text)
        self.page.click(".modes [data-mode=reply]")

    def resolve(self, detail: str) -> None:
        self.page.click("[data-opens=resolve]")
        self.page.fill("#detail", detail)
        self.page.click("dialog#resolve .primary")
        expect(self.page.locator("#case")).to_have_count(0)

    def was_never_reloaded(self) -> bool:
        return bool(self.page.evaluate("window.sameDocument === true"))


def assert_accessible(page: Page) -> None:
    """No finding of axe-core, and nothing that sticks out of the screen."""
    # A bubble that is just fading in has no contrast yet.
    page.evaluate(_STILL)
    found = Axe().run(page)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    sideways = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not sideways, f"{page.url} is wider than the screen"
    longer = page.evaluate(
        "document.body.matches('.app') && document.documentElement.scrollHeight > innerHeight"
    )
    assert not longer, f"{page.url} scrolls as a whole: something hidden sticks out of a pane"
