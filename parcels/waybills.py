"""Whose number is it, and can it be right: recognising and repairing waybill numbers.

Nothing here guesses: ``recognise`` lists every carrier whose format fits, with the verdict of its
check digit; ``repair`` lists what the customer may have meant, for the customer to confirm.
No library does this: the best one (tracking-numbers 0.1.8) knows 171 of the 280 labelled numbers of
tracking_number_data 1.3.2, and no Chinese carrier.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from rapidfuzz.distance import OSA

from parcels import check_digits

POLICY = Path(__file__).parents[1] / "policies" / "carriers.yml"
_LOOK_ALIKE = str.maketrans("OQDILSB", "0001158")
_FARTHEST = 2  # a third wrong sign makes it another number


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of number of one carrier."""

    id: str
    carrier: str
    pattern: re.Pattern[str]
    check: Mapping[str, Any] | None
    own: bool = False
    country: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A format that a number fits; ``check`` is None where there is no check digit."""

    number: str
    carrier: str
    format_id: str
    check: bool | None
    own: bool

    @property
    def possible(self) -> bool:
        """Whether the number can have been issued."""
        return self.check is not False


@dataclass(frozen=True, slots=True)
class Repair:
    """A number the customer may have meant, ``distance`` slips away, and why to think so."""

    number: str
    distance: int
    reason: str


@dataclass(frozen=True, slots=True)
class Carriers:
    """Every known format and the countries S10 numbers may end in."""

    formats: tuple[Format, ...]
    countries: frozenset[str]

    @classmethod
    def load(cls, path: Path = POLICY) -> Carriers:
        """Read the policy file; a broken pattern or unknown rule fails here, by name."""
        policy = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        formats = [
            _format(entry, own=section == "own")
            for section in ("own", "carriers")
            for entry in policy[section]
        ]
        return cls(tuple(formats), frozenset(policy["countries"].split()))

    def recognise(self, typed: str) -> tuple[Candidate, ...]:
        """Every format the typed number fits: own first, then by what its check digit says."""
        number = canonical(typed)
        found = [
            Candidate(number, f.carrier, f.id, self._verdict(f, match), f.own)
            for f in self.formats
            if (match := f.pattern.fullmatch(number))
        ]
        certainty = {True: 0, None: 1, False: 2}
        return tuple(sorted(found, key=lambda c: (not c.own, certainty[c.check])))

    def repair(self, typed: str, known: Iterable[str]) -> tuple[Repair, ...]:
        """Numbers among ``known`` at most two slips from the typed one, nearest first.

        An exact number needs no repair: then the answer is empty. At equal distance a number
        with a right check digit comes before one without.
        """
        number = canonical(typed)
        read = number[:2] + number[2:].translate(_LOOK_ALIKE)
        repairs = []
        for issued in known:
            if issued == number:
                return ()
            if issued == read:
                repairs.append((0, Repair(issued, 1, "look-alike letters read as digits")))
                continue
            distance = OSA.distance(number, issued, score_cutoff=_FARTHEST)
            if distance <= _FARTHEST:
                checked = any(c.check for c in self.recognise(issued))
                slips = "one slip away" if distance == 1 else f"{distance} slips away"
                reason = f"{slips}, check digit right" if checked else slips
                repairs.append((distance * 2 - checked, Repair(issued, distance, reason)))
        return tuple(repair for _, repair in sorted(repairs, key=lambda r: (r[0], r[1].number)))

    def _verdict(self, format_: Format, match: re.Match[str]) -> bool | None:
        if format_.country and match["country"] not in self.countries:
            return False
        if format_.check is None:
            return None
        return check_digits.fits(match["s"], match["c"], format_.check)


@cache
def carriers() -> Carriers:
    """The formats of the policy file, read once."""
    return Carriers.load()


def recognise(typed: str) -> tuple[Candidate, ...]:
    """See ``Carriers.recognise``."""
    return carriers().recognise(typed)


def repair(typed: str, known: Iterable[str]) -> tuple[Repair, ...]:
    """See ``Carriers.repair``."""
    return carriers().repair(typed, known)


def canonical(typed: str) -> str:
    """Half width, capitals, letters and digits only."""
    if typed.isascii() and typed.isalnum():  # as machines write it
        return typed.upper()
    folded = unicodedata.normalize("NFKC", typed).upper()
    return "".join(c for c in folded if c.isascii() and c.isalnum())


def _format(entry: Mapping[str, Any], *, own: bool) -> Format:
    check = entry.get("check")
    if check is not None and check["rule"] not in check_digits.RULES:
        raise ValueError(f"carriers.yml: {entry['id']} asks for an unknown rule {check['rule']!r}")
    return Format(
        id=entry["id"],
        carrier=entry["carrier"],
        pattern=re.compile(entry["pattern"]),
        check=check,
        own=own,
        country=bool(entry.get("country")),
    )
