"""``POST /depot/receipts``: the depot answers an order later, by itself."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from bot.depot.answers import Answers
from parcels import change_repository
from parcels.bodies import read_body
from parcels.depot import LaterReceipt, Result
from store.engine import Database
from store.errors import Conflict, Invalid, NotFound
from store.signing import checked

log = logging.getLogger(__name__)
PATH = "/depot/receipts"
MAX_BODY = 1 << 16


def router(database: Database, answers: Answers, key: bytes | None) -> APIRouter:
    """``key`` signs what the depot sends, as it signs what we send it; None: there is no depot."""
    routes = APIRouter()

    @routes.post(PATH, status_code=204, include_in_schema=False)
    async def receipt(request: Request) -> Response:
        """204 once the answer stands, however often it comes. BadSignature without our key's
        signature of the last minutes, Invalid for no receipt, NotFound for no order of ours,
        Conflict for another answer than the one that stands."""
        if key is None:
            raise NotFound("there is no depot")
        body = await read_body(request, MAX_BODY)
        checked(key, request.headers, body)
        try:
            given = LaterReceipt.model_validate_json(body)
        except ValidationError as error:
            raise Invalid("no receipt") from error
        if given.result is not Result.PENDING:
            await asyncio.to_thread(_hear, database, answers, given)
        return Response(status_code=204)

    return routes


def _hear(database: Database, answers: Answers, given: LaterReceipt) -> None:
    with database.write() as session:
        order = change_repository.held_order(session, given.id)
        if order is None:
            raise NotFound("no such order")
        try:
            answers.heard(session, order, given)
        except Conflict:
            log.warning("depot order %s: %s after %s", order.id, given.result, order.state)
            raise
