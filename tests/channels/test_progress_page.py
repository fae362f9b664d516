"""A ticket's own page: who may see it, what it shows, and what its customer can do there."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from bot.channels.web import visitors
from bot.channels.web.limits import Limits, Rate
from bot.channels.web.visitors import COOKIE
from conversations.models import Author, Customer, Message
from handoff.models import Case
from parcels import identity
from parcels.change_models import IdentityTry
from store import clock
from store.engine import Database
from tests.channels.house import served
from tests.channels.progress_house import SECRETS, Desk, built, owner_of
from tests.channels.test_parcel_page import events as events_of
from tickets import repository
from tickets.lifecycle import Change
from tickets.models import Ticket, TicketState
from tickets.promises.models import Promise

Move = Callable[[datetime], None]
PATH = "/tickets/progress"
NOBODYS = "CS260302-9999"


@pytest.fixture
def desk(database: Database, at: Move) -> Desk:
    return built(database)


def proves(browser: TestClient, number: str, digits: str = "7654") -> httpx.Response:
    answer: httpx.Response = browser.post(PATH, data={"number": number, "digits": digits})
    return answer


def inside(desk: Desk, **more: str) -> TestClient:
    """A browser that gave the right digits."""
    browser = desk.browser(**more)
    answer = proves(browser, desk.number)
    assert (answer.status_code, answer.headers["location"]) == (303, desk.path)
    return browser


def version(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found
    return found[1]


def whats(desk: Desk) -> list[tuple[str, str | None]]:
    with desk.house.database.read() as session:
        return [(e.what, e.why) for e in repository.events(session, desk.ticket.id)]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-CN", ("正在处理", "Li", "二线疑难处理", "花瓶碎了，外箱也破了", "专人联系您", "最晚")),
        ("en", ("Being worked on", "Li", "Second line", "花瓶碎了，外箱也破了", "A solution")),
    ],
)
def test_number_and_digits_open_it(desk: Desk, language: str, words: tuple[str, ...]) -> None:
    page = inside(desk, language=language).get(desk.path)
    assert page.status_code == 200
    for word in words:
        assert word in page.text


@pytest.mark.parametrize("digits", ["7654", "1234", "７６５４", "13812347654"])
def test_digits_of_either_phone(desk: Desk, digits: str) -> None:
    assert proves(desk.browser(), desk.number.lower().replace("-", ""), digits).status_code == 303


def test_the_phone_its_customer_gave(database: Database, at: Move) -> None:
    desk = built(database, phone="13677778888", waybill_no=None)
    assert proves(desk.browser(), desk.number, "7654").status_code == 403
    assert proves(desk.browser(), desk.number, "8888").status_code == 303


def test_nobody_sees_only_the_form(desk: Desk) -> None:
    browser = desk.browser()
    there, nowhere = browser.get(desk.path), browser.get(f"{PATH}/{NOBODYS}")
    assert (there.status_code, nowhere.status_code) == (403, 403)
    assert there.text.replace(desk.number, "#") == nowhere.text.replace(NOBODYS, "#")
    assert "花瓶" not in there.text
    for number in (desk.number, NOBODYS):
        assert browser.get(f"{PATH}/{number}/events").status_code == 404
        said = browser.post(f"{PATH}/{number}/say", data={"what": "tell", "words": "我来看看"})
        assert said.status_code == 403
    assert whats(desk)[-1][0] == "accepted"


def test_a_wrong_number_and_wrong_digits_are_told_the_same(desk: Desk) -> None:
    wrong, unknown, malformed = (
        proves(desk.browser(), *given)
        for given in ((desk.number, "0000"), (NOBODYS, "7654"), ("看看", "7654"))
    )
    assert {a.status_code for a in (wrong, unknown, malformed)} == {403}
    plain = {
        re.sub(r'name="number" value="[^"]*"', "", a.text) for a in (wrong, unknown, malformed)
    }
    assert len(plain) == 1
    assert "对不上" in plain.pop()


def test_both_cost_the_same_queries(desk: Desk) -> None:
    counts = []
    for number in (desk.number, NOBODYS):
        seen: list[str] = []

        def note(_: object, __: object, statement: str, *more: object) -> None:
            seen.append(statement)  # noqa: B023

        event.listen(desk.house.database.engine, "before_cursor_execute", note)
        proves(desk.browser(), number, "0000")
        event.remove(desk.house.database.engine, "before_cursor_execute", note)
        counts.append(seen)
    assert counts[0] == counts[1]


def test_three_wrong_tries_lock_a_number_whether_it_is_there_or_not(desk: Desk, at: Move) -> None:
    for number in (desk.number, NOBODYS):
        browser = desk.browser()
        told = [proves(browser, number, f"000{n}").text for n in range(3)]
        assert "对不上" in told[1]
        assert "先停 30 分钟" in told[2]
        assert "先停 30 分钟" in proves(browser, number, "7654").text
        at(clock.now() + timedelta(minutes=31))
        again = proves(browser, number, "7654")
        assert (again.status_code == 303) == (number == desk.number)


def test_new_browsers_do_not_get_more_tries(desk: Desk) -> None:
    for n in range(10):
        proves(desk.browser(f"10.1.0.{n}"), desk.number, f"000{n}")
    assert "先停" in proves(desk.browser("10.1.1.1"), desk.number, "7654").text


def test_whoever_looks_through_the_numbers_is_soon_not_heard(database: Database, at: Move) -> None:
    desk = built(database, limits=Limits(progress_tries_per_address=Rate(5, 1 / 60)))
    answers = [
        proves(desk.browser("10.9.9.9"), f"CS260302-{n:04}", "1234").status_code for n in range(8)
    ]
    assert answers[:5].count(429) == 0
    assert answers[5:] == [429] * 3
    refused = proves(desk.browser("10.9.9.9"), desk.number)
    assert refused.headers["retry-after"] == "60"
    assert "请等 1 分钟再试" in refused.text
    assert 'name="digits"' in refused.text
    assert proves(desk.browser("10.9.9.8"), desk.number).status_code == 303


def test_a_proof_is_this_browsers_alone_and_of_this_ticket(desk: Desk, at: Move) -> None:
    browser = inside(desk)
    assert desk.browser().get(desk.path).status_code == 403
    rules = identity.Rules.model_validate(
        {
            "tries": 3, "lock_minutes": 30, "waybill_tries_a_day": 10, "customer_tries_a_day": 20,
            "holds_hours": {"default": 24},
        }
    )  # fmt: skip
    with desk.house.database.read() as session:
        visitor = session.query(Customer).order_by(Customer.id.desc()).first()
        assert visitor is not None
        assert not identity.proven(session, rules, visitor, "SF1234567890123")
        assert not identity.proven(session, rules, visitor, desk.number)
        assert identity.all_proven(session, rules, visitor, 5) == []
    at(clock.now() + timedelta(hours=25))
    assert browser.get(desk.path).status_code == 403


def test_his_own_session_needs_no_digits_and_anothers_does(desk: Desk) -> None:
    secret, address = visitors.new()
    owner_of(desk, address)
    browser, other = desk.browser(), desk.browser()
    browser.cookies.set(COOKIE, secret)
    other.cookies.set(COOKIE, visitors.new()[0])
    assert browser.get(desk.path).status_code == 200
    assert other.get(desk.path).status_code == 403


def test_the_link_opens_it_for_its_days(desk: Desk, at: Move) -> None:
    link, browser = desk.link, desk.browser()
    page = browser.get(link)
    assert page.status_code == 200
    assert browser.cookies.get(COOKIE) is None
    assert "7654" not in link
    forged = link[:-1] + ("0" if link[-1] != "0" else "1")
    moved = link.replace(desk.number, NOBODYS)
    for wrong in (forged, moved, desk.path + "?until=9999999999&signature=x", link + "x"):
        assert browser.get(wrong).status_code == 403
    assert browser.get(desk.path + "?until=%C2%B2&signature=").status_code == 403
    at(clock.now() + timedelta(days=7, seconds=1))
    late = browser.get(link)
    assert late.status_code == 403
    assert "这个链接已经失效" in late.text
    assert browser.post(_say(link), data={"what": "tell", "words": "还在"}).status_code == 403


def _say(link: str) -> str:
    path, _, query = link.partition("?")
    return f"{path}/say?{query}"


def test_other_sites_press_nothing(desk: Desk) -> None:
    desk.do(Change.PROPOSE)
    browser = inside(desk)
    form = {"what": "agree", "version": version(browser.get(desk.path).text)}
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}):
        assert browser.post(desk.path + "/say", data=form, headers=headers).status_code == 403
        assert browser.post(_say(desk.link), data=form, headers=headers).status_code == 403
        tried = {"number": desk.number, "digits": "7654"}
        assert browser.post(PATH, data=tried, headers=headers).status_code == 403
    assert desk.ticket.state == TicketState.PROPOSED


def test_nothing_of_the_houses_own_is_shown(desk: Desk) -> None:
    desk.comment("客户脾气大")
    desk.do(Change.CANCEL, "内部重复登记")
    page = inside(desk).get(desk.path).text
    for secret in SECRETS:
        assert secret not in page
    assert "已撤销" in page


def test_kept_and_broken_promises_with_the_new_time(desk: Desk, at: Move) -> None:
    start = clock.now()
    with desk.house.database.write() as session:
        promise = session.query(Promise).filter(Promise.kind == "contact").one()
        at(promise.by)
        promise.due_at = promise.by
        desk.house.tickets.clocks.look(session, promise.id)
    desk.do(Change.PROPOSE)
    page = inside(desk).get(desk.path).text
    assert "没有做到，对不起" in page
    assert "新的时间" in page
    assert "已做到" in page  # the solution
    assert start < clock.now()


def test_he_adds_agrees_and_says_it_is_not_solved(desk: Desk) -> None:
    browser = inside(desk)
    page = browser.get(desk.path).text
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key
    tell = {"what": "tell", "words": "外箱有脚印", "key": key[1]}
    for _ in range(2):  # a double click
        assert browser.post(desk.path + "/say", data=tell).status_code == 303
    assert [e for e in whats(desk) if e[0] == "told"] == [("told", "外箱有脚印")]
    desk.do(Change.PROPOSE)
    agree = {"what": "agree", "version": version(browser.get(desk.path).text)}
    browser.post(desk.path + "/say", data=agree)
    assert desk.ticket.state == TicketState.AGREED
    browser.post(desk.path + "/say", data=agree)  # twice
    desk.do(Change.CLOSE, "300 元已到账")
    page = browser.get(desk.path).text
    assert "300 元已到账" in page
    again = {"what": "unsolved", "version": version(page), "words": "钱没到账"}
    browser.post(desk.path + "/say", data=again)
    assert (desk.ticket.state, desk.ticket.staff_id) == (TicketState.ASSIGNED, 1)
    assert whats(desk)[-1] == ("reopened", "钱没到账")
    with desk.house.database.read() as session:
        assert session.query(Case).one().reason == "not_solved"
        texts = [m.text for m in session.query(Message) if m.author == Author.CUSTOMER]
    assert texts == ["花瓶碎了", "外箱有脚印", "钱没到账"]


def test_several_answers_at_once_are_one(desk: Desk) -> None:
    desk.do(Change.PROPOSE)
    form = {"version": version(desk.browser().get(desk.link).text)}
    answers: list[int] = []

    def press(what: str) -> None:
        answer = desk.browser().post(_say(desk.link), data=form | {"what": what})
        answers.append(answer.status_code)

    threads = [threading.Thread(target=press, args=(what,)) for what in ("agree", "unsolved") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [303] * 6
    whole = [what for what, _ in whats(desk)]
    assert whole.count("agreed") + whole.count("declined") == 1


def test_a_no_to_a_proposal_declines_it(desk: Desk) -> None:
    desk.do(Change.PROPOSE)
    browser = desk.browser()
    form = {"what": "unsolved", "version": version(browser.get(desk.link).text)}
    answer = browser.post(_say(desk.link), data=form)
    assert answer.status_code == 303
    assert "signature=" in answer.headers["location"]
    assert desk.ticket.state == TicketState.ACCEPTED


def test_who_answers_a_proposal_he_has_not_seen_changes_nothing(desk: Desk) -> None:
    desk.do(Change.PROPOSE)
    browser = inside(desk)
    seen = version(browser.get(desk.path).text)
    desk.do(Change.PROPOSE, "赔付 100 元")
    assert browser.post(desk.path + "/say", data={"what": "agree", "version": seen}).is_redirect
    assert desk.ticket.state == TicketState.PROPOSED


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"what": "tell", "words": ""}, 422),
        ({"what": "tell", "words": "长" * 4001}, 413),
        ({"what": "accept"}, 303),
        ({"what": "accept", "version": "now"}, 422),
        ({"what": "agree", "version": "0"}, 422),
        ({}, 303),
        ({"what": "tell", "words": "长" * 9000}, 422),
    ],
)
def test_bad_input_changes_nothing(desk: Desk, form: dict[str, str], status: int) -> None:
    browser, before = inside(desk), whats(desk)
    form = {k: str(desk.ticket.version) if v == "now" else v for k, v in form.items()}
    answer = browser.post(desk.path + "/say", data=form)
    assert answer.status_code == status
    assert whats(desk) == before
    if status == 413:
        assert "长长长" in answer.text  # what he wrote is not lost


@pytest.mark.parametrize("number", ["x" * 500, "%00", "CS260302-0001%0d%0a", "../../etc", "💥"])
def test_strange_numbers_meet_the_form_or_nothing(desk: Desk, number: str) -> None:
    assert desk.browser().get(f"{PATH}/{number}").status_code in {403, 404, 422}
    assert proves(desk.browser(), number).status_code in {403, 422}


def test_what_are_no_four_digits_is_no_try(desk: Desk) -> None:
    for digits in ("", "12", "12345", "abcd", "1234 7654"):
        assert proves(desk.browser(), desk.number, digits).status_code in {403, 422}
    with desk.house.database.read() as session:
        assert session.query(IdentityTry).count() == 0


def test_the_page_is_kept_nowhere(desk: Desk) -> None:
    browser = inside(desk)
    for path in (PATH, desk.path, f"{PATH}/{NOBODYS}"):
        page = browser.get(path)
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["x-robots-tag"] == "noindex"
        assert "script-src 'self'" in page.headers["content-security-policy"]


def test_it_is_live(database: Database) -> None:
    desk = built(database)
    with served(desk.app) as url:
        browser = httpx.Client(base_url=url, headers={"accept-language": "en"}, timeout=30)
        link = desk.link.replace(desk.path, desk.path + "/events")
        with browser.stream("GET", link) as answer:
            told = events_of(answer.iter_lines())
            name, first, parts = next(told)
            assert (name, parts["news"]) == ("page", "Being worked on")
            desk.comment("内部")
            desk.do(Change.PROPOSE)
            _, second, parts = next(told)
            assert parts["news"] == "Our proposal is ready for you"
            assert first != second
            assert "内部" not in json.dumps(parts, ensure_ascii=False)
            assert 'name="what" value="agree"' in parts["acts"]


def test_the_link_stands_in_his_notices(desk: Desk) -> None:
    with desk.house.database.read() as session:
        words = [m.text for m in session.query(Message)]
        ticket = session.query(Ticket).one()
    assert any(f"/tickets/progress/{ticket.number}" in text for text in words)
