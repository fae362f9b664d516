"""A parcel's own page: what it shows, whom it shows more, and who cannot get round that."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import httpx
import pytest
from fastapi.testclient import TestClient

from bot.channels.web.limits import Limits, Rate
from bot.channels.web.visitors import COOKIE, PAGE
from conversations.models import Customer, Message
from parcels import identity, service, timeline
from parcels.change_models import IdentityTry
from parcels.models import Shipment, Status, SubStatus
from parcels.schemas import ScanIn, ShipmentIn
from store import clock, ids
from store.engine import Database
from tests.channels.house import TEXTS, House, serving

NUMBER, OTHER = "SF1234567890123", "SF1234567890124"
PRIVATE = (
    "张三丰",
    "13812347654",
    "7654",
    "138****",
    "世纪大道 100 号",
    "8-3-2046",
    "李师傅",
    "7111",
)
PUBLIC = ("杭州萧山转运中心", "上海青浦转运中心", "暴雨", "上海浦东网点", NUMBER)
Open = Callable[..., TestClient]
_HOSTS = itertools.count()


def stored(database: Database, number: str = NUMBER, **more: object) -> str:
    """A parcel on its way; the path of its page."""
    now = clock.now()
    facts: dict[str, object] = {
        "recipient_name": "张三丰",
        "recipient_phone": "138 1234 7654",
        "sender_phone": "+86-13900001234",
        "recipient_address": "上海市世纪大道 100 号",
        "courier_name": "李师傅",
        "courier_phone": "13711117111",
        "pickup_code": "8-3-2046",
        "eta_from": now + timedelta(hours=3),
        "eta_to": now + timedelta(hours=4),
        "scans": [
            ScanIn(
                at=now - timedelta(hours=9), sub_status=SubStatus.PICKED_UP, place="杭州西湖网点"
            ),
            ScanIn(
                at=now - timedelta(hours=5),
                sub_status=SubStatus.DEPARTED,
                place="杭州萧山转运中心",
                words="快递员 李师傅 13711117111",
            ),
            ScanIn(
                at=now - timedelta(hours=1),
                sub_status=SubStatus.ARRIVED,
                place="上海青浦转运中心",
                next_place="上海浦东网点",
                next_at=now + timedelta(hours=2),
                reason="暴雨",
            ),
        ],
    }
    with database.write() as session:
        given = ShipmentIn(waybill_no=number, **(facts | more))  # type: ignore[arg-type]
        shipment = service.store_shipment(session, given)
        return timeline.Timeline("").link(session, shipment)


def scanned(database: Database, number: str, **scan: object) -> None:
    with database.write() as session:
        given = ShipmentIn(waybill_no=number, scans=[ScanIn(at=clock.now(), **scan)])  # type: ignore[arg-type]
        service.store_shipment(session, given)


@pytest.fixture
def house(database: Database, at: object) -> House:
    return House(database)


@pytest.fixture
def open_browser(house: House) -> Open:
    """A new browser, each at a network address of its own."""

    def opened(host: str = "", language: str = "zh-CN") -> TestClient:
        return TestClient(
            house.app(),
            base_url="http://desk.test",
            client=(host or f"10.0.0.{next(_HOSTS)}", 50000),
            follow_redirects=False,
            headers={"accept-language": language},
        )

    return opened


def tries(browser: TestClient, path: str, digits: str) -> str:
    """The page after one try."""
    answer = browser.post(path + "/proof", data={"digits": digits})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].split("?")[0] == path
    return str(browser.get(answer.headers["location"]).text)


def test_the_link_is_always_the_same_and_says_nothing(database: Database, at: object) -> None:
    path = stored(database)
    with database.write() as session:
        shipment = session.query(Shipment).one()
        again = timeline.Timeline("https://desk.example.com").link(session, shipment)
    assert again == f"https://desk.example.com{path}"
    assert NUMBER not in path
    assert len(path.removeprefix("/p/")) == 22


@pytest.mark.parametrize(("hours", "first"), [(5, "time"), (-1, "hurry")])
def test_a_late_parcel_is_to_be_chased_first(
    database: Database, open_browser: Open, hours: int, first: str
) -> None:
    path = stored(database, eta_to=clock.now() + timedelta(hours=hours))
    assert f'value="{first}" class="primary"' in open_browser().get(path).text


def test_two_who_need_the_first_link_at_once_get_the_same(database: Database, at: object) -> None:
    with database.write() as session:
        shipment_id = service.store_shipment(session, ShipmentIn(waybill_no=NUMBER)).id
    codes: list[str] = []

    def need() -> None:
        with database.write() as session:
            codes.append(timeline.service_codes(session, [shipment_id])[shipment_id])

    threads = [threading.Thread(target=need) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 8
    assert len(set(codes)) == 1


def test_every_state_has_its_words() -> None:
    for what in (*Status, *SubStatus, "unknown"):
        assert TEXTS.has(f"timeline.what.{what}")
    for status in Status:
        assert TEXTS.has(f"timeline.status.{status}")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-CN", ("运输中", "已揽收", "下一站：上海浦东网点", "今天 13:00 到 14:00", "改时间")),
        ("en-GB,en;q=0.9", ("On its way", "Picked up", "Next stop: 上海浦东网点", "Chase it")),
    ],
)  # fmt: skip
def test_whoever_has_the_link_sees_the_road_and_nothing_personal(
    open_browser: Open, house: House, language: str, words: tuple[str, ...]
) -> None:
    page = open_browser(language=language).get(stored(house.database))
    assert page.status_code == 200
    for shown in (*words, *PUBLIC):
        assert shown in page.text
    for secret in PRIVATE:
        assert secret not in page.text


def test_the_page_is_kept_nowhere_and_lets_no_foreign_thing_in(
    open_browser: Open, house: House
) -> None:
    browser = open_browser()
    for path, status in ((stored(house.database), 200), (f"/p/{ids.new_key()}", 404)):
        page = browser.get(path)
        assert page.status_code == status
        assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-robots-tag"] == "noindex"
        assert page.headers["x-content-type-options"] == "nosniff"


def test_the_language_is_switched_and_remembered(open_browser: Open, house: House) -> None:
    path, browser = stored(house.database), open_browser()
    assert 'href="?lang=en"' in browser.get(path).text
    assert "On its way" in browser.get(path + "?lang=en").text
    assert "On its way" in browser.get(path).text


def test_the_right_digits_show_what_is_private_with_phones_masked(
    open_browser: Open, house: House
) -> None:
    path, browser = stored(house.database), open_browser()
    shown = tries(browser, path, "7654")
    for word in ("张三丰", "138****7654", "上海市世纪大道 100 号", "已核对身份"):
        assert word in shown
    assert "13812347654" not in shown
    assert "李师傅" not in shown  # he has not set out
    assert "8-3-2046" not in shown  # and there is nothing to fetch
    scanned(house.database, NUMBER, status=Status.OUT_FOR_DELIVERY, place="上海浦东网点")
    shown = browser.get(path).text
    assert "李师傅" in shown
    assert "137****7111" in shown
    assert "13711117111" not in shown
    scanned(house.database, NUMBER, status=Status.AVAILABLE_FOR_PICKUP, place="世纪公寓柜")
    shown = browser.get(path).text
    assert "8-3-2046" in shown
    assert "李师傅" not in shown


def test_the_senders_digits_and_a_whole_phone_do_too(open_browser: Open, house: House) -> None:
    path = stored(house.database)
    assert "张三丰" in tries(open_browser(), path, "１２３４")
    assert "张三丰" in tries(open_browser(), path, "13812347654")


def test_a_proof_is_this_browsers_alone(open_browser: Open, house: House) -> None:
    path, other = stored(house.database), stored(house.database, OTHER)
    owner = open_browser()
    assert "张三丰" in tries(owner, path, "7654")
    assert "张三丰" not in open_browser().get(path).text
    assert "张三丰" not in owner.get(other).text


def test_three_wrong_tries_lock_and_the_right_one_is_not_heard(
    open_browser: Open, house: House, at: Callable[[datetime], None]
) -> None:
    path, browser = stored(house.database), open_browser()
    first = tries(browser, path, "0000")
    assert "对不上" in first
    assert 'name="digits"' in first
    tries(browser, path, "1111")
    assert "先停 30 分钟" in tries(browser, path, "2222")
    shown = tries(browser, path, "7654")
    assert "先停 30 分钟" in shown
    assert "张三丰" not in shown
    at(clock.now() + timedelta(minutes=31))
    assert "张三丰" in tries(browser, path, "7654")
    with house.database.read() as session:
        kept = session.query(IdentityTry).order_by(IdentityTry.id).all()
        assert [row.wrong_in_row for row in kept] == [1, 2, 3, 0]
        assert {row.message_id for row in kept} == {None}
        assert session.query(Message).count() == 0


def test_new_browsers_do_not_get_more_tries(open_browser: Open, house: House) -> None:
    path = stored(house.database)
    for number in range(10):
        tries(open_browser(), path, f"{number:04}")
    late = open_browser()
    assert "张三丰" not in tries(late, path, "7654")
    assert "先停 30 分钟" in late.get(path).text


@pytest.mark.parametrize("digits", ["", "12", "12345", "abcd", "1234 7654", "7654" * 20])
def test_what_are_no_four_digits_is_no_try(open_browser: Open, house: House, digits: str) -> None:
    browser = open_browser()
    answer = browser.post(stored(house.database) + "/proof", data={"digits": digits})
    assert answer.status_code in {303, 422}
    with house.database.read() as session:
        assert session.query(IdentityTry).count() == 0


def test_proofs_of_page_and_chat_are_one_and_of_other_channels_none(
    open_browser: Open, house: House
) -> None:
    path, browser = stored(house.database), open_browser()
    tries(browser, path, "7654")
    rules = house.web._web.identity
    with house.database.write() as session:
        visitor = session.query(Customer).one()
        assert (visitor.channel, visitor.account) == ("web", PAGE)
        assert identity.proven(session, rules, visitor, NUMBER)
        elsewhere = Customer(
            channel="telegram", account="main", address=visitor.address, created_at=clock.now()
        )
        session.add(elsewhere)
        session.flush()
        assert not identity.proven(session, rules, elsewhere, NUMBER)
        identity.prove(session, rules, elsewhere, None, NUMBER, "7654")
    # Whoever has the fingerprint of a visitor, and not his secret, is nobody.
    guest = open_browser()
    guest.cookies.set(COOKIE, visitor.address)
    assert "张三丰" not in guest.get(path).text


def test_a_wrong_code_and_one_never_given_are_told_the_same(
    open_browser: Open, house: House
) -> None:
    path, browser = stored(house.database), open_browser()
    withdrawn = path[:-1] + ("A" if path[-1] != "A" else "B")
    wrong = [withdrawn, f"/p/{ids.new_key()}", "/p/1", "/p/" + "x" * 500, "/p/%00", f"/p/{NUMBER}"]
    answers = [browser.get(each) for each in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    for each in wrong[:3]:
        assert browser.get(each + "/events").status_code == 404
        assert browser.post(each + "/proof", data={"digits": "7654"}).status_code == 404
        assert browser.post(each + "/chat", data={"ask": "time"}).status_code == 404
    with house.database.read() as session:
        assert session.query(Customer).count() == session.query(IdentityTry).count() == 0


def test_whoever_looks_for_codes_is_soon_not_heard_any_more(
    database: Database, at: Callable[[datetime], None]
) -> None:
    house = House(database, limits=Limits(parcel_pages_per_address=Rate(100, 1)))
    app, path = house.app(), stored(database)
    searcher = TestClient(app, client=("10.9.9.9", 1))
    answers = [searcher.get(f"/p/{ids.new_key()}").status_code for _ in range(20)]
    assert answers == [404] * 10 + [429] * 10
    refused = searcher.get(path, headers={"Accept-Language": "zh"})
    assert refused.status_code == 429
    assert refused.headers["content-type"].startswith("text/html")
    assert int(refused.headers["retry-after"]) > 0
    assert "要等 1 分钟才能再打开" in refused.text
    english = searcher.get(path, headers={"Accept-Language": "en"})
    assert "has to wait 1 minute before" in english.text
    assert NUMBER not in refused.text + english.text
    assert searcher.get(path + "/events").json()["error"] == "too_many"
    assert TestClient(app, client=("10.9.9.8", 1)).get(path).status_code == 200
    at(clock.now() + timedelta(seconds=60))
    assert searcher.get(path).status_code == 200


def test_a_button_leads_to_the_chat_with_the_number_said(open_browser: Open, house: House) -> None:
    path, browser = stored(house.database), open_browser()
    for _ in range(2):  # a double click
        answer = browser.post(path + "/chat", data={"ask": "time"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    (said,) = browser.get("/chat/history").json()["messages"]
    assert said["text"] == f"我要改派送时间，单号{NUMBER}"
    assert browser.post(path + "/chat", data={"ask": "nonsense"}).status_code == 422
    assert browser.post(path + "/chat").status_code == 422


def test_other_sites_press_no_button(open_browser: Open, house: House) -> None:
    path, browser = stored(house.database), open_browser()
    for where, form in (("/chat", {"ask": "time"}), ("/proof", {"digits": "7654"})):
        answer = browser.post(path + where, data=form, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
    with house.database.read() as session:
        assert session.query(Customer).count() == 0


@pytest.fixture
def served(database: Database) -> Iterator[tuple[House, str]]:
    house = House(database)
    with serving(house) as url:
        yield house, url


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Name, id and data of each event with data."""
    found: dict[str, str] = {}
    for line in lines:
        if not line:
            if found.get("data"):
                yield found["event"], found.get("id", ""), json.loads(found["data"])
            found = {}
            continue
        name, _, value = line.partition(": ")
        found[name] = value


def test_the_stream_tells_what_changed_and_resumes_after_what_was_seen(
    served: tuple[House, str],
) -> None:
    house, url = served
    path = url + stored(house.database)
    language = {"accept-language": "en"}
    with httpx.stream("GET", path + "/events", headers=language, timeout=30) as answer:
        told = events(answer.iter_lines())
        name, first, parts = next(told)
        assert (name, parts["news"]) == ("page", "On its way")
        scanned(house.database, NUMBER, status=Status.OUT_FOR_DELIVERY, place="上海浦东网点")
        _, second, parts = next(told)
        assert parts["news"] == "Out for delivery"
        assert second != first
        assert all(secret not in json.dumps(parts, ensure_ascii=False) for secret in PRIVATE)
    headers = language | {"last-event-id": second}
    with httpx.stream("GET", path + "/events?seen=old", headers=headers, timeout=30) as answer:
        told = events(answer.iter_lines())
        scanned(house.database, NUMBER, status=Status.DELIVERED, place="上海")
        _, third, parts = next(told)
        assert parts["news"] == "Delivered"
        assert third not in (first, second)
