"""The description of the API says what the service really has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from bot import app as service
from bot import settings
from parcels import keys
from parcels.models import Scope
from store.engine import Database

FOR_SYSTEMS = ("/api/parcels", "/api/scans", "/api/tickets")


@pytest.fixture
def app(address: str, tmp_path: Path, at: Callable[[datetime], None]) -> FastAPI:
    chosen = {"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address}
    return service.create(settings.load(chosen))


@pytest.fixture
def told(app: FastAPI) -> Any:
    return TestClient(app).get("/api/openapi.json").json()


def real(app: FastAPI) -> set[tuple[str, str]]:
    """Every route of the service below the paths of other systems."""
    found: set[tuple[str, str]] = set()
    waiting: list[Any] = [app]
    while waiting:
        for route in waiting.pop().routes:
            nested = getattr(route, "original_router", None)
            if nested is not None:
                waiting.append(nested)
            elif isinstance(route, APIRoute) and route.path.startswith(FOR_SYSTEMS):
                found |= {(method.lower(), route.path) for method in route.methods or ()}
    return found


def operations(told: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_what_is_described_is_what_is_there(app: FastAPI, told: Any) -> None:
    described = {(method, path) for method, path, _ in operations(told)}
    assert described == real(app)
    assert ("post", "/api/tickets/{number}/comments") in described
    assert ("post", "/api/scans") in described


def test_each_asks_for_a_key_and_tells_its_faults(told: Any) -> None:
    for method, path, operation in operations(told):
        assert operation["security"] == [{"HTTPBearer": []}], (method, path)
        assert {"401", "403", "422"} <= set(operation["responses"]), (method, path)
    create = told["paths"]["/api/tickets"]["post"]
    assert {"200", "201", "404", "409"} <= set(create["responses"])
    (header,) = [p for p in create["parameters"] if p["in"] == "header"]
    assert (header["name"], header["required"]) == ("Idempotency-Key", True)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix("#/components/schemas/")
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_name_is_described(told: Any) -> None:
    names = set(told["components"]["schemas"])
    assert set(references(told)) <= names
    assert {"ParcelIn", "ScanEvent", "TicketIn", "TicketOut", "EventOut", "FaultOut"} <= names


def test_an_answer_has_the_fields_that_are_described(
    app: FastAPI, told: Any, database: Database
) -> None:
    with database.write() as session:
        secret = keys.add(session, "crm", {Scope.TICKETS_READ, Scope.TICKETS_WRITE})
    may = {"authorization": f"Bearer {secret}", "idempotency-key": "a"}
    asked = {"kind": "report_damage", "description": "碎了", "customer": {"id": "m-1"}}
    page = TestClient(app)
    ticket = page.post("/api/tickets", json=asked, headers=may).json()["ticket"]
    shapes = told["components"]["schemas"]
    assert set(ticket) == set(shapes["TicketOut"]["properties"])
    assert (ticket["team"], ticket["team_rule"]) == ("second_line", "urgent")
    whole = page.get(f"/api/tickets/{ticket['number']}", headers=may).json()
    assert set(whole) == set(shapes["WholeOut"]["properties"])
    fault = page.get("/api/tickets/CS260101-9999", headers=may)
    assert (fault.status_code, set(fault.json())) == (404, set(shapes["FaultOut"]["properties"]))
