"""From a number as a customer typed it to a shipment: exact, repaired, or asked about.

A number is never silently guessed. Only a change of shape that cannot mean another parcel (spaces,
dashes, full width, case) is repaired without a word; a slip of the finger yields proposals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session

from parcels import repository, waybills
from parcels.models import Shipment
from parcels.waybills import canonical

_LOOK_ALIKE = str.maketrans("OQDIL", "00011")
MAX_PROPOSALS = 3

__all__ = ["Found", "Proposals", "Unknown", "canonical", "find"]


@dataclass(frozen=True, slots=True)
class Found:
    """The shipment meant without doubt."""

    shipment: Shipment


@dataclass(frozen=True, slots=True)
class Proposals:
    """Shipments one slip away from what was typed, likeliest first: the customer chooses."""

    typed: str
    shipments: tuple[Shipment, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """No shipment has this number or one a slip away.

    ``mistyped``: its check digit is wrong in every format it fits, so nobody can have issued it.
    """

    typed: str
    mistyped: bool = False


def find(session: Session, typed: str) -> Found | Proposals | Unknown:
    """Look up a typed number. Costs one query for an exact hit, two else, at any table size."""
    number = canonical(typed)
    exact = repository.by_waybill(session, number) if number else None
    if exact is not None:
        return Found(exact)
    if not 8 <= len(number) <= 34:
        return Unknown(number)
    near = {s.waybill_no: s for s in repository.among(session, list(set(_slips(number))))}
    if near:
        likeliest = waybills.repair(number, near)[:MAX_PROPOSALS]
        return Proposals(number, tuple(near[repair.number] for repair in likeliest))
    formats = waybills.recognise(number)
    return Unknown(number, mistyped=bool(formats) and not any(f.possible for f in formats))


def _slips(number: str) -> Iterator[str]:
    """Every number one human slip away: a look-alike, a wrong, doubled, lost or swapped sign."""
    head = len(number) - len(number.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    yield number[:2] + number[2:].translate(_LOOK_ALIKE)
    yield number.translate(_LOOK_ALIKE)
    for i in range(len(number)):
        before, after = number[:i], number[i + 1 :]
        yield before + after
        if i + 1 < len(number):
            yield before + number[i + 1] + number[i] + number[i + 2 :]
        if i >= min(head, 2):
            for digit in "0123456789":
                yield before + digit + after
    for i in range(min(head, 2), len(number) + 1):
        for digit in "0123456789":
            yield number[:i] + digit + number[i:]
