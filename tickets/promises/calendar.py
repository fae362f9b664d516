"""Working time: when somebody works, and how much of that lies between two instants.

Pure arithmetic on instants in UTC; wall clocks only say where windows begin and end. Time counts
as it passes: a night shift over the change to daylight saving is an hour shorter. Why no library:
docs/decisions/0005-working-time-is-our-own-arithmetic.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, RootModel, field_validator
from pydantic_core import CoreSchema, core_schema

from store.policies import Policy, load

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(\d\d):(\d\d) ?[-–] ?(\d\d):(\d\d)")
_DAY = timedelta(days=1)
NOTHING = timedelta()


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a day on the wall, written ``08:30-12:00``. One that ends when it begins or before
    (``22:00-07:00``) passes midnight and belongs to the day of its beginning; ``24:00`` is the
    day's end."""

    begin: time
    length: timedelta
    """From begin to end on a clock that is never changed."""

    @classmethod
    def read(cls, written: str) -> Window:
        """ValueError says what a window looks like."""
        match = _WINDOW.fullmatch(written.strip())
        begin, end = (_minutes(match, 1), _minutes(match, 3)) if match else (-1, -1)
        if not (0 <= begin < 1440 and 0 <= end <= 1440):
            raise ValueError(f"{written!r} is not a window such as 08:30-12:00 or 22:00-07:00")
        wall = time(begin // 60, begin % 60)
        return cls(wall, timedelta(minutes=end - begin + (1440 if end <= begin else 0)))

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls.read, core_schema.str_schema())


def _minutes(match: re.Match[str], group: int) -> int:
    hours, minutes = int(match[group]), int(match[group + 1])
    return hours * 60 + minutes if minutes < 60 else -1


def _days(name: str) -> Sequence[str]:
    first, _, last = name.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"{name!r} is not a day or a span of days of {', '.join(DAYS)}")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return DAYS[begin : end + 1] if begin <= end else (*DAYS[begin:], *DAYS[: end + 1])


def _known(name: str) -> str:
    _days(name)
    return name


class Hours(Policy):
    """A calendar as ``policies/calendars.yml`` writes it. ``week`` names days (``mon``) or spans
    of days (``mon-fri``); ``days`` are dates with other hours: none on a holiday."""

    zone: ZoneInfo | None = None
    week: dict[Annotated[str, AfterValidator(_known)], tuple[Window, ...]]
    days: dict[date, tuple[Window, ...]] = Field(default_factory=dict)

    @field_validator("week")
    @classmethod
    def _each_day_once(cls, week: dict[str, tuple[Window, ...]]) -> dict[str, tuple[Window, ...]]:
        named = [day for name in week for day in _days(name)]
        twice = sorted({day for day in named if named.count(day) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice")
        if not any(week.values()):
            raise ValueError("at least one day needs a window, else no time ever passes")
        return week


@dataclass(frozen=True, slots=True)
class Calendar:
    """When somebody works. ``week`` has the windows of Monday to Sunday, ``days`` those of dates
    that differ. Windows may overlap and pass midnight: time counts once."""

    zone: ZoneInfo
    week: tuple[tuple[Window, ...], ...]
    days: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, hours: Hours, zone: ZoneInfo) -> Calendar:
        """``zone`` is used where the calendar names none."""
        named = {day: windows for name, windows in hours.week.items() for day in _days(name)}
        week = tuple(named.get(day, ()) for day in DAYS)
        return cls(hours.zone or zone, week, hours.days)

    def is_open(self, at: datetime) -> bool:
        """Whether somebody works at this instant; the end of a window is not in it."""
        begin, end = next(self._spans(at))
        return begin <= at < end

    def add(self, start: datetime, working: timedelta) -> datetime:
        """The first instant at which ``working`` has passed since ``start``, in UTC.

        ``start`` itself for nothing (or less); the end of a window, not the beginning of the next.
        OverflowError if that lies beyond the year 9999.
        """
        if working <= NOTHING:
            return start.astimezone(UTC)
        left = working
        for begin, end in self._spans(start):
            begin = max(begin, start)
            if left <= end - begin:
                return begin + left
            left -= end - begin
        raise AssertionError("a calendar is open some day")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Working time from ``start`` to ``end``; nothing if ``end`` is not later."""
        total = NOTHING
        if end <= start:
            return total
        for begin, until in self._spans(start):
            if begin >= end:
                break
            total += min(until, end) - max(begin, start)
        return total

    def _spans(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open times that end after ``since``, in order and apart from each other, in UTC."""
        # A window may begin as late as a day before and last a day.
        first = since.astimezone(self.zone).date() - 2 * _DAY
        held: tuple[datetime, datetime] | None = None
        for number in count():
            for begin, end in self._windows(first + number * _DAY):
                if held is None or begin > held[1]:
                    if held is not None and held[1] > since:
                        yield held
                    held = (begin, end)
                else:
                    held = (held[0], max(held[1], end))
                if held[1] - held[0] > 3 * _DAY and held[1] > since:
                    # Open day and night: handed out in pieces, or it would never end.
                    yield held
                    held = (held[1], held[1])

    def _windows(self, day: date) -> list[tuple[datetime, datetime]]:
        """A day's windows in UTC. A wall time that is skipped counts as the one an hour later, of
        one that comes twice the first."""
        windows = self.days.get(day, self.week[day.weekday()])
        return sorted(self._window(datetime.combine(day, w.begin), w.length) for w in windows)

    def _window(self, begin: datetime, length: timedelta) -> tuple[datetime, datetime]:
        first, last = (
            wall.replace(tzinfo=self.zone).astimezone(UTC) for wall in (begin, begin + length)
        )
        # One that begins in a skipped hour and ends just after it has no time left.
        return first, max(first, last)


class _Calendars(RootModel[dict[str, Hours]]):
    """``policies/calendars.yml``."""


def from_folder(folder: Path, zone: ZoneInfo) -> dict[str, Calendar]:
    """The company's calendars by name. PolicyError names file, line and fault."""
    hours = load(folder / "calendars.yml", _Calendars).root
    return {name: Calendar.of(of, zone) for name, of in hours.items()}
