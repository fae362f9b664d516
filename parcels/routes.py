"""The API for a courier's own systems: parcels and scans, one or up to 10,000 at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema

from parcels import ingest, keys
from parcels.bodies import read_body
from parcels.goods import Goods
from parcels.models import Scope
from parcels.schemas import ParcelIn, ScanEvent
from store.engine import Database
from store.live import Live

PREFIX = "/api"
PATHS = frozenset({f"{PREFIX}/parcels", f"{PREFIX}/scans"})
MAX_BODY = 8 << 20
"""Bytes of a batch: 10,000 rows of 800."""
AT_ONCE = 1
"""Batches under work at the same moment: two are no sooner done, take twice the memory, and
customers wait for the processor twice as long."""
_BEARER = HTTPBearer(auto_error=False, description="./courier key add NAME --scope …")
Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
Row = TypeVar("Row", bound=BaseModel)
_PARCELS = TypeAdapter(Annotated[list[ParcelIn], Field(min_length=1, max_length=ingest.MOST)])
_SCANS = TypeAdapter(Annotated[list[ScanEvent], Field(min_length=1, max_length=ingest.MOST)])


class StoredOut(BaseModel):
    """``new`` rows were stored; ``known`` ones were there already: parcels changed, scans not."""

    new: int
    known: int


class RefusedOut(BaseModel):
    """Nothing was stored. Lines count from 1; ``faults`` holds the first 100 of ``count``."""

    error: str
    message: str
    count: int = 0
    faults: list[ingest.Fault] = []


def router(database: Database, live: Live, goods: Goods) -> APIRouter:
    routes = APIRouter(prefix=PREFIX, tags=["ingestion"])
    turn = asyncio.Semaphore(AT_ONCE)
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": RefusedOut} for status in (401, 403, 413, 422)
    }

    @routes.post("/parcels", responses=answers, openapi_extra=_body("ParcelIn"))
    async def post_parcels(request: Request, presented: Presented) -> StoredOut:
        """Add parcels, or change those whose number is known: only the fields given.

        A JSON object, or a list of up to 10,000. All of it is stored or nothing."""
        await _allowed(database, presented, Scope.PARCELS_WRITE)
        body = await read_body(request, MAX_BODY)

        def store() -> ingest.Stored:
            return ingest.take_parcels(database, _rows(_PARCELS, ParcelIn, body), goods)

        async with turn:
            return _told(await asyncio.to_thread(store))

    @routes.post("/scans", responses=answers, openapi_extra=_body("ScanEvent"))
    async def post_scans(request: Request, presented: Presented) -> StoredOut:
        """Add scans of known parcels, in any order. A repeat (same ``event_id``) changes nothing.

        A JSON object, or a list of up to 10,000. All of it is stored or nothing."""
        await _allowed(database, presented, Scope.SCANS_WRITE)
        body = await read_body(request, MAX_BODY)

        def store() -> ingest.Stored:
            stored = ingest.take_scans(database, _rows(_SCANS, ScanEvent, body))
            with database.write() as session:
                live.after_commit(session, "notices")
            return stored

        async with turn:
            return _told(await asyncio.to_thread(store))

    return routes


async def _allowed(
    database: Database, presented: HTTPAuthorizationCredentials | None, scope: Scope
) -> None:
    """Before the body is read: who may not write is not listened to."""

    def check() -> None:
        with database.read() as session:
            keys.check(session, presented.credentials if presented else "", scope)

    await asyncio.to_thread(check)


def _rows(many: TypeAdapter[list[Row]], one: type[Row], body: bytes) -> Sequence[Row]:
    """A list, or the one object. Refused with the line and field of what does not fit."""
    single = body.lstrip()[:1] == b"{"
    try:
        return [one.model_validate_json(body)] if single else many.validate_json(body)
    except ValidationError as error:
        raise ingest.Refused(ingest.faults_of(error, single=single)) from None


def _told(stored: ingest.Stored) -> StoredOut:
    return StoredOut(new=stored.new, known=stored.known)


def _body(model: str) -> dict[str, Any]:
    """The body's description: FastAPI does not read it itself, to name lines in our own way."""
    row = {"$ref": f"#/components/schemas/{model}"}
    batch = {"type": "array", "items": row, "minItems": 1, "maxItems": ingest.MOST}
    content = {"application/json": {"schema": {"oneOf": [row, batch]}}}
    return {"requestBody": {"required": True, "content": content}}


def row_schemas() -> dict[str, Any]:
    """What the bodies' descriptions refer to, by name."""
    _, schemas = models_json_schema(
        [(ParcelIn, "validation"), (ScanEvent, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    described: dict[str, Any] = schemas["$defs"]
    return described
