"""Proof of identity: the last four digits of the recipient's or sender's phone on a waybill.

No answer tells which digit was wrong or whether the number exists, and none takes another road for
it: an unknown number costs the same queries and comparisons, and counts and locks the same.
Guessing is bounded three times: per customer and waybill (the lock), per waybill by all customers
together (a new visitor is quickly made), and per customer over all waybills (enumeration).
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import Enum, auto

from pydantic import Field
from sqlalchemy.orm import Session

from conversations.models import Customer
from parcels import change_repository, repository
from parcels.change_models import IdentityTry
from parcels.lookup import canonical
from parcels.models import Shipment
from store import clock
from store.policies import Policy

_DAY = timedelta(days=1)
_FOUR = re.compile(r"(?<![A-Za-z\d])(\d{4}|1\d{10})(?![A-Za-z\d])")
_NAMED = re.compile(
    r"(?:尾号|尾數|后四位|后4位|後四位|末四位|last (?:four|4)(?: digits)?|ending(?: in)?)"
    r"\D{0,8}(\d{4})(?!\d)",
    re.IGNORECASE,
)
_NONE = "----"


class Rules(Policy):
    """``identity`` of ``policies/changes.yml``."""

    tries: int = Field(ge=1, le=10)
    lock_minutes: int = Field(ge=1, le=24 * 60)
    waybill_tries_a_day: int = Field(ge=3)
    customer_tries_a_day: int = Field(ge=3)
    holds_hours: dict[str, int]

    @property
    def lock(self) -> timedelta:
        return timedelta(minutes=self.lock_minutes)

    def holds(self, channel: str) -> timedelta:
        """How long a proof lasts for customers of a channel."""
        return timedelta(hours=self.holds_hours.get(channel, self.holds_hours["default"]))


class Answer(Enum):
    RIGHT = auto()
    WRONG = auto()
    LOCKED = auto()


def digits_in(text: str, *, asked: bool) -> str | None:
    """The four digits a message gives: alone or with a whole phone if they were ``asked`` for, else
    only where the message says what they are. None if it gives none, or several."""
    folded = unicodedata.normalize("NFKC", text)
    named = set(_NAMED.findall(folded))
    if not named and asked:
        named = {found[-4:] for found in _FOUR.findall(folded)}
    return named.pop() if len(named) == 1 else None


def proven(session: Session, rules: Rules, customer: Customer, waybill_no: str) -> bool:
    """Whether this customer has proved this number his own, and the proof still holds."""
    return proven_about(session, rules, customer, canonical(waybill_no))


def proven_about(session: Session, rules: Rules, customer: Customer, about: str) -> bool:
    """``proven`` of what is no waybill; see ``judge``."""
    since = clock.now() - rules.holds(customer.channel)
    return change_repository.proven_since(session, customer.id, about, since)


def all_proven(session: Session, rules: Rules, customer: Customer, limit: int) -> Sequence[str]:
    """The numbers that "my parcel" can mean: those this customer has proved to be his."""
    since = clock.now() - rules.holds(customer.channel)
    return change_repository.proven_numbers(session, customer.id, since, limit=limit)


def only_proven(session: Session, rules: Rules, customer: Customer) -> str | None:
    """The one number that "my parcel" means: None if this customer has proved none, or several."""
    numbers = all_proven(session, rules, customer, limit=2)
    return numbers[0] if len(numbers) == 1 else None


def locked(session: Session, rules: Rules, customer: Customer, waybill_no: str) -> bool:
    """Whether no further try of this customer at this number is heard now."""
    return _locked(session, rules, customer, canonical(waybill_no))


def _locked(session: Session, rules: Rules, customer: Customer, about: str) -> bool:
    at = clock.now()
    last = change_repository.last_try(session, customer.id, about)
    own = last is not None and last.wrong_in_row >= rules.tries and last.at > at - rules.lock
    by_all = change_repository.wrong_at_waybill(session, about, at - _DAY)
    of_his = change_repository.wrong_of_customer(session, customer.id, at - _DAY)
    return own or by_all >= rules.waybill_tries_a_day or of_his >= rules.customer_tries_a_day


def prove(
    session: Session,
    rules: Rules,
    customer: Customer,
    message_id: int | None,
    waybill_no: str,
    digits: str,
) -> Answer:
    """Hear one try; see ``judge``. ``message_id`` is None for a try on the parcel's own page."""
    number = canonical(waybill_no)[:40]

    def right() -> bool:
        shipment = repository.by_waybill(session, number)
        return fits(phones_of(shipment), digits)

    return judge(session, rules, customer, message_id, number, right)


def judge(
    session: Session,
    rules: Rules,
    customer: Customer,
    message_id: int | None,
    about: str,
    right: Callable[[], bool],
) -> Answer:
    """Hear one try and keep it; the same message heard again is the same try. ``about`` is what is
    to be proved: a waybill, or a name that no waybill can have.

    LOCKED also for the wrong try that locks. What is locked is neither compared nor kept.
    """
    heard = change_repository.try_in(session, message_id) if message_id else None
    if heard is None:
        if _locked(session, rules, customer, about):
            return Answer.LOCKED
        last = change_repository.last_try(session, customer.id, about)
        before = last.wrong_in_row if last and last.wrong_in_row < rules.tries else 0
        heard = IdentityTry(
            customer_id=customer.id,
            waybill_no=about,
            message_id=message_id,
            wrong_in_row=0 if right() else before + 1,
            at=clock.now(),
        )
        session.add(heard)
        session.flush()
    if heard.wrong_in_row == 0:
        return Answer.RIGHT
    return Answer.LOCKED if _locked(session, rules, customer, about) else Answer.WRONG


def phones_of(shipment: Shipment | None) -> tuple[str | None, str | None]:
    """Whose last digits prove a parcel."""
    return (shipment.recipient_phone, shipment.sender_phone) if shipment else (None, None)


def fits(phones: Sequence[str | None], digits: str) -> bool:
    """All phones are compared, whether they exist or not, and all four digits of each."""
    found = [hmac.compare_digest(_last_four(phone).encode(), digits.encode()) for phone in phones]
    return any(found)


def _last_four(phone: str | None) -> str:
    numbers = "".join(c for c in phone or "" if c.isascii() and c.isdigit())
    return numbers[-4:] if len(numbers) >= 4 else _NONE
