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
from typing import Literal

Kind = Literal["waybill_no", "phone", "ticket_no"]

_CHUNK = re.compile(r"[A-Z0-9]+(?:\*+[A-Z0-9]+)?")
_GAP = re.compile(r" ?[ \-–—.·/] ?|\) ?|\(")
_MAX_CHUNKS = 14
_SPOKEN = str.maketrans("零〇一二三四五六七八九幺", "001234567891")
_SPOKEN_RUN = re.compile(r"[零〇一二三四五六七八九幺]{7,}")
_CONFUSED = str.maketrans("OQILS", "00115")

_TICKET = re.compile(r"CS\d{6}-?\d{4,}")
_S10 = re.compile(r"[A-Z]{2}\d{9}[A-Z]{2}")
_UPS = re.compile(r"1Z[A-Z0-9]{15,16}")
_LASERSHIP = re.compile(r"1LS[A-Z0-9]{12,16}")
_LETTERED = re.compile(r"(?!CS\d)[A-Z]{1,5}\d{8,22}(?:[A-Z]{0,2}|[A-Z]\d)")
_PREFIXED = re.compile(
    r"(SF|YT|JDV?|JJD|ZTO|STO|ZT|ST|YD|DB|EMS|UC|HT|CS|TBA|LP|LX|LT)([0-9OQIL]{8,20})"
)
_PREFIX = re.compile(
    r"SF|YT|JDV?|JJD|ZTO|STO|ZT|ST|YD|DB|EMS|UC|HT|CS|TBA|LP|LX|LT|1Z|[CRELUV][A-Z]"
)
# A number of full length: what follows it is something else.
_COMPLETE = re.compile(
    r"SF\d{12,13}|YT(?:\d{13}|\d{15,16})|JDV?[A-Z]?\d{13,15}|1Z[A-Z0-9]{16}|[A-Z]{2}\d{9}[A-Z]{2}"
    r"|1[3-9]\d{9}|\d{12,15}|CS\d{10,}"
)
_CN_MOBILE = re.compile(r"(?:\+?(?:00)?86)?1[3-9]\d{9}")
_CN_LINE = re.compile(r"0(?:10|2\d|[3-9]\d\d)\d{7,8}|400\d{7}|800\d{7}")
_INTERNATIONAL = re.compile(r"\+\d{8,15}")
_FOREIGN = re.compile(
    r"0[1-9]\d{8,9}"  # United Kingdom, Australia, Taiwan's and others' trunk zero
    r"|1?[2-9]\d{2}[2-9]\d{6}"  # North America
    r"|[6-9]\d{9}"  # India
)
_EIGHT = re.compile(r"[235689]\d{7}")  # Hong Kong, Singapore
_SEVEN = re.compile(r"\d{3}-\d{4}")
_SHORT_LINE = re.compile(r"95\d{3}|100\d{2}|123\d{2}|1183|11185")

_WAYBILL_CUE = re.compile(
    r"单号|运单|快递单|订单|面单|物流号|查件|包裹号|编号|件号|单子|WAYBILL|TRACK|PARCEL N|AWB|SHIPMENT"
    r"|ORDER|CONSIGNMENT|REF|PACKAGE N|NUMBER IS ON|POD",
)
_PHONE_CUE = re.compile(
    r"电话|手机|打给|拨|联系|热线|致电|来电|号码|座机|机主|本机|短信|WHATSAPP|微信|PHONE|CALL|MOBILE|CELL|TEXT"
    r"|TEL|DIAL|RING|RANG|HOTLINE|SMS|LINE|CONTACT|REACH|NUMBER"
)
_LAST_FOUR = re.compile(
    r"(?:尾号|尾数|[后末]四位|[后末]4位|[后末]四码|LAST (?:FOUR|4)(?: DIGITS?)?|ENDS?(?:ING)?(?: WITH| IN)?)"
    r"(?:是|为|号码|分别|原来|应该|的|OF (?:MY|THE) [A-Z ]{2,12}|MY|ARE|IS|[:： ,，])*$"
)
_OF_WAYBILL = re.compile(r"(?:单号|运单|WAYBILL|TRACKING|PARCEL|ORDER)[^,，。;]{0,14}$")


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
            number = _read(upper, chunks[index : last + 1])
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
    """Last chunks to try from ``first`` on: a whole number by itself, else the longest join first."""
    if not (any(c.isdigit() for c in chunks[first].text) or _PREFIX.fullmatch(chunks[first].text)):
        return
    if _COMPLETE.fullmatch(chunks[first].text):
        yield first
        return
    last = first
    while last + 1 < min(len(chunks), first + _MAX_CHUNKS):
        gap = upper[chunks[last].end : chunks[last + 1].start]
        following = chunks[last + 1].text
        if not _GAP.fullmatch(gap) or not _digits(following):
            break
        last += 1
        if last > first and gap.strip() in ("-", "") and _is_range(chunks[last - 1 : last + 1]):
            break
    yield from range(last, first - 1, -1)


def _is_range(pair: list[_Chunk]) -> bool:
    """3-5 or 15-16: two short numbers side by side are no number of ours."""
    return all(len(chunk.text) <= 2 for chunk in pair)


def _digits(chunk: str) -> bool:
    """Whether a chunk can continue a number: digits, some mistyped, at most two letters behind."""
    digits = sum(c.isdigit() for c in chunk)
    return digits >= 1 and re.fullmatch(r"[0-9OQIL]+[A-Z]{0,2}", chunk) is not None


def _read(upper: str, chunks: list[_Chunk]) -> Number | None:
    """The number these neighbouring chunks spell, if they spell one."""
    start, end = chunks[0].start, chunks[-1].end
    if (start and upper[start - 1] == "+") or (
        start and upper[start - 1] == "(" and ")" in upper[start:end]
    ):
        start -= 1
    joined = ("+" if upper[start] == "+" else "") + "".join(chunk.text for chunk in chunks)
    before, after = upper[max(0, start - 24) : start], upper[end : end + 8]
    for kind, value in _readings(joined, upper[start:end], before, after, upper):
        if kind == "waybill_no" and upper[end : end + 4] in ("-1-1", "-1-2"):
            end += 5 if upper[end + 4 : end + 5] == "-" else 4
        return Number(kind, start, end, value)
    return None


def _readings(
    joined: str, typed: str, before: str, after: str, whole: str
) -> Iterator[tuple[Kind, str]]:
    """What a joined number can be, most certain first."""
    if _TICKET.fullmatch(_repaired(joined, "CS")):
        yield "ticket_no", _repaired(joined, "CS")
    for pattern in (_S10, _UPS, _LASERSHIP):
        if pattern.fullmatch(joined):
            yield "waybill_no", joined
    prefixed = _PREFIXED.fullmatch(joined)
    if prefixed:
        yield "waybill_no", prefixed.group(1) + prefixed.group(2).translate(_CONFUSED)
    if _LETTERED.fullmatch(joined):
        yield "waybill_no", joined
    digits = joined if joined.isdigit() or joined[0] == "+" else _repaired(joined, "")
    if not digits.removeprefix("+").isdigit():
        return
    called = _nearest(_PHONE_CUE, before) > _nearest(_WAYBILL_CUE, before)
    named = _nearest(_WAYBILL_CUE, before) > _nearest(_PHONE_CUE, before)
    if _CN_MOBILE.fullmatch(digits) and not (named and len(digits) > 11):
        yield "phone", digits
    if _INTERNATIONAL.fullmatch(digits):
        yield "phone", digits
    if _CN_LINE.fullmatch(digits) and (not named or len(digits) < 12):
        yield "phone", digits
    if len(digits) <= 11 and _FOREIGN.fullmatch(digits) and not named:
        yield "phone", digits
    if 12 <= len(digits) <= 34 or (9 <= len(digits) <= 11 and not called):
        yield "waybill_no", digits
    if (
        _EIGHT.fullmatch(digits)
        and not named
        and (called or " " in typed or typed == whole.strip())
    ):
        yield "phone", digits
    if _SEVEN.fullmatch(typed) and not named:
        yield "phone", digits
    if len(digits) == 8 and named and not _looks_like_date(digits):
        yield "waybill_no", digits
    if len(digits) in (9, 10, 11):
        yield "phone", digits
    if len(digits) == 4 and typed == digits:
        asked = _LAST_FOUR.search(before) and not _OF_WAYBILL.search(before)
        if asked or whole.strip(" .。!！") == digits:
            yield "phone", digits


def _looks_like_date(digits: str) -> bool:
    return re.fullmatch(r"20[2-3]\d(?:0\d|1[0-2])[0-3]\d", digits) is not None


def _nearest(cue: re.Pattern[str], before: str) -> int:
    """Where the last cue ends, -1 without one."""
    return max((m.end() for m in cue.finditer(before)), default=-1)


def _repaired(joined: str, prefix: str) -> str:
    """Mistyped letters after ``prefix`` read as the digits they look like."""
    if not joined.startswith(prefix):
        return joined
    body = joined[len(prefix) :]
    if sum(c.isdigit() for c in body) * 4 < len(body) * 3:
        return joined
    return prefix + body.translate(_CONFUSED)
