"""Coupons: made once, redeemed once.

A code is 60 random bits as ``XXXX-XXXX-XXXX`` in Crockford's alphabet (no I, L, O, U), read in any
case, with or without dashes. Only its fingerprint is kept: who reads the table can redeem nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from store import clock, ids
from store.errors import Conflict, CourierError, Forbidden, Invalid, NotFound, TooManyRequests
from tickets.compensation import repository
from tickets.compensation.models import Coupon, CouponTry, Grant
from tickets.compensation.policy import CouponRules

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
_MISREAD = str.maketrans("OIL", "011", " -–—")


class UnknownCoupon(NotFound):
    code = "unknown_coupon"


class CouponUsed(Conflict):
    """``facts['at']`` says when."""

    code = "coupon_used"


class CouponExpired(Invalid):
    """``facts['until']`` says when it was good."""

    code = "coupon_expired"
    status = 410


class WrongCustomer(Forbidden):
    code = "wrong_customer"


class TooManyTries(TooManyRequests):
    """A key of the API asked for too many codes that there are not."""

    code = "too_many_tries"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants to redeem what: ``key`` names the request, ``customer_id`` is given if the shop
    knows him, ``order`` is what it is redeemed for."""

    code: str
    api_key_id: int
    key: str
    customer_id: int | None = None
    knows_customer: bool = False
    order: str | None = None


@dataclass(frozen=True, slots=True)
class Redeemed:
    yuan: Decimal
    redeemed_at: datetime
    order: str | None


def canonical(typed: str) -> str:
    return typed.upper().translate(_MISREAD)


def issue(session: Session, grant: Grant, rules: CouponRules, zone: ZoneInfo) -> tuple[Coupon, str]:
    """A coupon for a grant and its code, which is kept nowhere: tell it now. It is good to the end
    of its last day on the company's wall."""
    signs = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    last = (clock.now().astimezone(zone) + timedelta(days=rules.valid_days)).date()
    coupon = Coupon(
        grant_id=grant.id,
        customer_id=grant.customer_id,
        fingerprint=ids.fingerprint(signs),
        ending=signs[-4:],
        fen=grant.fen,
        valid_until=datetime.combine(last, time(23, 59, 59), zone),
    )
    session.add(coupon)
    session.flush()
    return coupon, "-".join(signs[n : n + 4] for n in range(0, LENGTH, 4))


def redeem(session: Session, asked: Asked, rules: CouponRules) -> Redeemed | CourierError:
    """Redeem a code, once. What it cannot be redeemed for is returned, not raised: a wrong try has
    to be written down. The same request gets the same answer; TooManyTries comes first of all."""
    since = clock.now() - timedelta(minutes=rules.within_minutes)
    tries = repository.wrong_tries(session, asked.api_key_id, since, rules.wrong_tries)
    if tries >= rules.wrong_tries:
        return TooManyTries("too many codes that there are not", minutes=rules.within_minutes)
    signs = canonical(asked.code)
    coupon = repository.held_coupon(session, ids.fingerprint(signs))
    known = repository.coupon_by_key(session, asked.key)
    if known is not None:
        same = coupon is not None and coupon.id == known.id
        return _redeemed(known) if same else Conflict("this key redeemed another coupon")
    if coupon is None or (asked.knows_customer and coupon.customer_id != asked.customer_id):
        session.add(CouponTry(api_key_id=asked.api_key_id, at=clock.now()))
        return UnknownCoupon("no such code") if coupon is None else WrongCustomer("another's")
    if coupon.redeemed_at is not None:
        return CouponUsed("used before", at=coupon.redeemed_at)
    if coupon.valid_until < clock.now():
        return CouponExpired("too late", until=coupon.valid_until)
    try:
        with session.begin_nested():
            coupon.redeemed_at, coupon.redeemed_key = clock.now(), asked.key
            coupon.redeemed_for = asked.order
    except IntegrityError:  # at this very moment
        return Conflict("this key redeemed another coupon")
    return _redeemed(coupon)


def _redeemed(coupon: Coupon) -> Redeemed:
    assert coupon.redeemed_at is not None
    return Redeemed(Decimal(coupon.fen) / 100, coupon.redeemed_at, coupon.redeemed_for)
