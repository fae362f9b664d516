"""Working time: windows, nights, holidays, zones and daylight saving, by example and by law."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from store.errors import PolicyError
from store.policies import load
from tickets.promises.calendar import Calendar, Hours, Window

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def calendar(wall: ZoneInfo = SHANGHAI, **more: object) -> Calendar:
    hours = {"week": {"mon-fri": ["08:30-12:00", "13:00-18:00"]}} | more
    return Calendar.of(Hours.model_validate(hours), wall)


def on(day: int, clock: str, zone: ZoneInfo = SHANGHAI, month: int = 3) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, month, day, hour, minute, tzinfo=zone)


def test_a_lunch_and_a_weekend_do_not_count() -> None:
    office = calendar()
    assert office.add(on(6, "11:30"), HOUR) == on(6, "13:30")  # a Friday
    assert office.add(on(6, "17:30"), HOUR) == on(9, "09:00")
    assert office.between(on(6, "11:30"), on(9, "09:00")) == 6 * HOUR
    assert office.between(on(9, "09:00"), on(6, "11:30")) == timedelta()


def test_what_ends_with_the_day_is_due_this_evening_and_not_next_morning() -> None:
    assert calendar().add(on(6, "17:00"), HOUR) == on(6, "18:00")
    assert calendar().add(on(7, "17:00"), timedelta()) == on(7, "17:00")


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("08:29", False), ("08:30", True), ("11:59", True), ("12:00", False), ("18:00", False)],
)
def test_the_end_of_a_window_is_not_in_it(clock: str, expected: bool) -> None:
    assert calendar().is_open(on(6, clock)) is expected


def test_a_night_shift_belongs_to_the_evening_it_begins() -> None:
    night = calendar(week={"fri": ["22:00-07:00"]})
    assert night.is_open(on(7, "06:59"))  # Saturday morning
    assert not night.is_open(on(6, "06:59"))
    assert night.add(on(6, "23:00"), 8 * HOUR) == on(7, "07:00")
    assert night.add(on(6, "23:00"), 9 * HOUR) == on(13, "23:00")


def test_overlapping_shifts_count_once() -> None:
    both = calendar(week={"mon-sun": ["22:00-07:00", "06:00-14:00"]})
    assert both.between(on(6, "22:00"), on(7, "22:00")) == 16 * HOUR


def test_day_and_night_without_end() -> None:
    always = calendar(week={"mon-sun": ["00:00-24:00"]})
    assert always.add(on(6, "23:30"), 500 * HOUR) == on(6, "23:30") + 500 * HOUR
    assert always.between(on(6, "23:30"), on(26, "23:30")) == 480 * HOUR


def test_holidays_are_closed_and_a_made_up_saturday_is_open() -> None:
    feast = calendar(days={"2026-03-06": [], "2026-03-07": ["09:00-12:00"]})
    assert not feast.is_open(on(6, "10:00"))
    assert feast.add(on(5, "17:00"), 2 * HOUR) == on(7, "10:00")


def test_a_holiday_does_not_end_the_night_shift_of_the_evening_before() -> None:
    night = calendar(week={"mon-sun": ["22:00-07:00"]}, days={"2026-03-06": []})
    assert night.is_open(on(6, "06:00"))
    assert not night.is_open(on(6, "23:00"))
    assert not night.is_open(on(7, "06:00"))


def test_each_calendar_has_its_own_wall_clock() -> None:
    berlin = calendar(zone="Europe/Berlin")
    assert not berlin.is_open(on(6, "11:00"))
    assert berlin.is_open(on(6, "16:00"))


def test_a_night_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    night = calendar(BERLIN, week={"mon-sun": ["22:00-07:00"]})
    spring, autumn = on(28, "12:00", BERLIN), on(24, "12:00", BERLIN, month=10)
    assert night.between(spring, spring + timedelta(days=1)) == 8 * HOUR
    assert night.between(autumn, autumn + timedelta(days=1)) == 10 * HOUR


def test_a_window_inside_the_hour_that_is_skipped_or_comes_twice() -> None:
    early = calendar(BERLIN, week={"mon-sun": ["02:15-02:45", "02:50-03:10"]})
    spring, autumn = on(29, "00:00", BERLIN), on(25, "00:00", BERLIN, month=10)
    assert early.between(spring, spring + timedelta(hours=12)) == 30 * MINUTE
    assert early.between(autumn, autumn + timedelta(hours=12)) == 110 * MINUTE


CLOCKS = st.builds(lambda m: f"{m // 60:02}:{m % 60:02}", st.integers(0, 1439))
WINDOWS = st.lists(st.builds("{}-{}".format, CLOCKS, CLOCKS), max_size=3)
ZONES = st.sampled_from(
    ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe")
)
# Around both changes of daylight saving, the ends of months and a leap day.
INSTANTS = st.datetimes(datetime(2016, 1, 30), datetime(2028, 3, 2)).map(
    lambda at: at.replace(tzinfo=UTC)
)
DATES = st.dates(date(2016, 1, 30), date(2028, 3, 2))
SPANS = st.timedeltas(timedelta(), timedelta(days=40))
WORK = st.timedeltas(timedelta(microseconds=1), timedelta(hours=60))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    days = [draw(WINDOWS) for _ in range(7)]
    assume(any(days))
    hours = {
        "zone": draw(ZONES),
        "week": dict(zip(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), days, strict=True)),
        "days": draw(st.dictionaries(DATES, WINDOWS, max_size=4)),
    }
    return Calendar.of(Hours.model_validate(hours), SHANGHAI)


@given(calendars(), INSTANTS, WORK)
@example(calendar(BERLIN, week={"sun": ["02:15-02:45"]}), on(28, "23:00", BERLIN), HOUR)
@example(calendar(week={"mon-sun": ["00:00-24:00"]}), on(31, "23:59"), 60 * HOUR)
def test_what_was_added_lies_between_and_no_sooner(
    hours: Calendar, start: datetime, working: timedelta
) -> None:
    until = hours.add(start, working)
    assert hours.between(start, until) == working
    assert hours.between(start, until - timedelta(microseconds=1)) < working


@given(calendars(), INSTANTS, SPANS, SPANS)
def test_time_between_adds_up_and_is_never_more_than_the_clock(
    hours: Calendar, start: datetime, one: timedelta, two: timedelta
) -> None:
    middle, end = start + one, start + one + two
    first, second = hours.between(start, middle), hours.between(middle, end)
    assert first + second == hours.between(start, end)
    assert timedelta() <= first <= one


@given(calendars(), INSTANTS, SPANS, WORK, WORK)
def test_adding_is_monotone_and_may_be_done_in_two_steps(
    hours: Calendar, start: datetime, later: timedelta, one: timedelta, two: timedelta
) -> None:
    assert hours.add(start, one) <= hours.add(start + later, one)
    assert hours.add(start, one) < hours.add(start, one + two)
    assert hours.add(hours.add(start, one), two) == hours.add(start, one + two)


@given(calendars(), INSTANTS)
def test_time_passes_exactly_while_somebody_works(hours: Calendar, at: datetime) -> None:
    moment = timedelta(microseconds=1)
    assert hours.between(at, at + moment) == (moment if hours.is_open(at) else timedelta())


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("week: {mon: ['8:30-12:00']}", "line 1, week.mon.0: .*not a window such as 08:30-12:00"),
        ("week: {mon: ['08:30-25:00']}", "not a window"),
        ("week: {mon: ['08:61-12:00']}", "not a window"),
        ("zone: Mars/Base\nweek: {mon: ['08:00-12:00']}", "line 1, zone"),
        ("week:\n  mon: []", "at least one day needs a window"),
        (
            "week:\n  monday: ['08:00-12:00']",
            "line 2, week.monday.* mon, tue, wed, thu, fri, sat, sun",
        ),
        ("week: {mon-wed: ['08:00-12:00'], tue: []}", "tue is named twice"),
        ("week: {mon: ['08:00-12:00']}\ndays:\n  2026-02-30: []", "line 3: day is out of range"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, written: str, complaint: str) -> None:
    file = tmp_path / "calendars.yml"
    file.write_text(written)
    with pytest.raises(PolicyError, match=complaint):
        load(file, Hours)


def test_a_window_may_end_with_the_day() -> None:
    assert Window.read("18:00-24:00").length == 6 * HOUR
