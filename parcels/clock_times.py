"""Clock times and parts of the day in a folded phrase: 下午三点半, 9-11点, after 6, half past."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time

from parcels import time_words as words

_ZH_N = r"\d{1,2}|[零一二两三四五六七八九十]{1,3}"
_ZH_CLOCK = rf"({_ZH_N})(?:点钟?|时)(?:(半)|(一刻|三刻)|({_ZH_N})分?)?"
_COLON = r"(\d{1,2})[:.](\d{2}) ?(am|pm|a\.m\.?|p\.m\.?)?"
_AMPM = r"(\d{1,2}) ?(am|pm|a\.m\.?|p\.m\.?)"
_POINT = re.compile(
    rf"(?P<zh>{_ZH_CLOCK})|(?P<colon>{_COLON})|(?P<ampm>{_AMPM})"
    r"|half (?:past )?(?P<half>\d{1,2}|[a-z]+)"
    r"|quarter (?P<side>past|to) (?P<quarter>\d{1,2}|[a-z]+)"
    r"|(?P<oclock>\d{1,2}|[a-z]+) ?o'?clock"
    r"|(?:\b(?:after|before|by|until|till|around|about|at|from|between|past) )"
    r"(?P<bare>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"
    r"(?! ?(?:days?|hours?|min|weeks?|th\b|st\b|nd\b|rd\b))"
    r"|\b(?P<told>\d{1,2})(?= (?:in the|at) (?:morning|afternoon|evening|night))"
)
_EN_N = r"\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_RANGE_HEAD = re.compile(
    rf"(?P<h>{_ZH_N}) ?(?:-|~|–|—|到|至)(?= ?(?:下午|晚上|中午)?(?:{_ZH_N})(?:点|时))"
    rf"|(?:^|(?<=between )|(?<=from )|(?<= )|(?<=,))(?P<e>{_EN_N})"
    r" ?(?:-|~|–|\bto\b|\band\b|\btill\b|\buntil\b) ?"
    rf"(?=(?P<tail>{_EN_N}) ?(?P<half>am|pm)?(?:\b|$)(?! ?(?:days?|hours?|weeks?|min)))"
)
_AFTER = re.compile(
    r"以后|之后|过后|后(?!天)|\bafter\b|\bpast\b|\bfrom\b|\bonwards?\b|\bsince\b|过了"
)
_BEFORE = re.compile(
    r"以前|之前|(?<!以)前(?!天)|\bbefore\b|\bby\b|\buntil\b|\btill\b|no later than"
)
_TO = re.compile(r"到|至|-|~|–|—|\bto\b|\band\b|\btill\b|\buntil\b")


@dataclass(frozen=True, slots=True)
class Clock:
    """A span within a day.

    ``start`` None: open beginning. ``end`` None: to midnight, with ``open_end`` to the last round.
    ``midnight``: it begins with the day's end (今晚12点).
    """

    start: time | None
    end: time | None
    open_end: bool = False
    midnight: bool = False


@dataclass(frozen=True, slots=True)
class _Point:
    hour: int
    minute: int
    sure: bool  # am, pm or a 24-hour time was told
    start: int
    end: int


def read_clock(text: str) -> Clock | None:
    """The clock span of a folded phrase, None when it tells no time of the day."""
    part = _part(text)
    points = _points(text, part)
    if not points:
        return _part_span(text, part) if part else None
    first = points[0]
    if len(points) > 1 and _TO.search(text[first.end : points[1].start] or " "):
        return Clock(_time(first), _time(points[1]))
    if _RANGE_HEAD.search(text) and len(points) > 1:
        return Clock(_time(first), _time(points[1]))
    before, after = text[: first.start], text[first.end : first.end + 10]
    if _AFTER.match(after.strip()) or _AFTER.search(before[-12:]):
        return Clock(_time(first), None, open_end=True)
    if _BEFORE.match(after.strip()) or _BEFORE.search(before[-12:]):
        return Clock(None, _time(first))
    return Clock(_time(first), _an_hour_on(first), midnight=first.hour == 24)


def _part(text: str) -> str | None:
    found = [p for p in words.PARTS if (re.search(rf"\b{p}\b", text) if p.isascii() else p in text)]
    return max(found, key=len) if found else None


def _part_of(point: _Point, text: str, part: str | None) -> str | None:
    """The part of the day told last before a clock time: 晚上11点到凌晨1点 tells two."""
    before = text[: point.start]
    ends = {p: before.rfind(p) + len(p) for p in words.PARTS if not p.isascii() and p in before}
    return max(ends, key=lambda p: (ends[p], len(p)), default=part)


def _part_span(text: str, part: str) -> Clock:
    start, end = words.PARTS[part]
    rest = text[text.index(part) + len(part) :].strip()
    if _BEFORE.match(rest) or re.search(rf"\b(?:before|by) (?:the )?{part}", text):
        return Clock(None, start)
    if _AFTER.match(rest) or re.search(rf"\bafter {part}", text):
        return Clock(end, None, open_end=True) if end else Clock(start, None)
    return Clock(start, end)


def _points(text: str, part: str | None) -> list[_Point]:
    """Every clock time told, with morning or afternoon settled."""
    raw = [_point(match) for match in _POINT.finditer(text)]
    points = [p for p in raw if p is not None]
    head = _RANGE_HEAD.search(text)
    if head and len(points) < 2 and (not points or head.start() <= points[0].start + 1):
        points = _range(head, points)
    settled = [_settle(p, _part_of(p, text, part)) for p in points]
    if len(settled) > 1:
        first, second = settled[:2]
        if points[1].sure and not points[0].sure:
            evening = points[0].hour + 12
            fits = points[0].hour < 12 and evening <= second.hour
            first = _Point(
                evening if fits else points[0].hour, first.minute, True, first.start, first.end
            )
        elif second.hour <= first.hour and points[1].hour + 12 > first.hour and points[1].hour < 12:
            second = _Point(points[1].hour + 12, second.minute, True, second.start, second.end)
        settled = [first, second]
    return [p for p in settled if p.hour <= 24 and p.minute < 60]


def _range(head: re.Match[str], points: list[_Point]) -> list[_Point]:
    """Both ends of 9-11点 and of "between two and 4pm", of which the plain pattern sees one."""
    first = int(words.number(head["h"] or head["e"]))
    if head["h"]:
        tail = points[0] if points else None
    else:
        hour, half = int(words.number(head["tail"])), head["half"]
        tail = _of_half(hour, 0, half, head.end(), head.end("tail"), sure=False)
    if tail is None or not 0 < first <= 24:
        return points
    return [_Point(first, 0, False, head.start(), head.end() - 1), tail]


def _point(match: re.Match[str]) -> _Point | None:
    start, end = match.span()
    if match["zh"]:
        hour, half, quarter, minute = match.group(2, 3, 4, 5)
        minutes = 30 if half else {"一刻": 15, "三刻": 45}.get(quarter or "", 0)
        return _Point(
            int(words.number(hour)), minutes or int(words.number(minute or "0")), False, start, end
        )
    if match["colon"]:
        hour, minute, half = match.group(7, 8, 9)
        return _of_half(int(hour), int(minute), half, start, end, sure=len(hour) == 2)
    if match["ampm"]:
        return _of_half(int(match.group(11)), 0, match.group(12), start, end)
    if match["half"]:
        return _spoken(match["half"], 30, start, end)
    if match["quarter"]:
        point = _spoken(match["quarter"], 15, start, end)
        if point and match["side"] == "to":
            return _Point(point.hour - 1, 45, False, start, end)
        return point
    if match["bare"]:
        return _spoken(match["bare"], 0, match.start("bare"), end)
    return _spoken(match["oclock"] or match["told"], 0, start, end)


def _of_half(
    hour: int, minute: int, half: str | None, start: int, end: int, *, sure: bool = True
) -> _Point:
    if half and half.startswith("p") and hour < 12:
        hour += 12
    elif half and half.startswith("a") and hour == 12:
        hour = 0
    return _Point(hour, minute, bool(half) or sure or hour > 12, start, end)


def _spoken(said: str, minute: int, start: int, end: int) -> _Point | None:
    hour = int(words.number(said))
    return _Point(hour, minute, hour > 12, start, end) if 0 < hour <= 24 else None


def _settle(point: _Point, part: str | None) -> _Point:
    """Three o'clock is 15:00 unless a morning was told: couriers come between 8 and 22."""
    hour = point.hour
    if not point.sure and hour <= 12:
        if part in words.PM_PARTS:
            hour = (
                24 if hour == 12 and part in ("晚上", "晚", "night", "tonight") else hour % 12 + 12
            )
        elif part in ("中午", "noon", "midday") and hour < 4:
            hour += 12
        elif part == "半夜" and hour == 12:
            hour = 0
        elif part not in words.AM_PARTS and part != "半夜" and 1 <= hour <= 7:
            hour += 12
    return _Point(hour, point.minute, point.sure, point.start, point.end)


def _time(point: _Point) -> time:
    return time(point.hour % 24, point.minute)


def _an_hour_on(point: _Point) -> time | None:
    return time(point.hour % 24 + 1, point.minute) if point.hour != 23 else None
