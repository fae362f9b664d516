"""Tickets by API key: opened once, read, listed, commented; and the commands beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from bot import app as service
from bot import cli, settings
from conversations.models import Inbox, Message, Outbox
from handoff import staff
from handoff.desk.parts import COOKIE
from handoff.models import Role
from parcels import keys
from parcels.models import Scope
from store.engine import Database
from tests import rooms
from tickets.events import SYSTEM
from tickets.lifecycle import Change
from tickets.models import Ticket, TicketEvent

VASE: dict[str, Any] = {
    "kind": "report_damage",
    "description": "花瓶碎了",
    "customer": {"id": "member-77", "name": "林女士"},
    "waybill_no": "sf 1390 2758",
    "facts": {"amount": "300"},
}
BOTH = (Scope.TICKETS_READ, Scope.TICKETS_WRITE)


@pytest.fixture
def page(address: str, tmp_path: Path, at: Callable[[datetime], None]) -> TestClient:
    chosen = {"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address}
    return TestClient(service.create(settings.load(chosen)), raise_server_exceptions=False)


def key(database: Database, *scopes: Scope, name: str = "crm") -> dict[str, str]:
    with database.write() as session:
        return {"authorization": f"Bearer {keys.add(session, name, scopes)}"}


def post(page: TestClient, may: dict[str, str], body: object, once: str = "a", to: str = "") -> Any:
    headers = may | {"idempotency-key": once}
    return page.post(f"/api/tickets{to}", json=body, headers=headers)


def count(database: Database, table: Any) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_open_once_read_list_and_comment(page: TestClient, database: Database) -> None:
    may = key(database, *BOTH)
    first = post(page, may, VASE)
    assert (first.status_code, first.json()["joined"]) == (201, False)
    ticket = first.json()["ticket"]
    assert (ticket["waybill_no"], ticket["state"], ticket["urgency"]) == (
        "SF13902758", "received", "orange",
    )  # fmt: skip
    again = post(page, may, VASE)
    assert (again.status_code, again.json()["ticket"]["contacts"]) == (200, 1)
    assert post(page, may, VASE | {"description": "another"}).status_code == 409
    for _ in range(2):
        joined = post(page, may, VASE, "b")
        assert (joined.status_code, joined.json()["joined"]) == (200, True)
        assert joined.json()["ticket"]["contacts"] == 2
    to = f"/{ticket['number']}/comments"
    comments = [post(page, may, {"text": "已报备"}, "c", to).json()["id"] for _ in range(2)]
    assert comments[0] == comments[1]
    whole = page.get(f"/api/tickets/{ticket['number'].lower()}", headers=may).json()
    assert [(e["what"], e["actor"], e["actor_name"]) for e in whole["events"]] == [
        ("opened", "api", "crm"), ("contact", "api", "crm"), ("comment", "api", "crm"),
    ]  # fmt: skip
    assert (count(database, Ticket), count(database, Outbox), count(database, Inbox)) == (1, 0, 0)


def test_a_list_goes_on_where_it_ended(page: TestClient, database: Database) -> None:
    may = key(database, *BOTH)
    for n in range(3):
        post(page, may, VASE | {"waybill_no": f"SF100{n}"}, f"k{n}")
    post(page, may, VASE | {"kind": "report_delay", "waybill_no": "SF1000"}, "k3")
    first = page.get("/api/tickets?limit=2", headers=may).json()
    second = page.get(f"/api/tickets?limit=2&after={first['next']}", headers=may).json()
    seen = [t["number"][-4:] for t in (*first["tickets"], *second["tickets"])]
    assert seen == ["0001", "0002", "0003", "0004"]
    by = page.get("/api/tickets?waybill_no=sf1000", headers=may).json()
    assert ([t["number"][-4:] for t in by["tickets"]], by["next"]) == (["0004", "0001"], None)
    assert page.get("/api/tickets?state=closed", headers=may).json()["tickets"] == []


def test_a_customer_we_know_hears_of_it_on_his_own_channel(
    page: TestClient, database: Database
) -> None:
    may = key(database, *BOTH)
    with database.write() as session:
        rooms.said(session, "你好")
    known = {"id": "visitor", "channel": "web", "account": "page"}
    assert post(page, may, VASE | {"customer": known}).status_code == 201
    with database.read() as session:
        (words,) = session.scalars(select(Message.text).join(Outbox)).all()
    assert "我们已经为您登记了工单" in words
    unknown = VASE | {"customer": known | {"id": "nobody"}, "waybill_no": "SF2222"}
    assert post(page, may, unknown, "b").status_code == 404


@pytest.mark.parametrize(
    ("body", "once"),
    [
        (VASE | {"kind": "report_rain"}, "a"),
        (VASE | {"description": ""}, "a"),
        (VASE | {"customer": {}}, "a"),
        (VASE | {"colour": "red"}, "a"),
        (VASE | {"description": "x" * 4001}, "a"),
        (["list"], "a"),
        (VASE, ""),
        (VASE, "x" * 49),
    ],
)
def test_bad_input_changes_nothing(
    page: TestClient, database: Database, body: object, once: str
) -> None:
    may = key(database, *BOTH)
    assert post(page, may, body, once).status_code == 422
    assert page.get("/api/tickets/CS1", headers=may).status_code == 404
    assert page.get("/api/tickets?after=CS1", headers=may).status_code == 404
    assert page.get("/api/tickets?limit=101", headers=may).status_code == 422
    assert (count(database, Ticket), count(database, TicketEvent)) == (0, 0)


WAYS = [
    ("GET", "", Scope.TICKETS_READ),
    ("GET", "/CS260302-0001", Scope.TICKETS_READ),
    ("POST", "", Scope.TICKETS_WRITE),
    ("POST", "/CS260302-0001/comments", Scope.TICKETS_WRITE),
]


@pytest.mark.parametrize(("method", "path", "scope"), WAYS)
def test_who_may(
    page: TestClient, database: Database, method: str, path: str, scope: Scope
) -> None:
    post(page, key(database, *BOTH), VASE)
    body = {"text": "x"} if "comments" in path else VASE | {"waybill_no": "SF777"}

    def ask(headers: dict[str, str]) -> object:
        sent = headers | {"idempotency-key": "z"}
        more: dict[str, Any] = {"json": body} if method == "POST" else {}
        return page.request(method, f"/api/tickets{path}", headers=sent, **more).status_code

    before = count(database, TicketEvent)
    assert ask({}) == 401
    assert ask({"authorization": "Bearer ck.x.y"}) == 401
    assert ask(key(database, *(set(Scope) - {scope}), name="other")) == 403
    for role in Role:
        with database.write() as session:
            member = staff.add(
                session, login=role, name=role, role=role, team="first_line", password="x" * 12
            )
            page.cookies.set(COOKIE, staff.begin_session(session, member))
        assert ask({}) == 401
    assert count(database, TicketEvent) == before
    assert ask(key(database, scope, name="right")) in (200, 201)


def test_the_commands_list_and_show(
    page: TestClient, database: Database, address: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("COURIER_DATABASE", address)
    monkeypatch.setenv("COURIER_HOME", str(tmp_path))
    may = key(database, *BOTH)
    post(page, may, VASE)
    post(page, may, VASE | {"kind": "report_delay"}, "b")
    with database.write() as session:
        tickets = rooms.build(database).tickets
        delay = session.scalars(select(Ticket).where(Ticket.kind == "report_delay")).one()
        tickets.lifecycle.change(session, delay, Change.ACCEPT, SYSTEM)

    def said(*arguments: str) -> str:
        assert cli.main(["tickets", *arguments]) == 0
        return capsys.readouterr().out

    assert [line[:14] for line in said().splitlines()] == ["CS260302-0001 ", "CS260302-0002 "]
    assert said("--state", "accepted").startswith("CS260302-0002")
    assert said("--urgency", "red") == said("--overdue") == said("--team", "night") == ""
    shown = said("cs2603020001")
    assert "花瓶碎了" in shown
    assert "2026-03-02 10:00  opened       crm" in shown
    assert json.loads(said("CS260302-0002", "--json"))["events"][-1]["what"] == "accepted"
    assert json.loads(said("--urgency", "orange", "--json"))["number"] == "CS260302-0001"
    assert cli.main(["tickets", "CS1"]) == 1
    assert capsys.readouterr().err == "There is no ticket CS1.\n"
