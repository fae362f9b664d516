"""Time phrases of customers as concrete intervals: 明天下午三点, 后天上午, next Tue after 6.

Why not a library: dateparser 1.5 reads 8 of 21 phrases of tests/parcels/test_times.py's first
list and gives points, not spans; jionlp 1.5 is good at Mandarin but takes 明早九点 for today,
ends 两点到四点 at four in the morning, knows no English, Traditional or mixed phrase, and costs a
second and 90 MB to import.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from parcels import time_words as words
from parcels.clock_times import Clock, read_clock

_N = r"(?:\d+(?:\.\d+)?|[零一二两三四五六七八九十]+|半|an?|half an?|a couple of|a few|[a-z]+)"
_UNIT = r"(个?半?小时|分钟|刻钟|天|周|minutes?|mins?|hours?|hrs?|days?|weeks?)"
_LATER = re.compile(rf"({_N}) ?个?{_UNIT}(半)? ?(以后|之后|后|later|from now)")
_IN = re.compile(rf"\b(?:in|after) ({_N}) {_UNIT}()(?:'s? time)?")
_WITHIN_ZH = re.compile(rf"({_N}) ?个?{_UNIT}(半)?(?:之内|以内|内)")
_WITHIN_EN = re.compile(rf"\b(?:within|in the next) ({_N}) {_UNIT}()")
_AGO = re.compile(rf"({_N}) ?个?{_UNIT}(半)? ?(?:以前|之前|前|ago)")
_ISO = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})")
_MONTH_DAY = re.compile(r"([\d一二三四五六七八九十]{1,3})月([\d一二三四五六七八九十]{1,3})[号日]?")
_SLASHED = re.compile(r"\b(\d{1,2})/(\d{1,2})\b")
_DAY_ONLY = re.compile(r"(下个?月)?([\d一二三四五六七八九十]{1,3})[号日](?!线|楼|门|柜|院|店|仓)")
_EN_MONTH = re.compile(
    r"\b(?:(\d{1,2})(?:st|nd|rd|th)?(?: of)? ([a-z]{3,9})"
    r"|([a-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?)\b"
)
_ORDINAL = re.compile(r"\b(?:the )?(\d{1,2})(?:st|nd|rd|th)\b")
_WEEKDAY_ZH = re.compile(r"(上+个?|下+个?|这个?|本)?(周[一二三四五六日天])")
_WEEKDAY_EN = re.compile(
    r"\b(?:(last|next|this|coming) )?("
    + "|".join(sorted(words.WEEKDAYS, key=len, reverse=True)[:21])
    + r")\b"
)
_WEEKEND = re.compile(r"(?:(上|下|这|本|next|last|this) ?个?)?(?:the )?(周末|weekend)")
_WEEK = re.compile(r"(上|下|这|本|next|last|this) ?个?(?:周|week)(?![一-日末\w])")
_MONTH_PART = re.compile(
    r"(下个?|这个?|本)?月(初|中|底|末)|(end|start|beginning) of (?:the|this|next) month"
)
_BEFORE_DAY = re.compile(r"之前|以前|(?<![以之])前(?!天)|\bbefore\b")
_MONTH = re.compile(r"(上个?|下个?|这个?|本|next |last |this )(?:月|month)")
_EARLIEST, _LATEST = time(8), time(22)  # when a courier comes, if the customer leaves it open


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``start`` to before ``end``, both aware, in the customer's zone."""

    start: datetime
    end: datetime


def understand(phrase: str, now: datetime, zone: ZoneInfo) -> Interval | None:
    """What a phrase means when said at ``now`` (aware) by a customer in ``zone``.

    A clock time is the hour that begins with it; "after six" lasts to 22:00, "before five" begins
    at 8:00 (or now); a day is the whole day. A bare weekday or date is the next one to come, with
    its hours (on a Friday evening 周五上午 is a week on), and so is a bare clock time; 下周二 and
    "next Tuesday" lie in the next week from Monday on. Local times that daylight saving skips move
    forward by the hour. None when no time is told.
    """
    text = words.fold(phrase)
    here = now.astimezone(zone)
    relative = _relative(text, now, zone)
    if relative:
        return relative
    days = _days(text, here.date())
    clock = read_clock(_without_dates(text) if days else text)
    if days is None and clock is None:
        return None
    if days is None:
        first = here.date()
        span = _on_day(first, clock, zone, None)
        if span.end <= now:
            span = _on_day(first + timedelta(days=1), clock, zone, None)
        return span
    first, last = days
    if clock is None and _BEFORE_DAY.search(text) and first > here.date():
        return Interval(here, _at(first, time(0), zone))
    if clock is None:
        return Interval(_at(first, time(0), zone), _at(last + timedelta(days=1), time(0), zone))
    today = now if first == here.date() else None
    span = _on_day(first, clock, zone, today)
    if span.end <= now and today and _bare_weekday(text):
        return _on_day(first + timedelta(weeks=1), clock, zone, None)
    return Interval(span.start, _on_day(last, clock, zone, today).end)


def _relative(text: str, now: datetime, zone: ZoneInfo) -> Interval | None:
    """两小时后, in 20 minutes, 三天前: hours counted in real time, days by the calendar."""
    for pattern in (_WITHIN_ZH, _WITHIN_EN):
        if match := pattern.search(text):
            within = _delta(match)
            if within:
                until = (now.astimezone(UTC) + within).astimezone(zone)
                return Interval(now.astimezone(zone), until)
    for pattern, sign in ((_LATER, 1), (_IN, 1), (_AGO, -1)):
        match = pattern.search(text)
        delta = _delta(match) if match else None
        if match is None or delta is None:
            continue
        if delta >= timedelta(days=1):
            day = (now.astimezone(zone) + sign * delta).date()
            clock = read_clock(text[: match.start()] + " " + text[match.end() :])
            if clock:
                return _on_day(day, clock, zone, None)
            return Interval(_at(day, time(0), zone), _at(day + timedelta(days=1), time(0), zone))
        start = (now.astimezone(UTC) + sign * delta).astimezone(zone)
        return Interval(start, (start.astimezone(UTC) + timedelta(hours=1)).astimezone(zone))
    return None


def _delta(match: re.Match[str]) -> timedelta | None:
    said = match.group(1).removesuffix(" of").removeprefix("a ") or "a"
    unit = match.group(2)
    half = 0.5 if match.group(3) == "半" or ("半小时" in unit and said != "半") else 0.0
    name = unit.replace("个", "").replace("半", "").rstrip("s")
    amount = 0.5 if said.startswith("half") else words.number(said)
    if unit.startswith(("个半", "半")) and said in ("半", ""):
        amount, half = 0.5, 0.0
    total = (amount + half) * words.UNITS[name]
    return total if total else None


def _days(text: str, today: date) -> tuple[date, date] | None:
    """First and last day that a folded phrase names."""
    text = text.replace("周六日", "周末")
    for read in (_calendar_date, _named_day, _week_or_month):
        found = read(text, today)
        if found:
            return found
    return None


def _calendar_date(text: str, today: date) -> tuple[date, date] | None:
    try:
        if match := _ISO.search(text):
            day = date(int(match[1]), int(match[2]), int(match[3]))
            return day, day
        if match := _MONTH_DAY.search(text):
            return _same(_coming(int(words.number(match[1])), int(words.number(match[2])), today))
        for match in _EN_MONTH.finditer(text):
            month = words.MONTHS.get(match[2] or match[3])
            if month:
                return _same(_coming(month, int(match[1] or match[4]), today))
        if match := _SLASHED.search(text):
            month, number = int(match[1]), int(match[2])
            return _same(_coming(*((number, month) if month > 12 else (month, number)), today))
        for feast, (month, number) in words.FEASTS.items():
            if feast in text and "chinese" not in text:
                return _same(_coming(month, number, today))
        if match := _DAY_ONLY.search(text):
            return _same(_day_of_month(int(words.number(match[2])), today, later=bool(match[1])))
        if match := _ORDINAL.search(text):
            return _same(_day_of_month(int(match[1]), today, later="next month" in text))
    except ValueError:
        return None
    return None


def _named_day(text: str, today: date) -> tuple[date, date] | None:
    if match := _WEEKDAY_ZH.search(text) or _WEEKDAY_EN.search(text):
        return _same(_weekday(match[1] or "", words.WEEKDAYS[match[2]], today))
    named = [name for name in words.DAYS if re.search(_bounded(name), text)]
    if "明后" in text:
        return today + timedelta(days=1), today + timedelta(days=2)
    if named:
        return _same(today + timedelta(days=words.DAYS[max(named, key=len)]))
    return None


def _week_or_month(text: str, today: date) -> tuple[date, date] | None:
    monday = today - timedelta(days=today.weekday())
    if match := _WEEKEND.search(text):
        saturday = monday + timedelta(days=5 + 7 * _weeks(match[1] or ""))
        return saturday, saturday + timedelta(days=1)
    if match := _WEEK.search(text):
        first = monday + timedelta(weeks=_weeks(match[1]))
        return first, first + timedelta(days=6)
    if match := _MONTH_PART.search(text):
        later = "下" in (match[1] or "") or "next" in match[0]
        first = _first_of_month(today, later)
        last = calendar.monthrange(first.year, first.month)[1]
        part = match[2] or {"end": "底"}.get(match[3], "初")
        bounds = {"初": (1, 5), "中": (11, 20)}.get(part, (last - 4, last))
        return first.replace(day=bounds[0]), first.replace(day=bounds[1])
    if match := _MONTH.search(text):
        first = _first_of_month(today, "下" in match[1] or "next" in match[1])
        if "上" in match[1] or "last" in match[1]:
            first = (first - timedelta(days=1)).replace(day=1)
        return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])
    return None


def _weekday(said: str, weekday: int, today: date) -> date:
    monday = today - timedelta(days=today.weekday())
    if said and said not in ("coming", "this"):
        return monday + timedelta(days=weekday, weeks=_weeks(said))
    return today + timedelta(days=(weekday - today.weekday()) % 7)


def _bare_weekday(text: str) -> bool:
    """周五, and neither 这周五 nor 今天."""
    match = _WEEKDAY_ZH.search(text) or _WEEKDAY_EN.search(text)
    return match is not None and not match[1]


def _weeks(said: str) -> int:
    """下下 is two weeks on, 上 or last one back."""
    return said.count("下") - said.count("上") + (said == "next") - (said == "last")


def _coming(month: int, day: int, today: date) -> date:
    """That date within the year ahead, or the last two months (people tell of those)."""
    this_year = date(today.year, month, day)
    if this_year < today - timedelta(days=60):
        return date(today.year + 1, month, day)
    return this_year


def _day_of_month(day: int, today: date, *, later: bool) -> date:
    """The next day with that number; months that lack it are passed over."""
    month = _first_of_month(today, later)
    for _ in range(3):
        if day <= calendar.monthrange(month.year, month.month)[1]:
            found = month.replace(day=day)
            if found >= today:
                return found
        month = _first_of_month(month, later=True)
    raise ValueError(f"no month has a day {day}")


def _first_of_month(day: date, later: bool) -> date:
    first = day.replace(day=1)
    return (first + timedelta(days=32)).replace(day=1) if later else first


def _same(day: date) -> tuple[date, date]:
    return day, day


def _bounded(name: str) -> str:
    return rf"\b{name}\b" if name.isascii() else name


def _without_dates(text: str) -> str:
    """The phrase without its dates, whose digits would be taken for hours."""
    for pattern in (_ISO, _MONTH_DAY, _SLASHED, _DAY_ONLY, _ORDINAL):
        text = pattern.sub(" ", text)
    for match in list(_EN_MONTH.finditer(text)):
        if words.MONTHS.get(match[2] or match[3]):
            text = text.replace(match[0], " ")
    return _WEEKDAY_ZH.sub(" ", text)


def _on_day(day: date, clock: Clock | None, zone: ZoneInfo, now: datetime | None) -> Interval:
    """The clock's span on a day; ``now`` bounds an open beginning when the day is today."""
    assert clock is not None
    day += timedelta(days=clock.midnight)
    open_start = _EARLIEST if clock.end is None or clock.end > _EARLIEST else time(0)
    start = _at(day, clock.start or open_start, zone)
    if clock.start is None and now is not None:
        start = max(start, now.astimezone(zone))
    until = clock.end or (
        _LATEST if clock.open_end and (clock.start or _EARLIEST) < _LATEST else None
    )
    end = _at(day, until, zone) if until else _at(day + timedelta(days=1), time(0), zone)
    if end <= start and until and until > (clock.start or time(0)):
        # An hour that daylight saving skips: its span begins where the clocks go on.
        end = (start.astimezone(UTC) + timedelta(hours=1)).astimezone(zone)
    elif end <= start:
        end = _at(day + timedelta(days=1), until or time(0), zone)
    return Interval(start, end)


def _at(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """That wall time; one that daylight saving skips becomes the same instant's real wall time."""
    return datetime.combine(day, wall, zone).astimezone(UTC).astimezone(zone)
