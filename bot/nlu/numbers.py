"""Waybill, phone and ticket numbers in a message, wherever they stand and however they are typed.

Works on folded text (see normalise.py). A regular expression's word boundary takes Chinese
characters for word characters and misses seven numbers of eight; here a number is a run of
Latin letters and digits, joined over single spaces and hyphens, with O read as 0 and I as 1
inside digits. Which carrier issued a waybill, and whether its check digit is right, is decided
in parcels/, which knows the formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.nlu.number_shapes import COMPLETE, PREFIX, S10, Kind, readings

_CHUNK = re.compile(r"[A-Z0-9]+(?:\*+[A-Z0-9]+)?")
_GAP = re.compile(r" ?[ \-–—.·] ?|\) ?|\(")
_MAX_CHUNKS = 20
_SPOKEN = str.maketrans("零〇一二三四五六七八九幺", "001234567891")
# Read out digit by digit; shorter runs are words (一一, 三三两两).
_SPOKEN_RUN = re.compile(r"[零〇一二三四五六七八九幺](?: ?[零〇一二三四五六七八九幺]){3,}")


@dataclass(frozen=True, slots=True)
class Number:
    """A number found: ``text[start:end]`` as typed, ``value`` repaired, without separators."""

    kind: Kind
    start: int
    end: int
    value: str


@dataclass(frozen=True, slots=True)
class _Chunk:
    text: str
    start: int
    end: int


def find_numbers(text: str) -> list[Number]:
    """Every waybill, phone and ticket number of a folded text, left to right, none overlapping."""
    upper = _upper(_SPOKEN_RUN.sub(lambda run: run.group().translate(_SPOKEN), text))
    chunks = [_Chunk(m.group(), m.start(), m.end()) for m in _CHUNK.finditer(upper)]
    found: list[Number] = []
    index = 0
    while index < len(chunks):
        for last in _reach(upper, chunks, index):
            number = _read(upper, chunks[index : last + 1], found)
            if number:
                found.append(number)
                index = last
                break
        index += 1
    return found


def _upper(text: str) -> str:
    """Upper case of ASCII only: the length never changes."""
    return "".join(c.upper() if c.isascii() else c for c in text)


def _reach(upper: str, chunks: list[_Chunk], first: int) -> Iterator[int]:
    """Last chunks to try from ``first`` on: a whole number alone, else the longest join first."""
    opening = chunks[first].text
    if not any(c.isdigit() for c in opening) and len(opening) > 3:
        return
    if COMPLETE.fullmatch(opening):
        yield first
        return
    last = first
    while last + 1 < min(len(chunks), first + _MAX_CHUNKS):
        gap = upper[chunks[last].end : chunks[last + 1].start]
        following = chunks[last + 1].text
        if not _GAP.fullmatch(gap) or not (_digits(following) or _letters(following)):
            break
        last += 1
        if gap.strip() == "-" and _is_range(chunks[last - 1 : last + 1]):
            break
    yield from range(last, first - 1, -1)


def _is_range(pair: list[_Chunk]) -> bool:
    """3-5 or 15-16: two short numbers side by side are no number of ours."""
    return all(len(chunk.text) <= 2 for chunk in pair)


def _digits(chunk: str) -> bool:
    """Whether a chunk can continue a number: digits, some mistyped, at most two letters behind."""
    digits = sum(c.isdigit() for c in chunk)
    return digits >= 1 and re.fullmatch(r"[0-9OQIL]+[A-Z]{0,2}", chunk) is not None


def _letters(chunk: str) -> bool:
    """Whether a chunk can be part of a number's letters: S F 1234, RA 123 456 785 AU."""
    return len(chunk) <= 2 and chunk.isalpha()


def _read(upper: str, chunks: list[_Chunk], found: list[Number]) -> Number | None:
    """The number these neighbouring chunks spell, if they spell one."""
    inside = [chunk.text for chunk in chunks[1:]]
    joined = "".join(chunk.text for chunk in chunks)
    spelt = any(_letters(text) for text in inside) or not _known_opening(chunks[0].text)
    if spelt and not (S10.fullmatch(joined) or _spelt_prefix([c.text for c in chunks])):
        return None
    start, end = chunks[0].start, chunks[-1].end
    if (start and upper[start - 1] == "+") or (
        start and upper[start - 1] == "(" and ")" in upper[start:end]
    ):
        start -= 1
    joined = "+" + joined if upper[start] == "+" else joined
    before = upper[max(0, start - 24) : start]
    if found and not upper[found[-1].end : start].strip() and found[-1].kind == "waybill_no":
        before += "尾号"  # four digits right behind a waybill are the proof asked for
    for kind, value in readings(joined, upper[start:end], before, upper):
        if kind == "waybill_no" and upper[end : end + 4] in ("-1-1", "-1-2"):
            end += 5 if upper[end + 4 : end + 5] == "-" else 4
        return Number(kind, start, end, value)
    return None


def _known_opening(text: str) -> bool:
    return any(c.isdigit() for c in text) or PREFIX.fullmatch(text) is not None


def _spelt_prefix(texts: list[str]) -> bool:
    """A known prefix said letter by letter, digits behind: S F 1 0 2 9."""
    return (
        len(texts) > 2
        and PREFIX.fullmatch(texts[0] + texts[1]) is not None
        and len(texts[0]) == 1
        and not any(_letters(text) and not text.isdigit() for text in texts[2:])
    )
