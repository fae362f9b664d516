"""Walks through the whole product in a real browser, on a phone in Chinese and wide in English."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from bot.settings import ROOT
from conversations.models import Author, Holder, Kind
from parcels import service as parcels
from tests.e2e import dialogues
from tests.e2e.browser import PHONE, WIDE, Chat, Desk, assert_accessible, visit
from tests.e2e.house import House, Known, eventually

WORDS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "where": "帮我查一下 {number} 到哪了",
        "late": "怎么还没到，都晚了一天了，帮我催一下",
        "person": "转人工",
        "note": "客户很着急，先道歉",
        "reply": "您好，已联系武汉转运中心，今晚发车，明早 9 点前送到。",
        "thanks": "好的，谢谢您",
        "afterwards": "你好",
        "outcome": "加急发出",
    },
    "en": {
        "where": "Where is my parcel {number}?",
        "late": "It is a day late and still not here, please chase it up",
        "person": "I want to talk to a person",
        "note": "Very worried, apologise first",
        "reply": "Hello, the hub in Wuhan sends it tonight; it reaches you by 9 tomorrow morning.",
        "thanks": "All right, thank you",
        "afterwards": "hello",
        "outcome": "sent by express",
    },
}


def parcel(house: House, state: str, goods: str, goods_class: str = "general") -> str:
    """A new parcel's number."""
    given = dialogues.shipment({"goods": goods, "class": goods_class, "state": state})
    with house.database.write() as session:
        parcels.store_shipment(session, given)
    return given.waybill_no


def readable(known: Known) -> list[str]:
    """What the customer's page must show: all that was said to everyone."""
    return [e.text for e in known.entries if e.kind not in (Kind.NOTE, Kind.EVENT)]


def agrees(chat: Chat, house: House, words: str) -> list[str]:
    """Until the page shows the record of the conversation with ``words``: all, once, in order."""

    def same() -> list[str]:
        lines = readable(house.conversation_of(words))
        return lines if chat.lines() == lines else []

    return eventually(same, "the page agreeing with the record", seconds=20)


def kept(request: pytest.FixtureRequest, page: Page, name: str) -> None:
    """A picture for the README, if asked for."""
    if request.config.getoption("--screenshots", default=False):
        expect(page.locator(".toast")).to_have_count(0)
        folder = ROOT / "docs" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / name, animations="disabled", scale="css")


def others_wait(house: House, stack: ExitStack, chromium: Browser) -> None:
    """A queue as on a working day, for the picture."""
    crabs = parcel(house, "late", "大闸蟹", "perishable")
    for words in (f"我的大闸蟹 {crabs} 卡在路上了，再不送就死了！", "我要找人工客服"):
        chat = Chat(stack.enter_context(visit(chromium, house, "zh", PHONE)))
        chat.say(words)
        eventually(
            lambda words=words: house.conversation_of(words).holder == Holder.WAITING,  # type: ignore[misc]
            "a person called",
        )


@pytest.mark.parametrize(("language", "size"), [("zh", PHONE), ("en", WIDE)], ids=["zh", "en"])
def test_a_customer_is_heard_to_the_end(
    house: House,
    chromium: Browser,
    request: pytest.FixtureRequest,
    language: str,
    size: tuple[int, int],
) -> None:
    w = WORDS[language]
    number = parcel(house, "late", "连衣裙" if language == "zh" else "dress")
    where = w["where"].format(number=number)
    with ExitStack() as stack:
        if request.config.getoption("--screenshots", default=False) and language == "en":
            others_wait(house, stack, chromium)
        at_home = stack.enter_context(visit(chromium, house, language, size))
        at_desk = stack.enter_context(visit(chromium, house, language, size))
        desk = Desk(at_desk, house, "lin")
        assert_accessible(desk.page)
        chat = Chat(at_home)
        assert_accessible(chat.page)

        chat.say(where)
        chat.hears(number)
        chat.hears("武汉转运中心")
        chat.say(w["late"])
        ticket = eventually(
            lambda: house.conversation_of(where).tickets, "a ticket of the complaint"
        )[0]
        assert (ticket.kind, ticket.waybill_no) == ("report_delay", number)
        chat.hears(ticket.number)
        chat.say(w["person"])
        chat.hears(dialogues.TEXTS.say(language, "handoff.of_course"))
        promised = dialogues.clock_of(house.conversation_of(where).contact_by[0])
        expect(chat.page.locator("#messages li.bot .bubble").last).to_contain_text(promised)
        expect(chat.page.locator("body")).to_have_attribute("data-status", "waiting")
        agrees(chat, house, where)
        assert_accessible(chat.page)

        case = house.conversation_of(where).case
        assert case is not None
        expect(desk.page.locator(desk.row(case.id))).to_contain_text(w["person"])
        assert desk.was_never_reloaded()
        desk.open(case.id)
        card = desk.page.locator("#packet")
        for known in (number, ticket.number, "武汉转运中心", "%"):
            expect(card).to_contain_text(known)
        expect(desk.page.locator("#thread")).to_contain_text(where)
        assert_accessible(desk.page)
        desk.take()
        expect(chat.page.locator("body")).to_have_attribute("data-status", "agent")
        expect(chat.page.locator("#status-text")).to_contain_text("林晓")
        desk.note(w["note"])
        desk.page.fill("#reply-text", w["reply"])
        expect(chat.page.locator("#typing")).to_be_visible()
        desk.reply(w["reply"])
        chat.hears(w["reply"], "agent")
        expect(desk.page.locator("li.said.agent .delivery.read").last).to_be_visible()
        chat.say(w["thanks"])
        expect(desk.page.locator("li.said.customer .text").last).to_have_text(w["thanks"])
        assert desk.was_never_reloaded()
        assert_accessible(desk.page)
        assert_accessible(chat.page)
        kept(
            request, *((chat.page, "customer.png") if language == "zh" else (desk.page, "desk.png"))
        )

        before = agrees(chat, house, where)
        chat.page.reload()
        chat.shows_exactly(before)
        chat.page.close()
        second = Chat(at_home)
        second.shows_exactly(before)
        assert w["note"] not in second.page.content()
        history = at_home.request.get("/chat/history").text()
        assert w["reply"] in history
        assert w["note"] not in history

        desk.resolve(w["outcome"])
        second.hears("林晓", "system")
        expect(second.page.locator("body")).to_have_attribute("data-status", "bot")
        second.say(w["afterwards"])
        eventually(
            lambda: (
                house.conversation_of(where).said()[-1] not in before
                and house.conversation_of(where).entries[-1].author == Author.BOT
            ),
            "the bot's answer after the case",
        )
        second.shows_exactly(readable(house.conversation_of(where)))
        desk.page.goto(f"/desk/cases/{case.id}")
        expect(desk.page.locator(".standing")).to_contain_text(w["outcome"])
        assert_accessible(desk.page)


def test_a_conversation_outlives_the_service(house: House, chromium: Browser) -> None:
    number = parcel(house, "late", "键盘")
    first, meanwhile = f"查快递 {number}", f"{number} 一直没动，帮我催一下"
    with visit(chromium, house, "zh", PHONE) as at_home:
        chat = Chat(at_home)
        chat.say(first)
        chat.hears("武汉转运中心")
        house.kill(house.service)
        expect(chat.page.locator("body")).to_have_attribute("data-status", "down")
        chat.say(meanwhile)
        expect(chat.page.locator("#messages li[data-state=queued]")).to_have_count(1)
        house.start(house.service)
        expect(chat.page.locator("body")).to_have_attribute("data-status", "bot")
        ticket = eventually(
            lambda: house.conversation_of(first).tickets, "the ticket of what was said meanwhile"
        )[0]
        chat.hears(ticket.number)
        chat.settled()
        known = house.conversation_of(first)
        assert [e.text for e in known.entries if e.author == Author.CUSTOMER] == [first, meanwhile]
        assert len(known.tickets) == 1
        agrees(chat, house, first)


def test_of_two_agents_one_has_the_case_and_the_other_is_told(
    house: House, chromium: Browser
) -> None:
    words = f"我要找人工客服 {time.monotonic_ns()}"
    with ExitStack() as stack:
        chat = Chat(stack.enter_context(visit(chromium, house, "zh", PHONE)))
        desks = {
            login: Desk(stack.enter_context(visit(chromium, house, "zh", WIDE)), house, login)
            for login in ("lin", "zhou")
        }
        chat.say(words)
        case = eventually(lambda: house.conversation_of(words).case, "a case")
        for desk in desks.values():
            expect(desk.page.locator(desk.row(case.id))).to_be_visible()
            desk.open(case.id)
            expect(desk.page.locator("#take")).to_be_enabled()
        at = int(time.time() * 1000) + 1000
        for desk in desks.values():
            desk.page.evaluate(
                "at => setTimeout(() => document.querySelector('#take').click(), at - Date.now())",
                at,
            )
        names = {"lin": "林晓", "zhou": "周宁"}
        for desk in desks.values():
            expect(desk.page.locator("#take")).to_have_count(0)
        winners = [n for n, desk in desks.items() if desk.page.locator("#reply-text").count()]
        assert len(winners) == 1
        loser = next(desk for login, desk in desks.items() if login not in winners)
        expect(loser.page.locator(".standing")).to_contain_text(names[winners[0]])
        known = house.conversation_of(words)
        assert [e.text for e in known.entries if e.kind == Kind.EVENT].count("taken") == 1
        chat.hears(names[winners[0]], "system")
        desks[winners[0]].resolve("")


HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>",
    "{{ 7*7 }} ${7*7} %s </textarea></template>--><svg onload=alert(1)>",
    "مرحبا أين طردي؟ שלום",
    "🦀🦀🦀😡👨‍👩‍👧‍👦",
    "'; DROP TABLE messages; -- \"\\",
)


def test_hostile_words_are_text_on_both_sides(house: House, chromium: Browser) -> None:
    words = f"转人工 {time.monotonic_ns()}"
    with (
        visit(chromium, house, "zh", PHONE) as at_home,
        visit(chromium, house, "en", WIDE) as at_desk,
    ):
        chat = Chat(at_home)
        chat.say(words)
        case = eventually(lambda: house.conversation_of(words).case, "a case")
        for hostile in HOSTILE:
            chat.say(hostile)
        chat.settled()
        desk = Desk(at_desk, house, "zhou")
        desk.open(case.id)
        desk.take()
        for hostile in HOSTILE:
            desk.reply(hostile)
        said = desk.page.locator("li.said.customer .text")
        expect(said).to_have_text([words, *HOSTILE])
        for hostile in HOSTILE:
            chat.hears(hostile, "agent")
        agrees(chat, house, words)
        for page in (chat.page, desk.page):
            assert page.evaluate("window.hacked") is None
            assert_accessible(page)

        # 100 kB: the page says so and sends nothing; whoever sends it all the same is refused.
        long = "长" * 34_000
        chat.page.fill("#words", long)
        chat.page.press("#words", "Enter")
        expect(chat.page.locator("#counter.over")).to_be_visible()
        assert chat.page.input_value("#words") == long
        assert long not in chat.lines()
        refused = at_home.request.post(
            "/chat/messages",
            data={"id": "abcdefgh12345678", "text": long},
            headers={"Origin": house.url},
        )
        assert refused.status == 413
        assert "Traceback" not in refused.text()
        assert readable(house.conversation_of(words)).count(long) == 0
        desk.resolve("")


@pytest.mark.parametrize(("language", "size"), [("zh", PHONE), ("en", WIDE)], ids=["zh", "en"])
def test_a_supervisor_reads_any_transcript(
    house: House, chromium: Browser, language: str, size: tuple[int, int]
) -> None:
    number = parcel(house, "moving", "书")
    words = f"帮我查一下 {number} 到哪了"
    line = house.line(f"reader {number}")
    dialogues.turn_of(line, words, None)
    line.close()
    with visit(chromium, house, language, size) as at_desk:
        desk = Desk(at_desk, house, "chen")
        desk.page.goto("/desk/review")
        assert_accessible(desk.page)
        desk.page.fill("#q", "武汉")
        desk.page.press("#q", "Enter")
        desk.page.wait_for_url("**/desk/review?q=*")
        assert_accessible(desk.page)
        key = house.conversation_of(words).key
        hit = desk.page.locator(f".list a[href*='{key}']").first
        expect(hit.locator("mark")).to_have_text("武汉")
        hit.click()
        expect(desk.page.locator("li.said.customer .text")).to_have_text([words])
        expect(desk.page.locator("li.said.bot .text")).to_contain_text(number)
        assert_accessible(desk.page)
        desk.page.goto("/desk/cases/999999999")
        assert_accessible(desk.page)


def test_the_desk_is_shut_to_strangers(house: House) -> None:
    with httpx.Client(base_url=house.url, timeout=10, trust_env=False) as stranger:
        for path in ("/desk", "/desk/cases/1", "/desk/review", "/desk/live"):
            assert stranger.get(path).status_code == 303
        for path in ("/api/cases", "/api/cases/1", "/api/cases/1/packet", "/chat/history"):
            assert stranger.get(path).status_code == 401
        assert stranger.post("/internal/actions", json={}).status_code == 403


def test_pictures_are_where_the_readme_shows_them() -> None:
    images = Path(ROOT / "docs" / "images")
    for name in ("desk.png", "customer.png"):
        picture = (images / name).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 500_000
