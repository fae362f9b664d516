"""Weights, sizes and sums as customers write them: 三公斤, 8.5kg, 十来斤, 60×40×40, 保价三千."""

from __future__ import annotations

import re
from decimal import Decimal

from parcels.folding import fold

_DIGITS = "零一二三四五六七八九"
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_ZH = f"{_DIGITS}两{''.join(_UNITS)}半"
_N = rf"(?:\d[\d,]*(?:\.\d+)?(?:[千万]|k\b)?|[{_ZH}]+|half an?|an?)"
_KILOGRAMS = {
    "公斤": Decimal(1), "千克": Decimal(1), "kg": Decimal(1), "kilo": Decimal(1),
    "kilogram": Decimal(1), "斤": Decimal("0.5"), "克": Decimal("0.001"), "g": Decimal("0.001"),
    "gram": Decimal("0.001"), "吨": Decimal(1000), "lb": Decimal("0.45359237"),
    "pound": Decimal("0.45359237"),
}  # fmt: skip
_WEIGHT = re.compile(
    rf"(?<![a-z\d.])({_N})(?: ?多| ?来| ?几)?[ -]?"
    r"(公斤|千克|斤|克|吨|kilograms?|kilos?|kgs?|grams?|lbs?|pounds?|g\b)(半)?"
)
_BY = r" ?(?:cm|厘米|公分)? ?[x×*✕乘,，] ?|(?: ?(?:cm|厘米|公分))? ?(?:宽|高|by) ?"
_SIZE = re.compile(
    rf"(\d+(?:\.\d+)?)(?:{_BY})(\d+(?:\.\d+)?)(?:{_BY})(\d+(?:\.\d+)?) ?(mm|毫米|m\b|米)?"
)
_VALUE = re.compile(
    r"(?:保价|投保|买保险|保险|声明价值|价值|保|值|insured? (?:it )?(?:for|at)"
    r"|insurance (?:for|of)|worth|valued? (?:of|at))"
    rf"(?:了|个|金额|是|为|[:：]| |¥|￥|\$)*({_N}) ?(?:元|块|yuan|rmb)?"
)
_SUM = re.compile(rf"({_N}) ?(?:元|块|yuan|rmb|dollars?|的保)")
_BARE = re.compile(r"(\d+(?:\.\d+)?)")


def weight(text: str, *, bare: bool = False) -> Decimal | None:
    """Kilograms; with ``bare`` a number alone is kilograms too. None if no weight is told."""
    folded = fold(text)
    if match := _WEIGHT.search(folded):
        unit = match[2].rstrip("s") if match[2] not in {"g"} else "g"
        amount = _number(match[1]) + (Decimal("0.5") if match[3] else 0)
        told = amount * _KILOGRAMS[unit]
        return told if told > 0 else None
    if bare and (match := _BARE.fullmatch(folded.strip(" .。左右"))):
        return Decimal(match[1]) or None
    return None


def size(text: str) -> tuple[Decimal, Decimal, Decimal] | None:
    """Length, width and height in centimetres."""
    match = _SIZE.search(fold(text))
    if match is None:
        return None
    unit = {"mm": "0.1", "毫米": "0.1", "m": "100", "米": "100"}.get(match[4] or "", "1")
    length, width, height = (Decimal(match[n]) * Decimal(unit) for n in (1, 2, 3))
    return (length, width, height) if min(length, width, height) > 0 else None


def value(text: str) -> Decimal | None:
    """The yuan that goods are to be insured for, where a message says so."""
    folded = fold(text)
    found = _VALUE.search(folded)
    if found is None and re.search(r"保价|保险|投保|insur", folded):
        found = _SUM.search(folded)
    told = _number(found[1]) if found else Decimal(0)
    return told if told > 0 else None


def money(text: str) -> Decimal | None:
    """The sum that a message names, as it stands there: 300, 300 元, 三千块, $35."""
    folded = fold(text)
    found = _SUM.search(folded) or re.search(r"(\d[\d,]*(?:\.\d+)?)", folded)
    told = _number(found[1]) if found else Decimal(0)
    return told if told > 0 else None


def plain(amount: Decimal) -> str:
    """12, 12.5 or 0.75: no more digits than it needs."""
    shortest = amount.quantize(Decimal("0.01")).normalize()
    return format(shortest, "f")


def _number(said: str) -> Decimal:
    if said[0].isdigit():
        scale = {"千": 1000, "k": 1000, "万": 10_000}.get(said[-1], 1)
        return Decimal(said.rstrip("千万k").replace(",", "")) * scale
    if said.startswith("half"):
        return Decimal("0.5")
    return Decimal(1) if said in {"a", "an"} else _chinese(said)


def _chinese(said: str) -> Decimal:
    """三千五百, 十二, 半; a last digit without its unit is the next one's: 一万二 is 12,000."""
    if said == "半":
        return Decimal("0.5")
    total, part, digit, unit = (Decimal(0) for _ in range(4))
    for sign in said:
        if sign in _UNITS:
            unit = Decimal(_UNITS[sign])
            if sign == "万":
                total, part, digit = (part + digit or 1) * unit, Decimal(0), Decimal(0)
            else:
                part, digit = part + (digit or 1) * unit, Decimal(0)
        elif sign == "零":
            unit = Decimal(0)
        elif sign != "半":
            digit = Decimal(_DIGITS.index("二" if sign == "两" else sign))
    return total + part + digit * (unit / 10 if unit > 10 else 1)
