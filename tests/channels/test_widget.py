"""The widget by HTTP: keys and their sites, tokens, identity, and who may do what."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.assembly import POLICIES
from bot.channels.base import Channel
from bot.channels.web import colours, routes
from bot.channels.web.sites import SESSION, Site, Sites, WidgetPolicy
from bot.settings import load
from conversations.models import Conversation, Customer
from handoff.desk.parts import COOKIE as DESK_COOKIE
from parcels.change_models import DepotOrder, IdentityTry, OrderKind
from parcels.invoice_models import InvoiceRequest
from parcels.models import Shipment, Status
from parcels.notice_models import Notice, NoticeWish
from store import clock, policy_versions
from store.base import Base
from store.engine import Database
from store.errors import PolicyError, SettingsError
from store.orders import OrderState
from tests import rooms
from tests.channels.contract import ChannelContract, Platform
from tests.channels.house import House, client, post, until
from tests.channels.test_web import WebPlatform
from tickets.after.models import Ask, AskKind
from tickets.compensation.models import Coupon, Grant, GrantState, Kind
from tickets.models import Ticket
from tickets.service import Complaint

SHOP = "https://shop.example.com"
SECRET = "the shop's own secret, which only its server has"
LOOK: dict[str, Any] = {
    "colours": {"light": "#0b6e4f"},
    "title": {"zh": "小店客服", "en": "Shop support"},
    "greeting": {"zh": "您好", "en": "Hello there"},
}
SITES = Sites(
    WidgetPolicy.model_validate(
        {
            "keys": {
                "shop": {"sites": [SHOP, "https://*.shop.example"], **LOOK},
                "other": {"sites": ["https://other.example"], "language": "en", **LOOK},
            }
        }
    ),
    {"SHOP": SECRET},
)


def signed(user: str, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), user.encode(), hashlib.sha256).hexdigest()
    return {"user": user, "hmac": digest}


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


class WidgetPlatform(WebPlatform):
    """The page in a frame: no cookie, a token for each visitor."""

    def attach(self, house: House) -> Channel:
        house.web = house.web_for(SITES)
        return house.web

    async def _headers(self, http: httpx.AsyncClient, who: str) -> dict[str, str]:
        if who not in self._cookies:
            self._cookies[who] = (await http.post("/widget/shop/session", json={})).json()["token"]
        return bearing(self._cookies[who])


class TestTheWidgetKeepsTheContract(ChannelContract):
    @pytest.fixture
    def platform(self) -> Platform:
        return WidgetPlatform()


@pytest.fixture
def house(database: Database) -> House:
    return House(database, sites=SITES)


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with client(house.app()) as opened:
        yield opened


async def guest(http: httpx.AsyncClient, key: str = "shop") -> str:
    token: str = (await http.post(f"/widget/{key}/session", json={})).json()["token"]
    return token


async def identified(http: httpx.AsyncClient, user: str, token: str | None = None) -> str:
    headers = bearing(token) if token else {}
    reply = await http.post("/widget/shop/identify", json=signed(user), headers=headers)
    assert reply.status_code == 200, reply.text
    found: str = reply.json()["token"]
    return found


async def say(http: httpx.AsyncClient, token: str, text: str, number: str = "m-000001") -> int:
    return await post(http, "/chat/messages", {"id": number, "text": text}, bearing(token))


async def texts(http: httpx.AsyncClient, token: str) -> list[str]:
    reply = await http.get("/chat/history", headers=bearing(token))
    return [m["text"] for m in reply.json()["messages"]]


# Sites


async def test_only_the_sites_of_a_key_may_frame_the_page(http: httpx.AsyncClient) -> None:
    reply = await http.get("/widget/shop")
    policy = reply.headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {SHOP} https://*.shop.example")
    assert "unsafe" not in policy
    assert "set-cookie" not in reply.headers
    assert "frame-ancestors 'none'" in (await http.get("/")).headers["content-security-policy"]


@pytest.mark.parametrize("way", ["", "/theme.css", "/launcher", "/session", "/identify"])
async def test_an_unknown_key_is_refused_in_words(http: httpx.AsyncClient, way: str) -> None:
    method = "POST" if way in ("/session", "/identify") else "GET"
    for key in ("nobody", "page", "Shop", "%00", "shop%0d%0aset-cookie:x"):
        reply = await http.request(method, f"/widget/{key}{way}", json=signed("7"))
        assert (reply.status_code, reply.json()["error"]) == (404, "unknown_site")
        assert "data-key" in reply.json()["message"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (SHOP, 200),
        ("https://a.shop.example", 200),
        ("https://b.a.shop.example", 200),
        ("https://shop.example", 403),
        ("http://shop.example.com", 403),
        ("https://shop.example.com:444", 403),
        ("https://shop.example.com.evil.example", 403),
        ("https://evilshop.example", 403),
        ("https://other.example", 403),
        ("null", 403),
        ("https://[", 403),
    ],
)
async def test_the_button_comes_to_allowed_sites_only(
    http: httpx.AsyncClient, origin: str, status: int
) -> None:
    reply = await http.get("/widget/shop/launcher", headers={"origin": origin})
    assert reply.status_code == status
    assert reply.headers.get("access-control-allow-origin") == (origin if status == 200 else None)
    if status == 403:
        assert reply.json()["error"] == "site_not_allowed"


async def test_the_language_is_asked_for_then_the_sites_then_the_browsers(
    http: httpx.AsyncClient,
) -> None:
    async def title(key: str, asked: str, browser: str) -> str:
        reply = await http.get(
            f"/widget/{key}/launcher?lang={asked}", headers={"accept-language": browser}
        )
        found: str = reply.json()["title"]
        return found

    assert await title("shop", "", "en") == "Shop support"
    assert await title("shop", "", "zh") == "小店客服"
    assert await title("shop", "zh", "en") == "小店客服"
    assert await title("shop", "fr", "en") == "Shop support"
    assert await title("other", "", "zh") == "Shop support"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        ('sites: ["https://shop.example.com/"]', 3, "is no site"),
        ("sites: [\"https://x; script-src 'unsafe-inline'\"]", 3, "is no site"),
        ('sites: ["*"]', 3, "is no site"),
        ("sites: []", 3, "at least 1"),
        ("language: fr", 4, "'auto', 'zh' or 'en'"),
        ("theme: night", 5, "'auto', 'light' or 'dark'"),
        ('colours: {light: "#ffe14d"}', 6, "contrast of 1.3 to the light ground"),
        ('colours: {light: "#0b6e4f", dark: "#0b2e4f"}', 6, "to the dark ground"),
        ("colours: {light: green}", 6, "pattern"),
        ("title: {zh: 小店}", 7, "Field required"),
        ('greeting: {zh: "", en: Hi}', 8, "at least 1 character"),
        ("titel: {zh: 小店, en: Shop}", 3, "Extra inputs"),
    ],
)
def test_a_mistake_in_the_policy_is_named_with_its_line(
    tmp_path: Path, change: str, line: int, says: str
) -> None:
    rows = [
        "keys:",
        "  shop:",
        '    sites: ["https://shop.example.com"]',
        "    language: auto",
        "    theme: auto",
        '    colours: {light: "#0b6e4f"}',
        "    title: {zh: 小店, en: Shop}",
        "    greeting: {zh: 您好, en: Hi}",
    ]
    name = change.partition(":")[0]
    kept = [row for row in rows if not row.strip().startswith(f"{name}:")]
    place = next((n for n, row in enumerate(rows) if row.strip().startswith(f"{name}:")), 2)
    path = tmp_path / "widget.yml"
    path.write_text("\n".join([*kept[:place], f"    {change}", *kept[place:]]), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        Sites.from_file(path, {})
    assert f"{path}: line {line}" in str(caught.value)
    assert says in str(caught.value)


def test_a_key_that_is_no_key_or_our_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "widget.yml"
    for key in ("page", "Shop", "x/y"):
        path.write_text(f"keys:\n  {key}: {{sites: ['{SHOP}']}}\n")
        with pytest.raises(PolicyError, match="line"):
            Sites.from_file(path, {})


def test_the_policy_of_this_checkout_can_be_used() -> None:
    assert Sites.from_file(POLICIES / "widget.yml", {}).get("demo").sites


def test_a_sites_secret_is_a_setting() -> None:
    def given(name: str, secret: str) -> dict[str, str]:
        return {f"COURIER_WIDGET_SECRET_{name}": secret}

    assert load(given("SHOP", SECRET)).widget_secrets == {"SHOP": SECRET}
    with pytest.raises(SettingsError, match="COURIER_WIDGET_SECRET_SHOP is shorter") as caught:
        load(given("SHOP", "short-secret"))
    assert "short-secret" not in str(caught.value)
    with pytest.raises(SettingsError, match="NOSHOP belongs to no key"):
        Sites.from_file(POLICIES / "widget.yml", {"NOSHOP": SECRET})
    assert SECRET not in repr(load(given("SHOP", SECRET)))


@pytest.mark.parametrize("colour", ["#000000", "#0b6e4f", "#c0322b", "#949494", "#7a4dff"])
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_every_shade_of_a_brand_can_be_read(colour: str, ground: str) -> None:
    found = colours.shades(colour, ground)
    assert colours.contrast(found.on, found.colour) >= colours.READABLE
    assert colours.contrast(found.text, colours.SHEET[ground]) >= colours.READABLE
    assert colours.contrast(found.text, found.wash) >= colours.READABLE


def test_contrast_is_wcags() -> None:
    assert colours.contrast("#ffffff", "#000000") == pytest.approx(21)
    assert colours.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


async def test_the_theme_is_the_sites(http: httpx.AsyncClient) -> None:
    sheet = (await http.get("/widget/shop/theme.css")).text
    assert "--solid:#0b6e4f" in sheet
    assert "prefers-color-scheme: dark" in sheet


async def test_all_that_a_site_loads_is_small(http: httpx.AsyncClient) -> None:
    """Packed bytes of every script and style that the host page and the frame load together."""
    whole = len(gzip.compress((await http.get("/widget.js")).content, mtime=0))
    whole += len((await http.get("/widget/shop/theme.css")).content)
    folder = Path(routes.__file__).parent / "static"
    loaded = {"host.js", "chat.css", "dark.css", "main.js"}
    waiting = list(loaded)
    while waiting:
        data = (folder / waiting.pop()).read_bytes()
        whole += len(gzip.compress(data, mtime=0))
        found = set(re.findall(r"""["']\./([\w-]+\.js)["']""", data.decode())) - loaded
        loaded |= found
        waiting += found
    assert {"messages.js", "stream.js"} <= loaded
    assert whole < 30_000


# Tokens


async def test_a_session_is_a_token_and_no_cookie(http: httpx.AsyncClient) -> None:
    reply = await http.post("/widget/shop/session", json={})
    assert "set-cookie" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
    first = reply.json()
    again = await http.post("/widget/shop/session", json={}, headers=bearing(first["token"]))
    assert again.json() == first
    elsewhere = await http.post("/widget/other/session", json={}, headers=bearing(first["token"]))
    assert elsewhere.json()["visitor"] != first["visitor"]


async def test_a_visitor_reads_his_own_words_only(house: House, http: httpx.AsyncClient) -> None:
    mine, hers = await guest(http), await guest(http)
    assert await say(http, mine, "my secret parcel") == 202
    assert await texts(http, mine) == ["my secret parcel"]
    assert await texts(http, hers) == []
    # The same secret at another site is somebody else.
    assert await texts(http, mine.replace("shop.", "other.")) == []
    with house.database.read() as session:
        assert session.query(Customer).one().account == "shop"


def forged() -> dict[str, str]:
    """Tokens that are none, by what is wrong with them."""
    good, _ = SITES.identified("shop", "7", signed("7")["hmac"])
    key, name, until, seal = good.split(".")
    other = Sites(WidgetPolicy(keys={"shop": SITES.get("shop")}), {"SHOP": "x" * 40})
    return {
        "empty": "",
        "words": "hello",
        "no such site": "nobody." + "a" * 43,
        "our own page": "page." + "a" * 43,
        "short secret": "shop.abc",
        "another user": f"{key}.OA.{until}.{seal}",
        "longer life": f"{key}.{name}.{int(until) + 9}.{seal}",
        "another seal": f"{key}.{name}.{until}.{'0' * 64}",
        "another secret": other.identified("shop", "7", signed("7", "x" * 40)["hmac"])[0],
        "a site without a secret": f"other.{name}.{until}.{seal}",
        "the site's own signature": f"{key}.{name}.{until}."
        + signed(f"{key}.{name}.{until}")["hmac"],
        "no number": f"{key}.{name}.x.{seal}",
        "letters": "shop.é.é.é",
    }


@pytest.mark.parametrize("what", forged())
async def test_a_token_that_is_none_opens_nothing(http: httpx.AsyncClient, what: str) -> None:
    await http.post("/chat/session")  # a cookie does not make up for it
    await http.post("/chat/messages", json={"id": "m-000001", "text": "by cookie"})
    headers = {b"authorization": f"Bearer {forged()[what]}".encode()}
    for method, path in (
        ("POST", "/chat/messages"),
        ("POST", "/chat/receipts"),
        ("GET", "/chat/history"),
        ("GET", "/chat/events"),
    ):
        reply = await http.request(method, path, headers=headers, json={})
        assert (reply.status_code, reply.json()["error"]) == (401, "not_signed_in")


async def test_staff_of_the_desk_are_nobody_here(house: House, http: httpx.AsyncClient) -> None:
    with house.database.write() as session:
        rooms.person(session, "lili")
    for path in ("/chat/history", "/chat/events"):
        reply = await http.get(path, headers={"cookie": f"{DESK_COOKIE}={'a' * 43}"})
        assert reply.status_code == 401


@pytest.mark.parametrize("way", ["session", "identify"])
@pytest.mark.parametrize("headers", [{"origin": SHOP}, {"sec-fetch-site": "cross-site"}])
async def test_the_site_itself_gets_no_token(
    http: httpx.AsyncClient, way: str, headers: dict[str, str]
) -> None:
    reply = await http.post(f"/widget/shop/{way}", json=signed("7"), headers=headers)
    assert reply.status_code == 403
    assert "token" not in reply.text
    assert "access-control-allow-origin" not in reply.headers


# Identity


async def test_a_customer_has_one_conversation_over_devices(
    house: House, http: httpx.AsyncClient
) -> None:
    phone, desktop = await identified(http, "客户 7"), await identified(http, "客户 7")
    assert await say(http, phone, "from my phone") == 202
    assert await say(http, desktop, "from my desk", "m-000002") == 202
    assert await texts(http, desktop) == ["from my phone", "from my desk"]
    assert await texts(http, await identified(http, "8")) == []
    with house.database.read() as session:
        assert session.query(Customer).one().name == "客户 7"
        assert session.query(Conversation).count() == 1


async def test_what_a_stranger_wrote_is_his_once_he_is_known(
    house: House, http: httpx.AsyncClient
) -> None:
    first, second = await guest(http), await guest(http)
    await say(http, first, "one")
    known = await identified(http, "7", first)
    await say(http, known, "two", "m-000002")
    await say(http, second, "three", "m-000003")
    with house.database.write() as session:
        stranger = session.query(Conversation).order_by(Conversation.id.desc()).first()
        assert stranger is not None
        complaint = Complaint(
            idempotency_key="in:3",
            kind="report_delay",
            conversation_id=stranger.id,
            customer_id=stranger.customer_id,
            description="three",
        )
        rooms.build(house.database).tickets.open(session, complaint)
    known = await identified(http, "7", second)
    assert await texts(http, known) == ["one", "two", "three"]
    assert await texts(http, first) == await texts(http, second) == []
    with house.database.read() as session:
        (customer,) = {c.customer_id for c in session.query(Conversation)}
        assert session.query(Ticket).one().customer_id == customer


def belongings(session: Session, who: int) -> dict[str, int]:
    """How many rows of each table are a customer's."""
    customer = Base.metadata.tables["customers"].c.id
    return {
        table.name: session.execute(
            select(func.count()).select_from(table).where(column == who)
        ).scalar_one()
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.references(customer)
    }


async def test_all_that_is_kept_of_a_stranger_is_his_once_he_is_known(
    house: House, http: httpx.AsyncClient
) -> None:
    token = await guest(http)
    await say(http, await identified(http, "7"), "known before")
    await say(http, token, "a stranger", "m-000002")
    with house.database.write() as session:
        known, talk = session.query(Conversation).order_by(Conversation.id)
        was, now = talk.customer_id, known.customer_id
        at = clock.now()
        version = policy_versions.put_in_force(session, "compensation.yml", "")
        complaint = Complaint("in:9", "report_delay", talk.id, was, "late")
        ticket = rooms.build(house.database).tickets.open(session, complaint).ticket
        shipment = Shipment(waybill_no="SF1", status=Status.IN_TRANSIT, created_at=at)
        grant = Grant(
            key="g", about="a", ticket_id=ticket.id, customer_id=was, kind=Kind.GIFT_COUPON, fen=1,
            lines=[], policy_id=version, state=GrantState.DONE, granted_at=at,
            needs_agreement=False,
        )  # fmt: skip
        session.add_all([shipment, grant])
        session.flush()
        order: dict[str, Any] = {
            "about": "SF1", "kind": OrderKind.DOOR, "wish": {}, "price": 0, "placed_at": at,
            "state": OrderState.PLACED, "attempts": 0, "public_id": "p",
        }  # fmt: skip
        session.add_all(
            [
                Coupon(grant_id=grant.id, customer_id=was, fingerprint="f", ending="ABCD", fen=1,
                       valid_until=at),
                Ask(key="k", kind=AskKind.SCORE, customer_id=was, conversation_id=talk.id,
                    team="first_line", created_at=at, attempts=0),
                DepotOrder(key="d", customer_id=was, **order),
                IdentityTry(customer_id=was, waybill_no="SF1", wrong_in_row=2, at=at),
                InvoiceRequest(key="i", customer_id=was, conversation_id=talk.id, waybill_no="SF1",
                               title="t", email="a@b.example", requested_at=at, promised_by=at),
                NoticeWish(customer_id=was, waybill_no="SF1", wanted=True, at=at),
                Notice(customer_id=was, shipment_id=shipment.id, created_at=at),
            ]
        )  # fmt: skip
        session.flush()
        before = belongings(session, was)
        assert all(before.values()), before
        after = {name: count + belongings(session, now)[name] for name, count in before.items()}
    await identified(http, "7", token)
    with house.database.read() as session:
        assert not any(belongings(session, was).values())
        assert belongings(session, now) == after


async def test_signing_in_as_another_takes_nothing_along(http: httpx.AsyncClient) -> None:
    seven = await identified(http, "7")
    await say(http, seven, "of seven")
    eight = await identified(http, "8", seven)
    assert await texts(http, eight) == []
    assert await texts(http, seven) == ["of seven"]


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("shop", signed("8") | {"user": "7"}, 403),
        ("shop", signed("7", "another secret"), 403),
        ("shop", {"user": "7", "hmac": ""}, 403),
        ("shop", {"user": "7", "hmac": "é"}, 403),
        ("shop", signed("7") | {"hmac": signed("7")["hmac"].upper()}, 403),
        ("other", signed("7", ""), 403),
        ("shop", {"user": "7"}, 422),
        ("shop", signed(""), 422),
        ("shop", signed("x" * 121), 422),
        ("shop", signed("a\nb"), 422),
        ("shop", {"user": "\ud83d", "hmac": "0" * 64}, 422),
        ("shop", {"user": 7, "hmac": "0" * 64}, 422),
    ],
)
async def test_a_wrong_identity_is_refused_and_changes_nothing(
    house: House, http: httpx.AsyncClient, key: str, body: dict[str, Any], status: int
) -> None:
    token = await guest(http, key)
    await say(http, token, "hello")
    assert await post(http, f"/widget/{key}/identify", body, bearing(token)) == status
    assert await texts(http, token) == ["hello"]
    with house.database.read() as session:
        assert session.query(Customer).one().name is None


async def test_the_sites_word_holds_for_half_a_day(
    http: httpx.AsyncClient, at: Callable[[datetime], None]
) -> None:
    token = await identified(http, "7")
    await say(http, token, "hello")
    at(clock.now() + SESSION - timedelta(seconds=1))
    assert await texts(http, token) == ["hello"]
    at(clock.now() + timedelta(seconds=2))
    assert (await http.get("/chat/history", headers=bearing(token))).status_code == 401
    assert await texts(http, await identified(http, "7")) == ["hello"]


# How far words have come


async def test_a_customer_sees_how_far_his_words_have_come(
    house: House, http: httpx.AsyncClient
) -> None:
    async def state() -> tuple[int, int]:
        found = (await http.get("/chat/history", headers=bearing(token))).json()["state"]
        return found["delivered"], found["read"]

    token = await guest(http)
    await say(http, token, "hello")
    assert await state() == (0, 0)
    async with house.at_work():
        await until(house.idle)
        mine, answer = house.inbox_rows()[0].message_id, house.outbox_rows()[0].message_id
        assert await state() == (mine, answer)
        with house.database.write() as session:
            session.query(Conversation).one().holder = "agent"  # type: ignore[assignment]
        await say(http, token, "a person?", "m-000002")
        await until(house.idle)
    delivered, read = await state()
    assert (delivered, read) == (house.inbox_rows()[-1].message_id, answer)
    assert delivered > read


async def test_what_has_come_and_what_was_seen_are_told_apart(
    house: House, http: httpx.AsyncClient
) -> None:
    token = await guest(http)
    async with house.at_work():
        await say(http, token, "hello")
        await until(house.idle)
    newest = house.outbox_rows()[0].message_id
    found = []
    for body in ({"up_to": newest}, {"up_to": newest, "read": newest}, {"up_to": newest}):
        assert await post(http, "/chat/receipts", body, bearing(token)) == 204
        found.append(str(house.outbox_rows()[0].state))
    assert found == ["delivered", "read", "read"]


def test_a_site_that_looks_like_another_is_not_it() -> None:
    site = Site(sites=("https://*.a.example",), **LOOK)
    assert site.allows("https://x.a.example")
    assert not site.allows("https://xa.example")
    assert not site.allows("https://a.example")
