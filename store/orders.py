"""Orders to another system of the company (the depot, the paymaster): sent until they are answered.

``POST <url>`` with the order as JSON and its ``id``; headers as standardwebhooks.com says:
``webhook-id`` (also the idempotency key: the same order comes with the same id again and again
until it is answered), ``webhook-timestamp`` (Unix seconds) and ``webhook-signature`` (``v1,`` and
base64 of HMAC-SHA256 over ``id.timestamp.body``). The answer is 200 with JSON ``{"result":
"accepted" | "refused" | "pending", "reason"?, "receipt"?}``. Pending and everything else (time-out,
5xx, no JSON) mean: asked again later. The other side may also answer by itself: the same JSON with
the order's ``id``, signed the same way.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import httpx
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from store import clock
from store.claims import Due, release
from store.errors import Conflict, CourierError
from store.signing import signed

SECONDS = 10.0
_Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""PostgreSQL keeps every character but this one."""


class OrderState(StrEnum):
    """``unanswered``: given up, a person takes over; it may be answered still."""

    PLACED = "placed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


FINAL = frozenset({OrderState.ACCEPTED, OrderState.REFUSED})


class Result(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PENDING = "pending"


class Receipt(BaseModel):
    """What the other side says. ``reason`` is one that we have words for, or its own; ``way`` is
    how it was done (masked by the other side), where that is told to the customer."""

    result: Result
    reason: Annotated[_Text | None, Field(max_length=40)] = None
    receipt: Annotated[_Text | None, Field(max_length=64)] = None
    way: Annotated[_Text | None, Field(max_length=60)] = None


class LaterReceipt(Receipt):
    """What it says later, by itself: ``id`` is the order's."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class NoAnswer(CourierError):
    """There was no answer, or nothing we understand; the order is sent again."""

    code = "order_unanswered"


class SentOrder(Due):
    """Columns of a table of orders. ``public_id`` makes doing one twice impossible."""

    public_id: Mapped[str] = mapped_column(String(32), unique=True)
    state: Mapped[OrderState] = mapped_column(String(12), default=OrderState.PLACED)
    reason: Mapped[str | None] = mapped_column(String(40))
    receipt: Mapped[str | None] = mapped_column(String(64))
    placed_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class Outlet:
    """Sends orders to one address. ``client`` is the caller's own in tests."""

    def __init__(self, url: str, key: bytes, client: httpx.AsyncClient | None = None) -> None:
        self._url = url
        self._key = key
        self._client = client

    async def ask(self, order_id: str, body: BaseModel) -> Receipt:
        """Send an order, as often as one likes; NoAnswer if nothing usable comes back."""
        content = body.model_dump_json().encode()
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=SECONDS)
        try:
            reply = await self._client.post(
                self._url,
                content=content,
                headers={"content-type": "application/json"} | signed(self._key, order_id, content),
            )
        except httpx.HTTPError as error:
            raise NoAnswer(type(error).__name__) from error
        if reply.status_code != 200:
            raise NoAnswer(f"HTTP {reply.status_code}")
        try:
            return Receipt.model_validate_json(reply.content)
        except ValidationError as error:
            raise NoAnswer("an answer that is no receipt") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def answered(order: SentOrder, receipt: Receipt) -> bool:
    """Note a final answer; False if it was noted before. An order that was given up may be answered
    still. Conflict for another answer than the one that stands."""
    state = OrderState.ACCEPTED if receipt.result is Result.ACCEPTED else OrderState.REFUSED
    if order.state in FINAL:
        if order.state != state:
            raise Conflict("this order was answered otherwise")
        return False
    order.state = state
    order.reason, order.receipt = receipt.reason, receipt.receipt
    order.answered_at = clock.now()
    release(order, retry_at=None)
    return True


def given_up(order: SentOrder, reason: str) -> None:
    """Nobody answered in time: a person takes over, and nothing more is sent."""
    order.state = OrderState.UNANSWERED
    release(order, retry_at=None, error=reason)
