"""Opening hours in the notation of OpenStreetMap's ``opening_hours``, the part that shops need.

``Mo-Fr 08:30-12:00,13:00-20:00; Sa 09:00-17:00; Su off; PH off; 2026 Oct 01-03 10:00-16:00`` or
``24/7``. A later rule replaces an earlier one for its days; ``PH`` are the public holidays that
the policy lists; a span that ends before it begins lasts over midnight.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = "|".join(_DAYS)
_RULE = re.compile(
    rf"(?P<days>(?:(?:{_DAY}|PH)(?:-(?:{_DAY}))?,?)+ )?"
    rf"(?:(?P<year>\d{{4}}) (?P<month>{'|'.join(_MONTHS)}) (?P<first>\d\d?)(?:-(?P<last>\d\d?))? )?"
    r"(?P<times>off|24/7|\d\d?:\d\d-\d\d:\d\d(?:,\d\d?:\d\d-\d\d:\d\d)*)"
)
_MIDNIGHT = time(0)
LOOK_AHEAD = 14
"""Days within which the next opening is looked for."""

Span = tuple[time, time]
"""From, to; 00:00 at the end is midnight, and an end before the begin is the next day's."""


@dataclass(frozen=True, slots=True)
class State:
    """Whether it is open, and until or from when that changes; None: not within two weeks."""

    open: bool
    changes_at: datetime | None


@dataclass(frozen=True, slots=True)
class Hours:
    """Spans by weekday (Monday first), for public holidays (None: as usual), and for dates."""

    week: tuple[tuple[Span, ...], ...]
    holiday: tuple[Span, ...] | None
    dates: tuple[tuple[date, tuple[Span, ...]], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError names the rule that cannot be read."""
        week: list[tuple[Span, ...]] = [()] * 7
        holiday: tuple[Span, ...] | None = None
        dates: dict[date, tuple[Span, ...]] = {}
        for rule in filter(None, (part.strip() for part in text.split(";"))):
            match = _RULE.fullmatch(rule)
            if match is None:
                raise ValueError(f"opening hours: {rule!r} cannot be read")
            spans = _spans(match["times"], rule)
            if match["year"]:
                dates |= dict.fromkeys(_dates(match), spans)
                continue
            names = (match["days"] or "Mo-Su").strip(" ,").split(",")
            holiday = spans if "PH" in names else holiday
            for name in names:
                for day in _weekdays(name):
                    week[day] = spans
        return cls(tuple(week), holiday, tuple(dates.items()))

    def on(self, day: date, holidays: Container[date]) -> tuple[Span, ...]:
        """The spans that begin on a day."""
        special = dict(self.dates)
        if day in special:
            return special[day]
        if day in holidays and self.holiday is not None:
            return self.holiday
        return self.week[day.weekday()]

    def at(self, now: datetime, zone: ZoneInfo, holidays: Container[date]) -> State:
        """Open or not at an instant, and until when; an opening without a pause is one."""
        today = now.astimezone(zone).date()
        spans = sorted(
            _instants(today + timedelta(days=ahead), span, zone)
            for ahead in range(-1, LOOK_AHEAD)
            for span in self.on(today + timedelta(days=ahead), holidays)
        )
        until: datetime | None = None
        for begin, end in spans:
            if begin <= (until or now) < end:
                until = end
        if until is not None:
            forever = until >= now + timedelta(days=LOOK_AHEAD - 2)
            return State(True, None if forever else until)
        return State(False, next((begin for begin, _ in spans if begin > now), None))


def _instants(day: date, span: Span, zone: ZoneInfo) -> tuple[datetime, datetime]:
    begin, end = span
    last = day if end > begin else day + timedelta(days=1)
    return datetime.combine(day, begin, zone), datetime.combine(last, end, zone)


def _spans(times: str, rule: str) -> tuple[Span, ...]:
    if times == "off":
        return ()
    if times == "24/7":
        return ((_MIDNIGHT, _MIDNIGHT),)
    return tuple(
        (_time(begin, rule), _time(end, rule))
        for begin, _, end in (span.partition("-") for span in times.split(","))
    )


def _time(text: str, rule: str) -> time:
    hour, _, minute = text.partition(":")
    if int(hour) > 24 or int(minute) > 59 or (int(hour) == 24 and int(minute)):
        raise ValueError(f"opening hours: {rule!r} has no such time as {text}")
    return time(int(hour) % 24, int(minute))


def _weekdays(name: str) -> range | list[int]:
    first, _, last = name.partition("-")
    if first == "PH":
        return []
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]


def _dates(match: re.Match[str]) -> list[date]:
    year, month = int(match["year"]), _MONTHS.index(match["month"]) + 1
    first, last = int(match["first"]), int(match["last"] or match["first"])
    return [date(year, month, day) for day in range(first, last + 1)]
