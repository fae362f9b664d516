"""The widget in real Chromium: a website on one origin, our service on another, and a browser that
keeps no third party's cookies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect, sync_playwright

from bot.channels.web.sites import Sites, WidgetPolicy
from conversations.models import Conversation, Customer
from conversations.schemas import Button, Upload
from store.engine import Database
from tests import samples
from tests.channels.house import House, serving
from tests.channels.test_web_page import CHROMIUM, QUIET, SIZES
from tests.channels.test_widget import LOOK, SECRET, signed

pytestmark = pytest.mark.slow

HOST_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'none';
  script-src {home}; connect-src {home}; frame-src {home}; require-trusted-types-for 'script'">
<title>A shop</title></head><body><main><h1>A shop</h1><p>Things to buy.</p>
<p><a href="#basket">Basket</a></p></main>
<script src="{home}/widget.js" data-key="{key}" {more}></script></body></html>"""


@pytest.fixture(params=["sqlite"])
def address(tmp_path: Path, sqlite_template: Path) -> str:
    """One engine is enough here: the page does not know which it is."""
    path = tmp_path / "courier.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium here: apt-get install chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*QUIET, "--test-third-party-cookie-phaseout", "--site-per-process"],
        )
        yield browser
        browser.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def website(tmp_path: Path) -> Iterator[str]:
    """Somebody's website; what is written to ``site/`` is served."""
    (tmp_path / "site").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def sites(website: str) -> Sites:
    elsewhere = website.replace("localhost", "shop.localhost")
    keys = {
        "shop": {"sites": [website], **LOOK},
        "night": {"sites": [website], "theme": "dark", **LOOK},
        "elsewhere": {"sites": [elsewhere], **LOOK},
    }
    return Sites(WidgetPolicy.model_validate({"keys": keys}), {"SHOP": SECRET})


@pytest.fixture
def house(database: Database, sites: Sites) -> House:
    return House(database, sites=sites)


@pytest.fixture
def home(house: House) -> Iterator[str]:
    with serving(house) as served:
        yield served


class Visit:
    """A person on the website: the page around, and the chat in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.launcher = page.locator(".launcher")
        self.panel = page.locator("dialog")
        self.chat: FrameLocator = page.frame_locator("iframe")

    def open(self) -> None:
        self.launcher.click()
        expect(self.chat.locator("body")).to_have_attribute("data-status", "bot")

    def say(self, text: str) -> None:
        self.chat.locator("#words").fill(text)
        self.chat.locator("#words").press("Enter")

    def shows(self, *texts: str, seconds: float = 10) -> None:
        expect(self.chat.locator(".bubble")).to_have_text(list(texts), timeout=seconds * 1000)

    def identify(self, user: str, signature: str) -> str:
        """``ok``, or what identify() was refused with."""
        found: str = self.page.evaluate(
            "([u, h]) => CourierDesk.identify(u, h).then(() => 'ok', (e) => e.message)",
            [user, signature],
        )
        return found


Arrive = Callable[..., Visit]


@pytest.fixture
def arrive(chromium: Browser, website: str, home: str, tmp_path: Path) -> Iterator[Arrive]:
    """Opens the website. A script error or a breach of its content policy fails the test; so does
    any cookie."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def arrived(
        locale: str = "zh-CN",
        size: str = "desktop",
        key: str = "shop",
        more: str = "",
        colours: str = "light",
        context: BrowserContext | None = None,
        script: str = "",
    ) -> Visit:
        html = HOST_PAGE.format(home=home, key=key, more=more)
        (tmp_path / "site" / "index.html").write_text(html, encoding="utf-8")
        if context is None:
            width, height = SIZES[size]
            context = chromium.new_context(
                viewport={"width": width, "height": height},
                locale=locale,
                reduced_motion="reduce",
                color_scheme=colours,  # type: ignore[arg-type]
                has_touch=size == "phone",
            )
            contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console",
            lambda said: troubles.append(said.text) if "Security Policy" in said.text else None,
        )
        page.goto(website)
        return Visit(page)

    yield arrived
    cookies = [cookie for context in contexts for cookie in context.cookies()]
    for context in contexts:
        context.close()
    assert troubles == []
    assert cookies == []


def at_home(visit: Visit) -> None:
    """No finding of axe-core in the page or the frame; nothing sticks out."""
    found = Axe().run(visit.page).response["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = visit.chat.locator("html").evaluate("(e) => e.scrollWidth > innerWidth")
    assert not wide


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("locale", "colours"), [("zh-CN", "light"), ("en-US", "dark")])
def test_the_widget_is_accessible_in_each_state(
    house: House, arrive: Arrive, locale: str, colours: str, size: str
) -> None:
    house.says = lambda text: [(f"· {text}", (Button("这个", "就是这个"), Button("That", "that")))]
    visit = arrive(locale, size, colours=colours)
    expect(visit.launcher).to_be_visible()
    assert Axe().run(visit.page).violations_count == 0
    visit.open()
    at_home(visit)
    visit.say("hello")
    expect(visit.chat.locator("#choices button")).to_have_count(2)
    expect(visit.chat.locator(".last-mine .state")).to_have_text(
        "已读" if locale[:2] == "zh" else "Read"
    )
    at_home(visit)
    small = visit.chat.locator("html").evaluate(
        """() => [...document.querySelectorAll('button, a, textarea')]
            .filter((e) => e.checkVisibility() && !e.matches('.skip'))
            .filter((e) => e.getBoundingClientRect().height < 44)
            .map((e) => e.outerHTML)"""
    )
    assert small == []


def test_the_keyboard_opens_writes_closes_and_comes_back(arrive: Arrive) -> None:
    visit = arrive("en-US")
    expect(visit.launcher).to_have_accessible_name("Shop support")
    expect(visit.launcher).to_have_attribute("aria-expanded", "false")
    visit.launcher.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.launcher).to_have_attribute("aria-expanded", "true")
    expect(visit.chat.locator("#words")).to_be_focused()
    visit.page.keyboard.type("hello")
    visit.page.keyboard.press("Enter")
    visit.shows("hello", "answer to hello")
    visit.page.keyboard.press("Escape")
    expect(visit.panel).to_be_hidden()
    expect(visit.launcher).to_be_focused()
    expect(visit.launcher).to_have_attribute("aria-expanded", "false")


def test_on_a_desktop_the_page_stays_in_use_and_on_a_phone_the_chat_covers_it(
    arrive: Arrive,
) -> None:
    desktop = arrive()
    desktop.open()
    expect(desktop.chat.locator("#words")).to_be_focused()
    inside = "document.querySelector('courier-desk').shadowRoot.activeElement?.tagName"
    assert desktop.page.evaluate(inside) == "IFRAME"
    for _ in range(20):  # Tab leaves the frame: nobody is trapped
        desktop.page.keyboard.press("Tab")
        desktop.page.wait_for_timeout(50)  # the page and the frame are processes of their own
        if desktop.page.evaluate(inside) != "IFRAME":
            break
    else:
        raise AssertionError("the keyboard is trapped in the chat")
    desktop.page.locator("a").click()
    assert desktop.page.url.endswith("#basket")
    expect(desktop.panel).to_be_visible()
    phone = arrive(size="phone")
    phone.open()
    box = phone.panel.bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 844}
    phone.chat.get_by_role("button", name="收起聊天").click()
    expect(phone.panel).to_be_hidden()
    expect(phone.launcher).to_be_focused()
    phone.page.locator("a").click()
    assert phone.page.url.endswith("#basket")


def test_unread_answers_are_counted_on_the_button_and_read_only_when_seen(
    house: House, arrive: Arrive
) -> None:
    visit = arrive("en-US")
    visit.open()
    visit.say("hello")
    visit.shows("hello", "answer to hello")
    visit.launcher.click()
    (row,) = house.inbox_rows()
    for number in range(2):
        house.post(row.conversation_id, f"later-{number}", f"news {number}")
    expect(visit.page.locator(".badge")).to_have_text("2")
    expect(visit.launcher).to_have_accessible_name("Shop support, 2 unread")
    assert [str(r.state) for r in house.outbox_rows()[1:]] == ["delivered"] * 2
    visit.page.reload()  # the frame is there without being opened, for he has talked before
    expect(visit.page.locator(".badge")).to_have_text("2")
    visit.open()
    expect(visit.page.locator(".badge")).to_be_hidden()
    visit.shows("hello", "answer to hello", "news 0", "news 1")
    visit.page.wait_for_timeout(300)
    assert {str(r.state) for r in house.outbox_rows()} == {"read"}


def test_who_comes_back_finds_his_talk_without_any_cookie(house: House, arrive: Arrive) -> None:
    visit = arrive()
    visit.open()
    visit.say("hello")
    visit.shows("hello", "answer to hello")
    addresses: list[str] = []
    visit.page.context.on("request", lambda request: addresses.append(request.url))
    visit.page.reload()
    visit.open()
    visit.shows("hello", "answer to hello")
    assert any(address.endswith("/chat/events") for address in addresses)
    token = visit.page.evaluate("JSON.parse(localStorage['courier.shop']).token")
    assert token.startswith("shop.")
    assert not any(token in address for address in addresses)


def test_a_browser_that_keeps_nothing_can_still_talk(arrive: Arrive) -> None:
    visit = arrive(
        script="Object.defineProperty(window, 'localStorage', "
        "{get() { throw new DOMException('no', 'SecurityError'); }});"
    )
    visit.open()
    visit.say("one")
    visit.shows("one", "answer to one")
    visit.say("two")
    visit.shows("one", "answer to one", "two", "answer to two")


def test_a_site_that_is_not_allowed_shows_nothing(arrive: Arrive, home: str) -> None:
    visit = arrive(key="elsewhere")
    said: list[str] = []
    visit.page.on("console", lambda message: said.append(message.text))
    visit.page.reload()
    visit.page.wait_for_timeout(500)
    assert visit.page.locator("courier-desk").count() == 0
    assert any("policies/widget.yml" in text for text in said)
    assert arrive(key="nobody").page.locator("courier-desk").count() == 0


def test_a_frame_on_a_foreign_site_stays_empty(
    chromium: Browser, home: str, website: str, tmp_path: Path
) -> None:
    """Whatever the page's script thinks: the browser itself keeps the policy."""
    (tmp_path / "site" / "index.html").write_text(
        "".join(
            f"<iframe id={key} src='{home}{path}'></iframe>"
            for key, path in (
                ("shop", "/widget/shop"),
                ("elsewhere", "/widget/elsewhere"),
                ("own", "/"),
            )
        )
    )
    page = chromium.new_page()
    page.goto(website)
    expect(page.frame_locator("#shop").locator("#composer")).to_be_attached()
    for key in ("elsewhere", "own"):
        assert page.frame_locator(f"#{key}").locator("#composer").count() == 0
    page.close()


def test_an_identified_customer_has_one_talk_on_two_devices(house: House, arrive: Arrive) -> None:
    claim = signed("7")
    phone = arrive(size="phone", more=f'data-user="7" data-hmac="{claim["hmac"]}"')
    phone.open()
    phone.say("from my phone")
    phone.shows("from my phone", "answer to from my phone")
    desktop = arrive()
    desktop.open()
    desktop.say("a stranger's words")
    desktop.shows("a stranger's words", "answer to a stranger's words")
    assert desktop.identify("7", claim["hmac"]) == "ok"
    both = (
        "from my phone", "answer to from my phone",
        "a stranger's words", "answer to a stranger's words",
    )  # fmt: skip
    desktop.shows(*both)
    desktop.say("on")
    desktop.shows(*both, "on", "answer to on")
    desktop.page.evaluate("CourierDesk.forget()")
    desktop.shows()
    expect(desktop.chat.locator("#welcome")).to_be_visible()
    desktop.say("somebody else")
    desktop.shows("somebody else", "answer to somebody else")
    with house.database.read() as session:
        assert sorted(c.name or "" for c in session.query(Customer)) == ["", "", "7"]


def test_a_forged_identity_is_refused_and_the_guest_goes_on(house: House, arrive: Arrive) -> None:
    visit = arrive("en-US")
    visit.open()
    visit.say("hello")
    visit.shows("hello", "answer to hello")
    forged = signed("8")["hmac"]
    assert "登录身份没有通过核对" in visit.identify("7", forged)
    visit.shows("hello", "answer to hello")
    visit.say("still me")
    visit.shows("hello", "answer to hello", "still me", "answer to still me")
    with house.database.read() as session:
        assert session.query(Customer).one().name is None
        assert session.query(Conversation).count() == 1


def test_words_written_offline_are_kept_and_sent_once_in_order(
    house: House, arrive: Arrive
) -> None:
    visit = arrive()
    visit.open()
    visit.say("before")
    visit.shows("before", "answer to before")
    visit.page.context.set_offline(True)
    for text in ("one", "two"):
        visit.say(text)
    expect(visit.chat.locator("[data-state=queued]")).to_have_count(2)
    visit.page.context.set_offline(False)
    expect(visit.chat.locator("[data-state=queued]")).to_have_count(0)
    expect(visit.chat.locator(".bubble")).to_have_count(6)
    assert [t for a, t in house.record() if a == "customer"] == ["before", "one", "two"]


@contextmanager
def again(database: Database, sites: Sites, home: str) -> Iterator[None]:
    with serving(House(database, sites=sites), port=int(home.rpartition(":")[2])):
        yield


def test_the_widget_comes_back_after_a_restart_of_the_service(
    database: Database, sites: Sites, website: str, chromium: Browser, tmp_path: Path
) -> None:
    context = chromium.new_context(locale="zh-CN")
    visit = Visit(context.new_page())
    with serving(House(database, sites=sites)) as home:
        html = HOST_PAGE.format(home=home, key="shop", more="")
        (tmp_path / "site" / "index.html").write_text(html, encoding="utf-8")
        visit.page.goto(website)
        visit.open()
        visit.say("one")
        visit.shows("one", "answer to one")
    expect(visit.chat.locator("body")).to_have_attribute("data-status", "down")
    visit.say("two")
    expect(visit.chat.locator("[data-state=queued]")).to_have_count(1)
    with again(database, sites, home):
        visit.shows("one", "answer to one", "two", "answer to two", seconds=20)
    context.close()


def test_what_the_bot_offers_is_a_button_that_works_once(house: House, arrive: Arrive) -> None:
    house.says = lambda text: (
        [("哪一个？", (Button("这个", "就是这个"),))] if text == "hi" else [("好", ())]
    )
    visit = arrive()
    visit.open()
    visit.say("hi")
    visit.chat.get_by_role("button", name="这个").dblclick()
    visit.shows("hi", "哪一个？", "就是这个", "好")
    expect(visit.chat.locator("#choices")).to_be_hidden()


def test_files_are_shown_and_downloaded_without_a_cookie(house: House, arrive: Arrive) -> None:
    visit = arrive()
    visit.open()
    visit.say("my invoice?")
    visit.shows("my invoice?", "answer to my invoice?")
    conversation_id = house.inbox_rows()[0].conversation_id
    for name, data in (("面单.png", samples.picture(640, 420)), ("电子发票.pdf", samples.PDF)):
        house.send(conversation_id, "", Upload(name, house.files.keep(data)))
    expect(visit.chat.locator(".file")).to_have_count(2)
    picture = visit.chat.locator(".file img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 640)
    at_home(visit)
    with visit.page.expect_download() as download:
        visit.chat.locator(".file a >> text=电子发票.pdf").click()
    assert download.value.suggested_filename == "电子发票.pdf"
    assert download.value.path().read_bytes() == samples.PDF


def test_a_site_can_choose_night_and_a_page_its_language(arrive: Arrive) -> None:
    visit = arrive("zh-CN", key="night", more='data-language="en"')
    visit.open()
    expect(visit.chat.locator("h1")).to_have_text("Shop support")
    expect(visit.chat.locator("#welcome h2")).to_have_text("Hello there")
    expect(visit.chat.locator(".chat")).to_have_css("background-color", "rgb(21, 24, 29)")
    at_home(visit)


def test_a_turned_phone_changes_between_covering_and_beside(arrive: Arrive) -> None:
    visit = arrive()
    visit.open()
    visit.say("hello")
    visit.shows("hello", "answer to hello")
    for width, modal in ((390, True), (1440, False)):
        visit.page.set_viewport_size({"width": width, "height": 844})
        visit.page.wait_for_function(f"""() => document.querySelector('courier-desk')
            .shadowRoot.querySelector('dialog').matches(':modal') === {str(modal).lower()}""")
        visit.shows("hello", "answer to hello")
    expect(visit.launcher).to_have_attribute("aria-expanded", "true")


def test_a_browser_that_gives_frames_storage_leaves_the_website_nothing(
    chromium: Browser, home: str, website: str, tmp_path: Path
) -> None:
    preferences = tmp_path / "profile" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text('{"profile": {"cookie_controls_mode": 0}}')
    browser = chromium.browser_type.launch_persistent_context(
        str(tmp_path / "profile"), executable_path=CHROMIUM, args=QUIET
    )
    try:
        html = HOST_PAGE.format(home=home, key="shop", more="")
        (tmp_path / "site" / "index.html").write_text(html, encoding="utf-8")
        visit = Visit(browser.new_page())
        visit.page.goto(website)
        visit.open()
        visit.say("hello")
        visit.shows("hello", "answer to hello")
        assert visit.page.evaluate("localStorage['courier.shop']") == '{"talked":true}'
        visit.page.reload()
        visit.open()
        visit.shows("hello", "answer to hello")
    finally:
        browser.close()
