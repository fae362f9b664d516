"""The web desk's side of the small desk: a code for oneself, and that a case is in a topic too."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bot import cli
from handoff import links, repository
from handoff.desk.routes import router
from handoff.models import Topic, TopicProblem
from store import clock
from store.engine import Database
from store.errors import NotFound
from tests.desk.world import World

pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)
CODE = re.compile(r"<code>/link ([2-9A-Z]{10})<")


def linked(database: Database, code: str, user: int) -> str:
    with database.write() as session:
        return links.redeem(session, code, user).login


def test_everybody_gets_a_code_of_his_own(world: World) -> None:
    lili, chen = world.signed_in("lili"), world.signed_in("chen")
    first, second, other = (
        CODE.findall(browser.press("/desk/telegram", htmx=False).text)[0]
        for browser in (lili, lili, chen)
    )
    with pytest.raises(NotFound):
        linked(world.database, first, 1)  # the second made it void
    assert linked(world.database, second, 1) == "lili"
    assert linked(world.database, other, 2) == "chen"
    page = lili.get("/desk/telegram", headers={"accept-language": "zh"}).text
    assert "已绑定" in page
    assert not CODE.search(page)
    assert "还没有绑定" in world.signed_in("wangwei").get("/desk/telegram").text


def test_no_code_is_kept_in_the_clear(world: World) -> None:
    page = world.signed_in("lili").press("/desk/telegram", htmx=False).text
    (code,) = CODE.findall(page)
    with world.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM staff_links").all()
    assert code not in repr(rows)


def test_without_a_group_there_is_no_such_page(world: World) -> None:
    assert 'href="/desk/telegram"' in world.signed_in("lili").get("/desk").text
    app = FastAPI()
    app.include_router(router(replace(world.desk, telegram=False)))
    browser = TestClient(app, base_url="http://desk.test")
    browser.cookies.update(world.signed_in("lili").client.cookies)
    assert browser.get("/desk/telegram").status_code == 404
    assert "/desk/telegram" not in browser.get("/desk").text


def test_a_case_tells_that_it_is_in_a_topic_too(world: World) -> None:
    case_id = world.waiting()
    lili = world.signed_in("lili")
    before = lili.get(f"/desk/cases/{case_id}").text
    assert "t.me" not in before
    with world.database.write() as session:
        conversation_id = world.case(case_id).conversation_id
        topic = Topic(
            conversation_id=conversation_id, chat=-1001234567890, thread=42, open=True,
            created_at=clock.now(), attempts=0,
        )  # fmt: skip
        session.add(topic)
    standing = re.findall(r"thread\?standing=([\w-]+)", before)[0]
    stale = lili.get(f"/desk/cases/{case_id}/thread?standing={standing}")
    assert stale.headers["hx-trigger"] == "desk:stale"
    assert 'href="https://t.me/c/1234567890/42"' in lili.get(f"/desk/cases/{case_id}").text
    with world.database.write() as session:
        session.merge(topic).problem = TopicProblem.NO_RIGHTS
    page = lili.get(f"/desk/cases/{case_id}", headers={"accept-language": "en"}).text
    assert "The bot lacks rights in the Telegram group" in page
    assert "t.me" not in page


def test_the_command_gives_a_code_too(
    world: World,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COURIER_DATABASE", address)
    assert cli.main(["user", "lili", "--telegram"]) == 0
    code = capsys.readouterr().out.split()[-1]
    assert linked(world.database, code, 7) == "lili"
    assert cli.main(["user", "nobody", "--telegram"]) == 1
    assert "nobody" in capsys.readouterr().err
    with world.database.read() as session:
        assert repository.staff_by_login(session, "nobody") is None
