"""A depot for demo and tests, with an answer for every wish.

What it refuses stands in the wish, so that a demo can show it: a place with ``满`` or ``full`` is
full, one overseas is not served, a delivery that must be over by nine is too early. What is to be
held at the branch it thinks about once (``pending``).
"""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from bot.orders.simulator import OrderSimulator
from parcels.change_models import OrderKind
from parcels.depot import OrderOut
from store.orders import Receipt, Result

PATH = "/simulator/depot"
NINE = time(9)


class Simulator(OrderSimulator[OrderOut]):
    """``zone`` is the company's."""

    path = PATH
    shape = OrderOut

    def __init__(self, key: bytes, zone: ZoneInfo) -> None:
        super().__init__(key)
        self._zone = zone

    def decide(self, order: OrderOut, *, first: bool) -> Receipt:
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
