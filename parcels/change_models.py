"""Tables of changes: tries to prove who one is, orders to the depot."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.orders import SentOrder


class OrderKind(StrEnum):
    """What a depot can be told to do."""

    RESCHEDULE = "reschedule"
    ADDRESS = "address"
    LOCKER = "locker"
    STATION = "station"
    NEIGHBOUR = "neighbour"
    DOOR = "door"
    HOLD = "hold"
    RECIPIENT = "recipient"
    CANCEL = "cancel"
    INTERCEPT = "intercept"
    REFUSE = "refuse"
    RETURN = "return"
    PICKUP_BOOK = "pickup_book"
    PICKUP_MOVE = "pickup_move"
    PICKUP_CANCEL = "pickup_cancel"
    CALL_FIRST = "call_first"
    REDELIVER = "redeliver"
    RESEND = "resend"


class IdentityTry(Base):
    """One try to prove that a parcel is one's own: the state of the proof, and its audit trail.

    The number need not exist. ``wrong_in_row`` counts this customer's wrong tries at it since the
    last right one or the last lock; 0 is the right one. The digits themselves are kept
    in the message alone; a try on the parcel's own page is no message, and they are kept nowhere.
    """

    __tablename__ = "identity_tries"
    __table_args__ = (
        Index("ix_identity_tries_customer_id_waybill_no_id", "customer_id", "waybill_no", "id"),
        Index("ix_identity_tries_customer_id_at", "customer_id", "at"),
        Index("ix_identity_tries_waybill_no_at", "waybill_no", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    waybill_no: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"), unique=True)
    wrong_in_row: Mapped[int]
    at: Mapped[datetime]


class DepotOrder(SentOrder, Base):
    """One order to the depot. ``key`` makes placing it twice impossible.

    ``about`` is the waybill, or the ``public_id`` of the pickup's booking: orders about one thing
    leave in order. ``wish`` holds what the kind needs (parcels/change_rules.py:Need). Yuan.
    """

    __tablename__ = "depot_orders"
    __table_args__ = (
        Index("ix_depot_orders_about_id", "about", "id"),
        Index("ix_depot_orders_customer_id_id", "customer_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    about: Mapped[str] = mapped_column(String(40))
    waybill_no: Mapped[str | None] = mapped_column(String(40))
    kind: Mapped[OrderKind] = mapped_column(String(16))
    wish: Mapped[dict[str, Any]]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
