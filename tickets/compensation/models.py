"""Tables of compensation: what was granted, how it was paid, and coupons. Money is whole fen."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.orders import SentOrder

_NOT_REFUSED = text("state <> 'refused'")


class Kind(StrEnum):
    """What is given. Loss is damage of the whole."""

    DELAY_COUPON = "delay_coupon"
    GIFT_COUPON = "gift_coupon"
    FREIGHT_REFUND = "freight_refund"
    DAMAGE = "damage"
    LOSS = "loss"


COUPONS = frozenset({Kind.DELAY_COUPON, Kind.GIFT_COUPON})
CLAIMS = frozenset({Kind.DAMAGE, Kind.LOSS})


class GrantState(StrEnum):
    """``waiting`` for a supervisor; ``approved``, and not paid yet; ``done``: the coupon is the
    customer's, the money was paid."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    DONE = "done"


class Grant(Base):
    """A sum for a customer, and who decided it. ``staff_id`` asked for it; null: the rule did.

    ``key`` makes granting the same form twice impossible. ``about`` names what is compensated: of
    one thing there is one grant that was not refused, whichever ticket it came from. ``lines`` are
    the reckoning as it was shown (reckoning.py:Line); ``policy_id`` the policy it followed.
    """

    __tablename__ = "grants"
    __table_args__ = (
        Index(
            "uq_grants_about", "about", unique=True,
            sqlite_where=_NOT_REFUSED, postgresql_where=_NOT_REFUSED,
        ),
        Index("ix_grants_ticket_id_id", "ticket_id", "id"),
        Index("ix_grants_customer_id_kind_id", "customer_id", "kind", "id"),
        Index("ix_grants_state_id", "state", "id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(80), unique=True)
    about: Mapped[str] = mapped_column(String(60))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    kind: Mapped[Kind] = mapped_column(String(16))
    fen: Mapped[int]
    lines: Mapped[list[Any]]
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy_versions.id"))
    state: Mapped[GrantState] = mapped_column(String(8))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    staff_id: Mapped[int | None]
    granted_at: Mapped[datetime]
    decided_by: Mapped[int | None]
    decided_at: Mapped[datetime | None]
    needs_agreement: Mapped[bool]
    agreed_at: Mapped[datetime | None]
    """When a colleague noted that the customer signed."""

    @property
    def yuan(self) -> Decimal:
        return Decimal(self.fen) / 100


class Payout(SentOrder, Base):
    """An order to pay a grant. Another one follows only a refused one: nobody is paid twice.

    ``attention`` stands while a supervisor has to see to it; ``paid_by`` is who paid it in another
    way, ``way`` how it was paid, as the customer may read it.
    """

    __tablename__ = "payouts"
    __table_args__ = (
        Index(
            "uq_payouts_grant_id", "grant_id", unique=True,
            sqlite_where=_NOT_REFUSED, postgresql_where=_NOT_REFUSED,
        ),
        Index("ix_payouts_grant_id_id", "grant_id", "id"),
        Index(
            "ix_payouts_attention", "id",
            sqlite_where=text("attention = 1"), postgresql_where=text("attention"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    grant_id: Mapped[int] = mapped_column(ForeignKey("grants.id"))
    way: Mapped[str | None] = mapped_column(String(60))
    attention: Mapped[bool] = mapped_column(default=False)
    paid_by: Mapped[int | None]


class Coupon(Base):
    """A code that is worth something once. Only its fingerprint is kept, and its end for people.

    ``redeemed_key`` is the request that redeemed it: the same one hears the same answer.
    """

    __tablename__ = "coupons"

    id: Mapped[int] = mapped_column(primary_key=True)
    grant_id: Mapped[int] = mapped_column(ForeignKey("grants.id"), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    ending: Mapped[str] = mapped_column(String(4))
    fen: Mapped[int]
    valid_until: Mapped[datetime]
    redeemed_at: Mapped[datetime | None]
    redeemed_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    redeemed_for: Mapped[str | None] = mapped_column(String(64))


class CouponTry(Base):
    """A code that there is not, asked for by a key of the API: guessing is limited by these."""

    __tablename__ = "coupon_tries"
    __table_args__ = (Index("ix_coupon_tries_api_key_id_at", "api_key_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    api_key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id"))
    at: Mapped[datetime]
