"""Every query on tries of identity and orders to the depot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from parcels.change_models import (
    DepotOrder,
    IdentityTry,
    OrderKind,
)
from parcels.models import Shipment
from store.orders import OrderState


def last_try(session: Session, customer_id: int, waybill_no: str) -> IdentityTry | None:
    return session.scalar(
        select(IdentityTry)
        .where(IdentityTry.customer_id == customer_id, IdentityTry.waybill_no == waybill_no)
        .order_by(IdentityTry.id.desc())
        .limit(1)
    )


def proven_since(session: Session, customer_id: int, waybill_no: str, since: datetime) -> bool:
    """Whether this customer gave the right digits for this number after ``since``."""
    found = session.scalar(
        select(IdentityTry.id)
        .where(
            IdentityTry.customer_id == customer_id,
            IdentityTry.waybill_no == waybill_no,
            IdentityTry.wrong_in_row == 0,
            IdentityTry.at > since,
        )
        .limit(1)
    )
    return found is not None


def proven_numbers(
    session: Session, customer_id: int, since: datetime, *, limit: int
) -> Sequence[str]:
    """The waybills that this customer gave the right digits for after ``since``."""
    return session.scalars(
        select(IdentityTry.waybill_no)
        .join(Shipment, Shipment.waybill_no == IdentityTry.waybill_no)
        .where(
            IdentityTry.customer_id == customer_id,
            IdentityTry.at > since,
            IdentityTry.wrong_in_row == 0,
        )
        .distinct()
        .limit(limit)
    ).all()


def try_in(session: Session, message_id: int) -> IdentityTry | None:
    """The try that a message was."""
    return session.scalar(select(IdentityTry).where(IdentityTry.message_id == message_id))


def tries_at(session: Session, waybill_no: str, limit: int) -> Sequence[IdentityTry]:
    """All customers' tries at a number, newest first."""
    return session.scalars(
        select(IdentityTry)
        .where(IdentityTry.waybill_no == waybill_no)
        .order_by(IdentityTry.at.desc(), IdentityTry.id.desc())
        .limit(limit)
    ).all()


def wrong_of_customer(session: Session, customer_id: int, since: datetime) -> int:
    """A customer's wrong tries at all numbers."""
    return _wrong(session, IdentityTry.customer_id == customer_id, IdentityTry.at > since)


def wrong_at_waybill(session: Session, waybill_no: str, since: datetime) -> int:
    """All customers' wrong tries at one number."""
    return _wrong(session, IdentityTry.waybill_no == waybill_no, IdentityTry.at > since)


def _wrong(session: Session, *where: object) -> int:
    counted = select(func.count()).where(*where, IdentityTry.wrong_in_row > 0)  # type: ignore[arg-type]
    return int(session.scalar(counted) or 0)


def order_by_key(session: Session, key: str) -> DepotOrder | None:
    return session.scalar(select(DepotOrder).where(DepotOrder.key == key))


def agreed_until(session: Session, waybill_no: str) -> datetime | None:
    """The end of the window that was last agreed with a customer for this parcel."""
    wish = session.scalar(
        select(DepotOrder.wish)
        .where(
            DepotOrder.about == waybill_no,
            DepotOrder.kind == OrderKind.RESCHEDULE,
            DepotOrder.state == OrderState.ACCEPTED,
        )
        .order_by(DepotOrder.id.desc())
        .limit(1)
    )
    return datetime.fromisoformat(wish["to"]) if wish else None


def orders_about(session: Session, waybill_no: str, limit: int) -> Sequence[DepotOrder]:
    """What the depot was told to do with a parcel, newest first."""
    return session.scalars(
        select(DepotOrder)
        .where(DepotOrder.about == waybill_no)
        .order_by(DepotOrder.id.desc())
        .limit(limit)
    ).all()


def open_pickup(session: Session, customer_id: int, since: datetime) -> DepotOrder | None:
    """The newest booking of a pickup that this customer made after ``since`` and still has."""
    orders = session.scalars(
        select(DepotOrder)
        .where(DepotOrder.customer_id == customer_id, DepotOrder.placed_at > since)
        .order_by(DepotOrder.id.desc())
        .limit(50)
    ).all()
    gone = {
        order.about
        for order in orders
        if order.kind == OrderKind.PICKUP_CANCEL and order.state != OrderState.REFUSED
    }
    return next(
        (
            order
            for order in orders
            if order.kind == OrderKind.PICKUP_BOOK
            and order.state in {OrderState.PLACED, OrderState.ACCEPTED}
            and order.about not in gone
        ),
        None,
    )
