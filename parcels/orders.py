"""Orders to the depot: placed once, answered once, and what the answer means for the record.

In the caller's transaction. Sending them is the work of ``bot/depot``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

import store.orders
from conversations.texts import Texts
from parcels import change_repository, repository
from parcels.change_models import DepotOrder, OrderKind
from parcels.models import Shipment
from store import clock, ids
from store.orders import OrderState, Receipt

_ALSO = (
    "origin", "destination", "weight", "size", "value", "near",
    "title", "tax_number", "wrong_tax_number", "email",
)  # fmt: skip
"""What is told in a question or for an invoice, and is not to be asked again."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is ordered. ``details`` is JSON: ``from`` and ``to`` (ISO 8601), ``place``, ``person``,
    ``pickup`` (the public id of the booking that is moved or cancelled)."""

    kind: OrderKind
    waybill_no: str | None
    details: dict[str, Any]
    price: Decimal


def place(session: Session, key: str, customer_id: int, wish: Wish) -> DepotOrder:
    """Write an order that falls due at once; the one of this ``key`` if it was placed before."""
    known = change_repository.order_by_key(session, key)
    if known is not None:
        return known
    public_id, at = ids.new_key(), clock.now()
    order = DepotOrder(
        key=key,
        public_id=public_id,
        customer_id=customer_id,
        about=wish.waybill_no or wish.details.get("pickup") or public_id,
        waybill_no=wish.waybill_no,
        kind=wish.kind,
        wish=wish.details,
        price=wish.price,
        state=OrderState.PLACED,
        placed_at=at,
        due_at=at,
        attempts=0,
    )
    session.add(order)
    session.flush()
    return order


def answered(session: Session, order: DepotOrder, receipt: Receipt) -> bool:
    """Note a final answer (store/orders.py); what was accepted is what the record says from now
    on. False if it was noted before."""
    if not store.orders.answered(order, receipt):
        return False
    if order.state == OrderState.ACCEPTED and order.waybill_no:
        shipment = repository.by_waybill(session, order.waybill_no)
        if shipment is not None:
            _apply(shipment, order)
    return True


def _apply(shipment: Shipment, order: DepotOrder) -> None:
    if order.kind == OrderKind.RESCHEDULE:
        shipment.eta_from = datetime.fromisoformat(order.wish["from"])
        shipment.eta_to = datetime.fromisoformat(order.wish["to"])
    elif order.kind == OrderKind.ADDRESS:
        shipment.recipient_address = order.wish["place"][:200]


def describe(
    texts: Texts, language: str, kind: str, waybill_no: str | None, details: dict[str, Any]
) -> str:
    """What is ordered, as the customer is told it before and after."""
    return texts.say(
        language,
        f"change.what.{kind}",
        number=waybill_no or "",
        window=_window(texts, language, details),
        place=details.get("place", ""),
        person=details.get("person", ""),
    )


def facts(texts: Texts, language: str, kind: str | None, details: dict[str, Any]) -> dict[str, str]:
    """What is known of a change or question, for the person who takes it over."""
    known = {
        "change": kind or "",
        "new_time": _window(texts, language, details),
        "new_place": details.get("place", ""),
        "person": details.get("person", ""),
    }
    known |= {name: details.get(name, "") for name in _ALSO}
    return {name: value for name, value in known.items() if value}


def _window(texts: Texts, language: str, details: dict[str, Any]) -> str:
    if "from" not in details:
        return ""
    begin, end = (datetime.fromisoformat(details[name]) for name in ("from", "to"))
    return texts.window(begin, end, language)
