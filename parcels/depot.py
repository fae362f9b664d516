"""The depot's side of a change: one signed HTTP webhook, and what it may answer.

``POST <url>`` with JSON ``{id, kind, waybill_no, about, wish, price, placed_at}``; headers as
standardwebhooks.com says: ``webhook-id`` (also the idempotency key: the same order comes with the
same id again and again until it is answered), ``webhook-timestamp`` (Unix seconds) and
``webhook-signature`` (``v1,`` and base64 of HMAC-SHA256 over ``id.timestamp.body``). The answer is
200 with JSON ``{"result": "accepted" | "refused" | "pending", "reason"?, "receipt"?}``. Pending
and everything else (time-out, 5xx, no JSON) mean: asked again later. The depot may also answer by
itself: the same JSON with the order's ``id``, signed the same way, to ``/depot/receipts``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import httpx
from pydantic import BaseModel, Field, ValidationError

from parcels.change_models import DepotOrder
from parcels.schemas import Text
from store.errors import CourierError
from store.signing import signed

SECONDS = 10.0


class Result(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PENDING = "pending"


class Receipt(BaseModel):
    """What the depot says. ``reason`` is one of ours (texts ``change.reason.…``) or its own."""

    result: Result
    reason: Annotated[Text | None, Field(max_length=40)] = None
    receipt: Annotated[Text | None, Field(max_length=64)] = None


class LaterReceipt(Receipt):
    """What the depot says later, by itself: ``id`` is the order's."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class NoAnswer(CourierError):
    """The depot did not answer, or nothing we understand; the order is sent again."""

    code = "depot_silent"


class OrderOut(BaseModel):
    """An order as it is sent."""

    id: str
    kind: str
    waybill_no: str | None
    about: str
    wish: dict[str, str]
    price: str
    placed_at: str


class Depot:
    """Sends orders to one address. ``client`` is the caller's own in tests."""

    def __init__(self, url: str, key: bytes, client: httpx.AsyncClient | None = None) -> None:
        self._url = url
        self._key = key
        self._client = client

    async def ask(self, order: DepotOrder) -> Receipt:
        """Send an order, as often as one likes; NoAnswer if nothing usable comes back."""
        body = outgoing(order).model_dump_json().encode()
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=SECONDS)
        try:
            reply = await self._client.post(
                self._url,
                content=body,
                headers={"content-type": "application/json"}
                | signed(self._key, order.public_id, body),
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


def outgoing(order: DepotOrder) -> OrderOut:
    return OrderOut(
        id=order.public_id,
        kind=order.kind,
        waybill_no=order.waybill_no,
        about=order.about,
        wish=order.wish,
        price=f"{order.price:.2f}",
        placed_at=order.placed_at.isoformat(),
    )
