"""Signing in: the cookie, wrong passwords, lockout, languages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from handoff.desk.parts import COOKIE
from handoff.staff import LOCKOUT, SESSION_LENGTH, WRONG_PASSWORDS
from store import clock
from tests.desk.world import PASSWORD, World

# What is looked at here does not depend on the engine.
pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_from_other_sites(world: World) -> None:
    answer = world.client().post("/desk/login", data={"login": "lili", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE)
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_a_wrong_password_and_an_unknown_login_read_the_same(world: World) -> None:
    client = world.client()
    answers = [
        client.post("/desk/login", data={"login": login, "password": "no"})
        for login in ("lili", "nobody-of-that-name")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    texts = [answer.text.replace("nobody-of-that-name", "lili") for answer in answers]
    assert texts[0] == texts[1]
    assert "账号或密码不对" in texts[0]


def test_too_many_wrong_passwords_lock_even_the_right_one_out_for_a_while(world: World) -> None:
    client = world.client()
    right = {"login": "lili", "password": PASSWORD}
    with clock.frozen(clock.now()) as move:
        for _ in range(WRONG_PASSWORDS):
            wrong = client.post("/desk/login", data={"login": "lili", "password": "no"})
            assert wrong.status_code == 401
        locked = client.post("/desk/login", data=right)
        assert locked.status_code == 429
        assert "请在" in locked.text
        move(clock.now() + LOCKOUT + timedelta(seconds=1))
        assert client.post("/desk/login", data=right).status_code == 303


def test_a_right_password_forgets_the_wrong_ones(world: World) -> None:
    client = world.client()
    for _ in range(2):
        for _ in range(WRONG_PASSWORDS - 1):
            client.post("/desk/login", data={"login": "lili", "password": "no"})
        answer = client.post("/desk/login", data={"login": "lili", "password": PASSWORD})
        assert answer.status_code == 303


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.test"}]
)
def test_another_site_cannot_sign_a_browser_in(world: World, headers: dict[str, str]) -> None:
    client = world.client()
    form = {"login": "lili", "password": PASSWORD}
    assert client.post("/desk/login", data=form, headers=headers).status_code == 403
    assert client.post("/api/session", json=form, headers=headers).status_code == 403
    assert COOKIE not in client.cookies


def test_signing_out_ends_the_session_everywhere_it_is_used(world: World) -> None:
    lili = world.signed_in("lili")
    kept = lili.client.cookies[COOKIE]
    assert lili.press("/desk/logout", htmx=False).status_code == 303
    other = world.client()
    other.cookies.set(COOKIE, kept)
    assert other.get("/api/session").status_code == 401


def test_a_session_ends_by_itself(world: World) -> None:
    with clock.frozen(clock.now()) as move:
        lili = world.signed_in("lili")
        move(clock.now() + SESSION_LENGTH + timedelta(seconds=1))
        assert lili.get("/desk").headers["location"] == "/desk/login"


def test_the_secret_itself_is_not_stored(world: World) -> None:
    secret = world.signed_in("lili").client.cookies[COOKIE]
    with world.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM staff_sessions").all()
    assert rows
    assert secret not in repr(rows)


def test_pages_speak_the_readers_language(world: World) -> None:
    client = world.client()
    assert "登录客服台" in client.get("/desk/login").text
    english = client.get("/desk/login", headers={"Accept-Language": "fr, en-GB;q=0.8, zh;q=0.2"})
    assert "Sign in to the desk" in english.text
    client.get("/desk/language/en")
    assert "Sign in to the desk" in client.get("/desk/login").text


@pytest.mark.parametrize("to", ["//elsewhere.test", "https://elsewhere.test", "/desk/\\elsewhere"])
def test_the_language_switch_leads_nowhere_else(world: World, to: str) -> None:
    answer = world.client().get("/desk/language/en", params={"to": to})
    assert answer.headers["location"] == "/desk"


@pytest.mark.parametrize("language", ["fr", "../etc", "%00"])
def test_an_unknown_language_is_a_sentence(world: World, language: str) -> None:
    assert world.client().get(f"/desk/language/{language}").status_code == 404
