"""The depot's side of a change: what an order says. How it travels: store/orders.py.

JSON ``{id, kind, waybill_no, about, wish, price, placed_at}``; the depot answers later, if it does,
to ``/depot/receipts``.
"""

from __future__ import annotations

from pydantic import BaseModel

from parcels.change_models import DepotOrder


class OrderOut(BaseModel):
    """An order as it is sent."""

    id: str
    kind: str
    waybill_no: str | None
    about: str
    wish: dict[str, str]
    price: str
    placed_at: str


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
