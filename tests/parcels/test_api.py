"""The API over HTTP: who may, what is refused and why, and that nothing is half stored."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from bot import app as service
from bot import cli, settings
from handoff import staff
from handoff.desk.parts import COOKIE
from handoff.models import Role
from parcels import keys, repository, routes
from parcels.models import ApiKey, Scan, Scope, Shipment
from store.engine import Database
from store.errors import Invalid
from store.live import Live

ONE = "SF1000000000001"
GOOD = {"waybill_no": ONE, "event_id": "1", "at": "2026-03-02T01:00Z"}
WAYS = {
    "/api/parcels": (Scope.PARCELS_WRITE, {"waybill_no": ONE}),
    "/api/scans": (
        Scope.SCANS_WRITE,
        {"waybill_no": ONE, "event_id": "1", "at": "2026-03-02T01:00Z"},
    ),
}


@pytest.fixture
def page(address: str, tmp_path: Path, at: Callable[[datetime], None]) -> TestClient:
    chosen = {"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address}
    # Without its lifespan: no loops, and the clock of the test stands still.
    return TestClient(service.create(settings.load(chosen)), raise_server_exceptions=False)


def key(database: Database, *scopes: Scope, name: str = "sorter") -> dict[str, str]:
    with database.write() as session:
        return {"authorization": f"Bearer {keys.add(session, name, scopes)}"}


def rows(database: Database) -> tuple[int, int]:
    with database.read() as session:
        return (
            session.scalar(select(func.count()).select_from(Shipment)) or 0,
            session.scalar(select(func.count()).select_from(Scan)) or 0,
        )


def test_one_and_many(page: TestClient, database: Database) -> None:
    may = key(database, *Scope)
    assert page.post("/api/parcels", json={"waybill_no": ONE}, headers=may).json() == {
        "new": 1,
        "known": 0,
    }
    many = [
        {"waybill_no": ONE, "event_id": str(i), "at": "2026-03-02T01:00:00+08:00"}
        for i in range(10_000)
    ]
    assert page.post("/api/scans", json=many, headers=may).json() == {"new": 10_000, "known": 0}
    assert page.post("/api/scans", json=many[0], headers=may).json() == {"new": 0, "known": 1}
    assert rows(database) == (1, 10_000)


@pytest.mark.parametrize("path", WAYS)
def test_who_may_write(page: TestClient, database: Database, path: str) -> None:
    scope, body = WAYS[path]
    if path == "/api/scans":
        page.post(
            "/api/parcels",
            json={"waybill_no": ONE},
            headers=key(database, Scope.PARCELS_WRITE, name="p"),
        )
    before = rows(database)
    right = key(database, scope, name="right")
    wrong = key(database, *(set(Scope) - {scope}), name="wrong")
    token = right["authorization"]
    public = token.split(".")[1]
    for presented in (
        "",
        "Bearer ",
        "Bearer nonsense",
        f"Bearer ck.{public}.",
        f"Bearer ck.{public}.wrong",
        f"Bearer ck.{'x' * 22}.{token.split('.')[2]}",
        token[:-1],
        token.replace("Bearer", "Basic"),
        "Bearer ck." + "x" * 5_000,
    ):
        refused = page.post(path, json=body, headers={"authorization": presented})
        assert (refused.status_code, refused.json()["error"]) == (401, "no_key")
    refused = page.post(path, json=body, headers=wrong)
    assert (refused.status_code, refused.json()["error"]) == (403, "scope_missing")
    assert rows(database) == before
    assert page.post(path, json=body, headers=right).status_code == 200
    with database.write() as session:
        keys.revoke(session, "right")
    assert page.post(path, json=body, headers=right).status_code == 401


@pytest.mark.parametrize("path", WAYS)
def test_staff_of_any_role_have_no_key(page: TestClient, database: Database, path: str) -> None:
    for role in Role:
        with database.write() as session:
            member = staff.add(
                session, login=role, name=role, role=role, team="first_line", password="x" * 12
            )
            token = staff.begin_session(session, member)
        page.cookies.set(COOKIE, token)
        answer = page.post(path, json=WAYS[path][1], headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("body", "line", "field"),
    [
        ([GOOD, {"waybill_no": ONE, "at": GOOD["at"]}], 2, "event_id"),
        (GOOD | {"at": "2026-03-02T01:00"}, 1, "at"),
        ([GOOD | {"at": "2026-03-03T01:00Z"}], 1, "at"),
        (GOOD | {"status": "Flying"}, 1, "status"),
        (GOOD | {"colour": 1}, 1, "colour"),
        (GOOD | {"place": "a\0b"}, 1, "place"),
        (GOOD | {"event_id": "\0"}, 1, "event_id"),
        (GOOD | {"waybill_no": "SF7"}, 1, "waybill_no"),
        (GOOD | {"waybill_no": "℡" * 40}, 1, "waybill_no"),
        (GOOD | {"at": "0001-01-01T00:00:00+08:00"}, 1, "at"),
        (GOOD | {"next_at": "9999-12-31T23:59:59-08:00"}, 1, "next_at"),
        (GOOD | {"at": 1}, 1, "at"),
        (GOOD | {"waybill_no": "SF2000000000001"}, 1, "waybill_no"),
        ([], 1, ""),
        ("scan", 1, ""),
        ([3], 1, ""),
    ],
)
def test_what_cannot_be_used_is_named(
    page: TestClient, database: Database, body: Any, line: int, field: str
) -> None:
    may = key(database, *Scope)
    page.post("/api/parcels", json={"waybill_no": ONE}, headers=may)
    answer = page.post("/api/scans", json=body, headers=may)
    assert answer.status_code == 422
    told = answer.json()
    assert told["error"] == "refused"
    assert (told["faults"][0]["line"], told["faults"][0]["field"]) == (line, field)
    assert rows(database) == (1, 0)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'[{"at": ' + b"[" * 5_000])
def test_what_is_no_json_is_refused(page: TestClient, database: Database, body: bytes) -> None:
    answer = page.post("/api/scans", content=body, headers=key(database, *Scope))
    assert (answer.status_code, answer.json()["error"]) == (422, "refused")


def test_a_batch_too_long_is_refused(page: TestClient, database: Database) -> None:
    may = key(database, *Scope)
    many = [
        {"waybill_no": ONE, "event_id": str(i), "at": "2026-03-02T01:00Z"} for i in range(10_001)
    ]
    assert page.post("/api/scans", json=many, headers=may).status_code == 422
    line = json.dumps({"waybill_no": ONE, "words": "x" * 10_000_000}).encode()
    assert page.post("/api/scans", content=line, headers=may).status_code == 413
    streamed = page.post("/api/scans", content=iter([line]), headers=may)
    assert streamed.status_code == 413


def test_no_answer_and_no_log_repeats_what_was_sent(
    page: TestClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    may = key(database, *Scope)
    body = [{"waybill_no": ONE, "recipient_phone": "13800006789" * 5, "recipient_name": 7}]
    answer = page.post("/api/parcels", json=body, headers=may)
    assert answer.status_code == 422
    assert "13800006789" not in answer.text + caplog.text
    assert may["authorization"].split(".")[2] not in caplog.text


def test_the_key_is_stored_nowhere(database: Database) -> None:
    secret = key(database, *Scope)["authorization"].split(".")[2]
    with database.read() as session:
        row = repository.api_keys(session)[0]
    assert secret not in str(vars(row))


def test_the_description_fits_the_routes(page: TestClient) -> None:
    told = page.get("/api/openapi.json").json()
    assert set(WAYS) <= set(told["paths"])
    for path in WAYS:
        post = told["paths"][path]["post"]
        assert post["security"] == [{"HTTPBearer": []}]
        assert {"200", "401", "403", "413", "422"} <= set(post["responses"])
    names = set(told["components"]["schemas"])
    wanted = set(_references(told))
    assert wanted <= names
    assert {"ParcelIn", "ScanEvent", "SubStatus", "RefusedOut"} <= wanted


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix("#/components/schemas/")
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_route_of_the_api_is_in_the_table(database: Database) -> None:
    from tests.parcels.test_ingest import GOODS

    paths = {route.path for route in routes.router(database, Live(database), GOODS).routes}  # type: ignore[attr-defined]
    assert paths == {*WAYS}


def test_the_command_makes_lists_and_revokes(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COURIER_HOME", str(tmp_path))
    monkeypatch.setenv("COURIER_DATABASE", address)
    assert cli.main(["key", "add", "sorter", "--scope", "scans:write"]) == 0
    made = capsys.readouterr().out.strip()
    assert made.startswith("ck.")
    assert cli.main(["key", "add", "sorter", "--scope", "scans:write"]) == 1
    assert cli.main(["key", "list"]) == 0
    listed = capsys.readouterr().out
    assert "sorter\tscans:write" in listed
    assert made.split(".")[2] not in listed
    assert cli.main(["key", "revoke", "sorter"]) == 0
    assert cli.main(["key", "revoke", "nobody"]) == 1
    opened = Database(address)
    with opened.read() as session:
        assert session.scalar(select(ApiKey.revoked_at)) is not None
    opened.dispose()


def test_a_key_needs_a_name_and_a_scope(database: Database) -> None:
    with database.write() as session:
        for name, scopes in (("", set(Scope)), ("x" * 61, set(Scope)), ("a", set())):
            with pytest.raises(Invalid):
                keys.add(session, name, scopes)
