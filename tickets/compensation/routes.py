"""``POST /api/coupons/redeem``: the company's shop redeems a coupon. By API key.

The code travels in the body: addresses end up in logs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from conversations import repository as record
from parcels import keys
from parcels.models import Scope
from store.engine import Database
from store.errors import CourierError
from tickets.compensation import coupons
from tickets.compensation.policy import CouponRules
from tickets.reach import NO_CHANNEL
from tickets.schemas import CustomerIn

_BEARER = HTTPBearer(auto_error=False, description="./courier key add NAME --scope coupons:redeem")
Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,48}$")]
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class RedeemIn(BaseModel):
    """``customer`` is checked where the shop knows him; ``order`` is the shop's own number."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    code: Annotated[Text, Field(min_length=1, max_length=40)]
    customer: CustomerIn | None = None
    order: Annotated[Text | None, Field(max_length=64)] = None


class RedeemedOut(BaseModel):
    """``value`` in yuan, such as ``10.00``."""

    value: str
    currency: str = "CNY"
    redeemed_at: datetime
    order: str | None


def router(database: Database, rules: CouponRules) -> APIRouter:
    routes = APIRouter(prefix="/api/coupons", tags=["coupons"])
    bearer: Any = Depends(_BEARER)

    @routes.post("/redeem")
    def redeem(
        given: RedeemIn, key: Key, presented: HTTPAuthorizationCredentials | None = bearer
    ) -> RedeemedOut:
        """Redeem a code, once. The same key gives the same answer and changes nothing. 404 for a
        code that there is not, 409 used before, 410 expired, 403 another customer's, 429 after too
        many wrong ones."""
        with database.write() as session:
            api_key = keys.check(
                session, presented.credentials if presented else "", Scope.COUPONS_REDEEM
            )
            asked = coupons.Asked(
                code=given.code,
                api_key_id=api_key.id,
                key=f"api:{api_key.id}:{key}",
                customer_id=_customer(session, given.customer, api_key.id),
                knows_customer=given.customer is not None,
                order=given.order,
            )
            outcome = coupons.redeem(session, asked, rules)
        # Raised only now: a wrong try stays in the record.
        if isinstance(outcome, CourierError):
            raise outcome
        return RedeemedOut(
            value=f"{outcome.yuan:.2f}", redeemed_at=outcome.redeemed_at, order=outcome.order
        )

    return routes


def _customer(session: Session, who: CustomerIn | None, api_key_id: int) -> int | None:
    if who is None:
        return None
    channel, account = (who.channel, who.account) if who.channel else (NO_CHANNEL, str(api_key_id))
    found = record.customer(session, channel, account, who.id)
    return found.id if found else None
