"""The customers' page as a channel: the contract, sessions, the stream, limits, foreign sites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.channels.base import Channel
from bot.channels.web.limits import Limits, Rate
from bot.channels.web.page import accepted_language
from bot.channels.web.visitors import COOKIE
from conversations.models import Customer, Delivery
from store import clock, ids
from store.engine import Database
from tests.channels.contract import ChannelContract, Platform
from tests.channels.house import House, client, post, until


class WebPlatform(Platform):
    """Browsers: one cookie jar for each visitor."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    takes_files = True

    def attach(self, house: House) -> Channel:
        return house.web

    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        headers = await self._headers(http, who)
        return await post(http, "/chat/messages", {"id": outside_id, "text": text}, headers)

    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        reply = await http.get("/chat/history", headers=await self._headers(http, who))
        return [m["text"] for m in reply.json()["messages"] if m["author"] != "customer"]

    async def files_shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[bytes]:
        headers = await self._headers(http, who)
        found = (await http.get("/chat/history", headers=headers)).json()["messages"]
        return [
            (await http.get(file["address"], headers=headers)).content
            for message in found
            for file in message["files"]
        ]

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        cookie = await self._headers(http, "ann")
        sent: list[tuple[str, bytes]] = [
            ("application/json", b""),
            ("application/json", b'{"id": "m-000009", '),
            ("application/json", b"[" * 50_000),
            ("application/json", b"\xff\xfe\x00"),
            ("application/json", b"null"),
            ("application/json", b'"words"'),
            ("application/json", b'{"id": 7, "text": "x"}'),
            ("application/json", b'{"id": "m-000009", "text": null}'),
            ("application/json", b'{"id": "../../etc", "text": "x"}'),
            ("application/json", b'{"id": "", "text": "x"}'),
            ("application/json", b'{"id": "m-000009", "text": "' + b"x" * 100_000 + b'"}'),
            ("text/plain", b'{"id": "m-000009", "text": "x"}'),
            ("application/x-www-form-urlencoded", b"id=m-000009&text=x"),
        ]
        statuses = []
        for kind, body in sent:
            reply = await http.post(
                "/chat/messages", content=body, headers={"content-type": kind, **cookie}
            )
            assert "Traceback" not in reply.text
            statuses.append(reply.status_code)
        return statuses

    async def _headers(self, http: httpx.AsyncClient, who: str) -> dict[str, str]:
        if who not in self._cookies:
            http.cookies.clear()
            reply = await http.post("/chat/session")
            self._cookies[who] = reply.cookies[COOKIE]
        http.cookies.clear()
        return {"cookie": f"{COOKIE}={self._cookies[who]}"}


class TestTheWebPageKeepsTheContract(ChannelContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return WebPlatform()


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with client(house.app()) as opened:
        yield opened


async def begin(http: httpx.AsyncClient) -> None:
    assert (await http.post("/chat/session")).status_code == 200


async def say(http: httpx.AsyncClient, text: str, number: str = "m-000001") -> httpx.Response:
    return await http.post("/chat/messages", json={"id": number, "text": text})


async def history(http: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    reply = await http.get("/chat/history", params=query)
    found: dict[str, Any] = reply.json()
    return found


# Sessions


async def test_a_session_is_a_cookie_no_script_can_read(http: httpx.AsyncClient) -> None:
    reply = await http.post("/chat/session")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "set-cookie" not in (await http.post("/chat/session")).headers


async def test_only_the_fingerprint_of_the_secret_is_stored(
    house: House, http: httpx.AsyncClient
) -> None:
    await begin(http)
    await say(http, "hello")
    with house.database.read() as session:
        customer = session.query(Customer).one()
    assert customer.address == ids.fingerprint(http.cookies[COOKIE])


@pytest.mark.parametrize("cookie", ["", "x", "a" * 42 + ";b", "%00" * 20, "é" * 43, "a" * 5000])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/chat/messages"),
        ("POST", "/chat/receipts"),
        ("GET", "/chat/history"),
        ("GET", "/chat/events"),
    ],
)
async def test_without_a_session_there_is_nothing(
    http: httpx.AsyncClient, method: str, path: str, cookie: str
) -> None:
    reply = await http.request(
        method, path, headers={b"cookie": f"{COOKIE}={cookie}".encode()}, json={}
    )
    assert reply.status_code == 401
    assert reply.json()["error"] == "not_signed_in"


async def test_another_visitor_reads_nothing_of_mine(house: House, http: httpx.AsyncClient) -> None:
    await begin(http)
    await say(http, "my secret parcel")
    async with client(house.app()) as other:
        await begin(other)
        assert (await say(other, "hello")).status_code == 202  # the same id is not the same message
        assert [m["text"] for m in (await history(other))["messages"]] == ["hello"]


# History and receipts


async def test_history_goes_back_page_by_page(house: House, http: httpx.AsyncClient) -> None:
    await begin(http)
    async with house.at_work():
        await say(http, "hello")
        await until(house.idle)
        (row,) = house.inbox_rows()
        for number in range(100):
            house.post(row.conversation_id, f"k{number}", f"no {number}")
        await until(house.idle, 30)
    newest = await history(http)
    assert newest["more"]
    assert len(newest["messages"]) == 60
    older = await history(http, before=newest["messages"][0]["id"])
    assert not older["more"]
    texts = [m["text"] for m in older["messages"] + newest["messages"]]
    assert texts == ["hello", "answer to hello", *(f"no {n}" for n in range(100))]


async def test_what_the_outbox_has_not_sent_is_not_shown_and_holds_back_what_follows(
    house: House, http: httpx.AsyncClient
) -> None:
    await begin(http)
    async with house.at_work():
        await say(http, "hello")
        await until(house.idle)
    (row,) = house.inbox_rows()
    house.post(row.conversation_id, "k1", "on its way")  # nobody is at work
    await say(http, "again", "m-000002")
    page = await history(http)
    assert [m["text"] for m in page["messages"]] == ["hello", "answer to hello"]
    assert page["state"]["typing"]
    async with house.at_work():
        await until(house.idle)
    texts = [m["text"] for m in (await history(http))["messages"]]
    assert texts == ["hello", "answer to hello", "on its way", "again", "answer to again"]


async def test_a_receipt_marks_what_was_sent_as_delivered(
    house: House, http: httpx.AsyncClient
) -> None:
    await begin(http)
    async with house.at_work():
        await say(http, "hello")
        await until(house.idle)
    assert [row.state for row in house.outbox_rows()] == [Delivery.SENT]
    newest = (await history(http))["messages"][-1]["id"]
    async with client(house.app()) as stranger:
        await begin(stranger)
        await say(stranger, "I am somebody else", "m-000009")
        await stranger.post("/chat/receipts", json={"up_to": newest})
    assert [row.state for row in house.outbox_rows()] == [Delivery.SENT]
    for _ in range(2):
        assert (await http.post("/chat/receipts", json={"up_to": newest})).status_code == 204
    assert [row.state for row in house.outbox_rows()] == [Delivery.DELIVERED]


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 30, "٣", "0x1", "1;DROP"])
async def test_a_message_id_that_is_none_is_refused(http: httpx.AsyncClient, value: str) -> None:
    await begin(http)
    for path, name in (("/chat/history", "before"), ("/chat/events", "after")):
        assert (await http.get(path, params={name: value})).status_code == 422


# Foreign sites, limits


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://[bad"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_another_sites_page_cannot_post(
    http: httpx.AsyncClient, house: House, headers: dict[str, str]
) -> None:
    await begin(http)
    for path in ("/chat/session", "/chat/messages", "/chat/receipts"):
        reply = await http.post(path, json={"id": "m-000001", "text": "x"}, headers=headers)
        assert reply.status_code == 403
    assert house.record() == []


async def test_our_own_page_can_post(http: httpx.AsyncClient) -> None:
    own = {"origin": "http://desk.test", "sec-fetch-site": "same-origin"}
    assert (await http.post("/chat/session", headers=own)).status_code == 200


async def test_a_visitor_who_floods_is_asked_to_wait(
    database: Database, at: Callable[[datetime], None]
) -> None:
    house = House(database, limits=Limits(messages_per_visitor=Rate(3, 0.5)))
    async with client(house.app()) as http:
        await begin(http)
        replies = [await say(http, "hello", f"m-00000{n}") for n in range(4)]
        assert [reply.status_code for reply in replies] == [202, 202, 202, 429]
        assert replies[3].json()["error"] == "too_many"
        assert replies[3].json()["message"]
        at(clock.now() + timedelta(seconds=2))
        assert (await say(http, "hello", "m-000003")).status_code == 202
    assert len(house.inbox_rows()) == 4


async def test_an_address_that_floods_is_asked_to_wait_whoever_it_pretends_to_be(
    database: Database, at: Callable[[datetime], None]
) -> None:
    house = House(database, limits=Limits(messages_per_address=Rate(3, 0.5)))
    app = house.app()
    statuses = []
    for _ in range(4):
        async with client(app, "203.0.113.7") as http:
            await begin(http)
            statuses.append((await say(http, "hello")).status_code)
    assert statuses == [202, 202, 202, 429]
    async with client(app, "203.0.113.8") as http:
        await begin(http)
        assert (await say(http, "hello")).status_code == 202


# The page


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9", "en"),
        ("fr,en;q=0.5,zh;q=0.7", "zh"),
        ("de", "zh"),
        ("", "zh"),
        ("en;q=0,zh;q=0.1", "zh"),
        ("en;q=nonsense", "zh"),
    ],
)
def test_the_language_is_the_best_the_browser_asks_for(header: str, language: str) -> None:
    assert accepted_language(header) == language


async def test_a_chosen_language_is_remembered(http: httpx.AsyncClient) -> None:
    chinese = await http.get("/", headers={"accept-language": "zh"})
    assert 'lang="zh-CN"' in chinese.text
    assert "set-cookie" not in chinese.headers
    assert 'lang="en"' in (await http.get("/?lang=en", headers={"accept-language": "zh"})).text
    assert 'lang="en"' in (await http.get("/", headers={"accept-language": "zh"})).text


async def test_the_page_lets_no_inline_or_foreign_script_run(http: httpx.AsyncClient) -> None:
    reply = await http.get("/")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in reply.text
    assert "onclick" not in reply.text
    assert reply.text.count("<script") == reply.text.count('<script type="module" src="/static/')


async def test_static_files_are_packed_and_only_those_there_are(http: httpx.AsyncClient) -> None:
    reply = await http.get("/static/web/any/main.js")
    assert reply.headers["content-encoding"] == "gzip"
    assert "javascript" in reply.headers["content-type"]
    for name in ("nothing.js", "..%2fchannel.py", "%2e%2e/routes.py"):
        assert (await http.get(f"/static/web/any/{name}")).status_code == 404
