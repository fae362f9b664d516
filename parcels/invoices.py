"""Invoices: what a message tells of one, the check of a tax number, the request."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from pydantic import PositiveInt
from sqlalchemy.orm import Session

from parcels import invoice_repository
from parcels.invoice_models import InvoiceRequest
from store import clock
from store.policies import Policy

_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}")
_TAX = re.compile(r"(?<![A-Z0-9])(?=(?:[A-Z]*\d){8})(\d{15}|[A-Z0-9]{17,20})(?![A-Z0-9])")
_TAX_CUE = re.compile(r"税号|识别号|信用代码|\btax\b|\bvat\b", re.IGNORECASE)
_TITLE = re.compile(
    r"(?:抬头|发票抬头|公司名称?|名称|title|company name|made out to|bill(?:ed)? to)"
    r"\s*(?:写|开|是|为|[:：]|is)*\s*([^,，。;；\n]{2,100})",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:统一社会信用代码|纳税人识别号|税号|电子邮箱|邮箱|发到|发票|抬头|名称"
    r"|tax (?:number|id|no\.?)|e-?mail|title)"
    r"(?:是|为|[:：]|is)*|[,，。;；:：\n]",
    re.IGNORECASE,
)
LONGEST_TITLE = 100


class InvoicePolicy(Policy):
    """``policies/invoices.yml``."""

    promise_hours: PositiveInt
    person: tuple[str, ...]
    company: tuple[str, ...]

    def needs_person(self, text: str) -> bool:
        folded = text.lower()
        return any(word in folded for word in self.person)

    def is_company(self, title: str) -> bool:
        folded = title.lower()
        return any(word in folded for word in self.company)


@dataclass(frozen=True, slots=True)
class Told:
    """What a message tells: ``tax_number`` as it was typed, right or wrong."""

    title: str | None = None
    tax_number: str | None = None
    email: str | None = None


def read(text: str, asked: str | None = None) -> Told:
    """The facts in a message, ``asked`` being the one it answers.

    Asked for the title, what is left is the title. Nobody asked for a tax number: only what is
    called one, or has its check digit, is taken for it, since waybills look alike.
    """
    plain = unicodedata.normalize("NFKC", text)
    email = _EMAIL.search(plain)
    rest = plain.replace(email[0], " ") if email else plain
    tax = _TAX.search(rest.upper())
    if tax and not (asked in {"title", "tax_number"} or _TAX_CUE.search(plain)):
        tax = tax if len(tax[1]) == 18 and right_tax_number(tax[1]) else None
    if tax:
        rest = rest[: tax.start()] + " " + rest[tax.end() :]
    named = _TITLE.search(rest)
    title = named[1].strip() if named else None
    if title is None and asked == "title":
        title = " ".join(_FILLER.sub(" ", rest).split()) or None
    return Told(
        title[:LONGEST_TITLE] if title else None,
        tax[1] if tax else None,
        email[0] if email else None,
    )


def right_tax_number(number: str) -> bool:
    """Whether a tax number can exist.

    18 signs are a unified social credit code, whose last is a check digit (GB 32100-2015: weights
    are powers of 3 modulo 31); 15 digits and 20 signs are older numbers without one.
    """
    if len(number) == 15:
        return number.isdigit()
    if len(number) == 20:
        return number.isalnum()
    if len(number) != 18 or any(sign not in _SIGNS for sign in number):
        return False
    total = sum(_SIGNS.index(sign) * pow(3, i, 31) for i, sign in enumerate(number[:17]))
    return _SIGNS[-total % 31] == number[17]


def request(
    session: Session,
    rules: InvoicePolicy,
    *,
    key: str,
    customer_id: int,
    conversation_id: int,
    waybill_no: str,
    title: str,
    tax_number: str | None,
    email: str,
) -> InvoiceRequest:
    """Record a request; the one of this ``key`` if it was made before."""
    known = invoice_repository.by_key(session, key)
    if known is not None:
        return known
    at = clock.now()
    made = InvoiceRequest(
        key=key,
        customer_id=customer_id,
        conversation_id=conversation_id,
        waybill_no=waybill_no,
        title=title,
        tax_number=tax_number,
        email=email,
        requested_at=at,
        promised_by=at + timedelta(hours=rules.promise_hours),
    )
    session.add(made)
    session.flush()
    return made
