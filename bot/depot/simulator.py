"""A depot for demo and tests: real HTTP, real signatures, and an answer for every wish.

What it refuses stands in the wish, so that a demo can show it: a place with ``满`` or ``full`` is
full, one overseas is not served, a delivery that must be over by nine is too early. What is to be
held at the branch it thinks about once (``pending``). It keeps nothing over a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, time
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request

from parcels.change_models import OrderKind
from parcels.depot import OrderOut, Receipt, Result
from store.errors import Invalid
from store.signing import checked

PATH = "/simulator/depot"
NINE = time(9)
_REMEMBERED = 10_000


class Simulator:
    """Answers each order once and the same again; ``zone`` is the company's."""

    def __init__(self, key: bytes, zone: ZoneInfo) -> None:
        self._key = key
        self._zone = zone
        self._seen: OrderedDict[str, Receipt] = OrderedDict()

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.post(PATH, include_in_schema=False)
        async def order(request: Request) -> Receipt:
            body = await request.body()
            message_id = checked(self._key, request.headers, body)
            try:
                wanted = OrderOut.model_validate_json(body)
            except ValueError as error:
                raise Invalid("no order") from error
            return self.answer(message_id, wanted)

        return routes

    def answer(self, message_id: str, order: OrderOut) -> Receipt:
        known = self._seen.get(message_id)
        if known is None or known.result is Result.PENDING:
            first = known is None
            known = self._decide(order, first=first)
            self._seen[message_id] = known
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return known

    def _decide(self, order: OrderOut, *, first: bool) -> Receipt:
        place = order.wish.get("place", "").lower()
        if "满" in place or "full" in place:
            return Receipt(result=Result.REFUSED, reason="full")
        if any(word in place for word in ("海外", "国外", "overseas", "abroad")):
            return Receipt(result=Result.REFUSED, reason="not_served")
        until = order.wish.get("to")
        if until and datetime.fromisoformat(until).astimezone(self._zone).time() <= NINE:
            return Receipt(result=Result.REFUSED, reason="too_early")
        if order.kind == OrderKind.HOLD and first:
            return Receipt(result=Result.PENDING)
        return Receipt(result=Result.ACCEPTED, receipt=f"SIM-{order.id[:8]}")
