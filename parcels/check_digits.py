"""The arithmetic by which carriers protect a number against slips: does the check digit fit?

Source: the carriers' own descriptions as collected in jkeen/tracking_number_data; the rules take
the serial as text (letters allowed where the carrier allows them) and its check character.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[str, str, Mapping[str, Any]], bool]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)


def _worth(character: str) -> int:
    """UPS counts letters too: A is 2, B is 3, ... round after 9."""
    return int(character) if character.isdigit() else (ord(character) - 3) % 10


def mod10(serial: str, check: str, options: Mapping[str, Any]) -> bool:
    """Sum with different weights at even and odd places (from 0), made up to the next ten."""
    digits = serial[::-1] if options.get("reverse") else serial
    weights = (int(options["evens"]), int(options["odds"]))
    total = sum(_worth(c) * weights[i % 2] for i, c in enumerate(digits))
    return -total % 10 == int(check)


def luhn(serial: str, check: str, options: Mapping[str, Any]) -> bool:
    """Every second digit from the right doubled, its own digits added."""
    total = sum(sum(divmod(int(c) * (2 - i % 2), 10)) for i, c in enumerate(reversed(serial)))
    return -total % 10 == int(check)


def mod7(serial: str, check: str, options: Mapping[str, Any]) -> bool:
    """The serial as one number, its rest by seven."""
    return int(serial) % 7 == int(check)


def weighted(serial: str, check: str, options: Mapping[str, Any]) -> bool:
    """Digits times weights, the rest by 11, of which ten counts as nought."""
    weights = str(options["weights"])
    total = sum(int(c) * int(w) for c, w in zip(serial, weights, strict=True))
    return total % 11 % 10 == int(check)


def s10(serial: str, check: str, options: Mapping[str, Any]) -> bool:
    """The Universal Postal Union's S10."""
    rest = sum(int(c) * w for c, w in zip(serial, _S10_WEIGHTS, strict=True)) % 11
    return {0: 5, 1: 0}.get(rest, 11 - rest) == int(check)


def mod37_36(serial: str, check: str, options: Mapping[str, Any]) -> bool:
    """ISO 7064 MOD 37,36, over digits and letters."""
    rest = 36
    for character in serial:
        rest += _ALPHABET.index(character)
        rest = (rest - 36 if rest > 36 else rest) * 2
        rest = rest - 37 if rest >= 37 else rest
    return _ALPHABET[(37 - rest) % 36] == check


RULES: Mapping[str, Rule] = {
    "mod10": mod10,
    "luhn": luhn,
    "mod7": mod7,
    "weighted": weighted,
    "s10": s10,
    "mod37_36": mod37_36,
}


def fits(serial: str, check: str, options: Mapping[str, Any]) -> bool:
    """Whether ``check`` is the right check character by ``options["rule"]``.

    ``lead``: digits that count before the serial unless it begins with them.
    """
    lead = str(options.get("lead", ""))
    if lead and not serial.startswith(lead):
        serial = lead + serial
    return RULES[options["rule"]](serial, check, options)
