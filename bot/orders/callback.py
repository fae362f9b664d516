"""``POST /…/receipts``: the other side answers an order later, by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from parcels.bodies import read_body
from store.engine import Database
from store.errors import Conflict, Invalid, NotFound
from store.orders import LaterReceipt, Receipt, Result, SentOrder
from store.signing import checked

log = logging.getLogger(__name__)
MAX_BODY = 1 << 16
Order = TypeVar("Order", bound=SentOrder)
Hear = Callable[[Session, Order, Receipt], None]


def router(
    path: str, database: Database, table: type[Order], hear: Hear[Order], key: bytes | None
) -> APIRouter:
    """``hear`` notes and tells an answer to an order that is held. ``key`` signs what the other
    side sends, as it signs what we send it; None: there is no other side."""
    routes = APIRouter()

    @routes.post(path, status_code=204, include_in_schema=False)
    async def receipt(request: Request) -> Response:
        """204 once the answer stands, however often it comes. BadSignature without our key's
        signature of the last minutes, Invalid for no receipt, NotFound for no order of ours,
        Conflict for another answer than the one that stands."""
        if key is None:
            raise NotFound("there is nobody to answer")
        body = await read_body(request, MAX_BODY)
        checked(key, request.headers, body)
        try:
            given = LaterReceipt.model_validate_json(body)
        except ValidationError as error:
            raise Invalid("no receipt") from error
        if given.result is not Result.PENDING:
            await asyncio.to_thread(heard, given)
        return Response(status_code=204)

    def heard(given: LaterReceipt) -> None:
        with database.write() as session:
            order = session.scalar(
                select(table).where(table.public_id == given.id).with_for_update()
            )
            if order is None:
                raise NotFound("no such order")
            try:
                hear(session, order, given)
            except Conflict:
                log.warning("%s: %s after %s", path, given.result, order.state)
                raise

    return routes
