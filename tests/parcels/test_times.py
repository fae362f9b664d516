"""Time phrases against the intervals they mean, said on Saturday 21 November 2026, 10:00."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from parcels.times import understand

SHANGHAI = ZoneInfo("Asia/Shanghai")
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=SHANGHAI)

PHRASES = {
    "明天下午三点": "11-22 15:00 / 11-22 16:00",
    "明天下午三点半": "11-22 15:30 / 11-22 16:30",
    "后天上午": "11-23 08:00 / 11-23 12:00",
    "大后天": "11-24 00:00 / 11-25 00:00",
    "next Tue after 6": "11-24 18:00 / 11-24 22:00",
    "周六": "11-21 00:00 / 11-22 00:00",
    "周一早上九点": "11-23 09:00 / 11-23 10:00",
    "下周六": "11-28 00:00 / 11-29 00:00",
    "上周五": "11-13 00:00 / 11-14 00:00",
    "今晚8点后": "11-21 20:00 / 11-21 22:00",
    "今晚 8 点前": "11-21 10:00 / 11-21 20:00",
    "12 月 3 号下午 3 点": "12-03 15:00 / 12-03 16:00",
    "in 2 hours": "11-21 12:00 / 11-21 13:00",
    "两小时内": "11-21 10:00 / 11-21 12:00",
    "半小时后": "11-21 10:30 / 11-21 11:30",
    "一个半小时后": "11-21 11:30 / 11-21 12:30",
    "三天后": "11-24 00:00 / 11-25 00:00",
    "下周三下午两点到四点": "11-25 14:00 / 11-25 16:00",
    "周四9-11点": "11-26 09:00 / 11-26 11:00",
    "明早九点": "11-22 09:00 / 11-22 10:00",
    "聽日下晝": "11-22 12:00 / 11-22 18:00",
    "聽晚七點後": "11-22 19:00 / 11-22 22:00",
    "明天5pm": "11-22 17:00 / 11-22 18:00",
    "月底": "11-26 00:00 / 12-01 00:00",
    "下个月五号": "12-05 00:00 / 12-06 00:00",
    "12月3号上午": "12-03 08:00 / 12-03 12:00",
    "31号": "12-31 00:00 / 01-01 00:00",
    "这周末": "11-21 00:00 / 11-23 00:00",
    "五点前": "11-21 08:00 / 11-21 17:00",
    "今天18点前": "11-21 10:00 / 11-21 18:00",
    "晚上七点到九点": "11-21 19:00 / 11-21 21:00",
    "晚上六點到九點": "11-21 18:00 / 11-21 21:00",
    "白天八点到五点": "11-21 08:00 / 11-21 17:00",
    "九点": "11-22 09:00 / 11-22 10:00",
    "明后两天": "11-22 00:00 / 11-24 00:00",
    "昨天14:32": "11-20 14:32 / 11-20 15:32",
    "tomorrow 3pm": "11-22 15:00 / 11-22 16:00",
    "tmr morning": "11-22 08:00 / 11-22 12:00",
    "after 6pm": "11-21 18:00 / 11-21 22:00",
    "between 2 and 4 tomorrow": "11-22 14:00 / 11-22 16:00",
    "tomorrow 9am to 11am": "11-22 09:00 / 11-22 11:00",
    "9-11am on Monday": "11-23 09:00 / 11-23 11:00",
    "half three": "11-21 15:30 / 11-21 16:30",
    "Friday by 5pm": "11-27 08:00 / 11-27 17:00",
    "the 15th": "12-15 00:00 / 12-16 00:00",
    "Dec 3rd, afternoon": "12-03 12:00 / 12-03 18:00",
    "3 December": "12-03 00:00 / 12-04 00:00",
    "end of the month": "11-26 00:00 / 12-01 00:00",
    "the day after tomorrow": "11-23 00:00 / 11-24 00:00",
    "this weekend": "11-21 00:00 / 11-23 00:00",
    "next week": "11-23 00:00 / 11-30 00:00",
    "tonight": "11-21 18:00 / 11-21 22:00",
    "2 days ago": "11-19 00:00 / 11-20 00:00",
    "元旦": "01-01 00:00 / 01-02 00:00",
    "后天下午两点": "11-23 14:00 / 11-23 15:00",
    "between one and three": "11-21 13:00 / 11-21 15:00",
    "from ten to one": "11-21 10:00 / 11-21 13:00",
    "2 in the afternoon": "11-21 14:00 / 11-21 15:00",
    "8 to 10": "11-22 08:00 / 11-22 10:00",
    "八点前": "11-22 00:00 / 11-22 08:00",
    "周五之前": "11-21 10:00 / 11-27 00:00",
    "25/11": "11-25 00:00 / 11-26 00:00",
    "周六日": "11-21 00:00 / 11-23 00:00",
    "下个月": "12-01 00:00 / 01-01 00:00",
    "last month": "10-01 00:00 / 11-01 00:00",
    "2026-12-05 14:30": "12-05 14:30 / 12-05 15:30",
}


def told(phrase: str, now: datetime = NOW, zone: ZoneInfo = SHANGHAI) -> str | None:
    found = understand(phrase, now, zone)
    return f"{found.start:%m-%d %H:%M} / {found.end:%m-%d %H:%M}" if found else None


@pytest.mark.parametrize(("phrase", "meant"), PHRASES.items())
def test_a_phrase_means_its_interval(phrase: str, meant: str) -> None:
    assert told(phrase) == meant


@pytest.mark.parametrize("phrase", ["", "随便", "whenever", "三天", "花瓶", "room 12"])
def test_what_tells_no_time_gives_none(phrase: str) -> None:
    assert understand(phrase, NOW, SHANGHAI) is None


def test_the_last_day_of_a_month_and_of_a_year_roll_over() -> None:
    assert (
        told("明天下午", datetime(2026, 11, 30, 9, tzinfo=SHANGHAI)) == "12-01 12:00 / 12-01 18:00"
    )
    assert (
        told("tomorrow", datetime(2026, 12, 31, 9, tzinfo=SHANGHAI)) == "01-01 00:00 / 01-02 00:00"
    )
    assert told("31号", datetime(2027, 2, 10, 9, tzinfo=SHANGHAI)) == "03-31 00:00 / 04-01 00:00"


def test_the_customers_zone_decides_what_tomorrow_is() -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=LONDON)  # Sunday morning in Shanghai
    assert told("tomorrow", late, LONDON) == "11-22 00:00 / 11-23 00:00"
    assert told("tomorrow", late, SHANGHAI) == "11-23 00:00 / 11-24 00:00"


def test_hours_are_counted_in_real_time_when_the_clocks_change() -> None:
    before = datetime(2026, 3, 28, 23, 30, tzinfo=LONDON)  # an hour is skipped at 01:00
    assert told("in 3 hours", before, LONDON) == "03-29 03:30 / 03-29 04:30"
    assert told("tomorrow 3pm", before, LONDON) == "03-29 15:00 / 03-29 16:00"


def test_a_wall_time_that_does_not_exist_moves_forward() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=LONDON)
    assert told("凌晨1点半", before, LONDON) == "03-29 02:30 / 03-29 03:30"


@pytest.mark.parametrize(
    ("phrase", "said", "meant"),
    [
        # Fridays, said on Friday 6 March.
        ("next Friday", "03-06 10:00", "03-13 00:00 / 03-14 00:00"),
        ("下周五", "03-06 10:00", "03-13 00:00 / 03-14 00:00"),
        ("Friday", "03-06 10:00", "03-06 00:00 / 03-07 00:00"),
        ("this Friday", "03-06 10:00", "03-06 00:00 / 03-07 00:00"),
        ("这周五", "03-06 10:00", "03-06 00:00 / 03-07 00:00"),
        ("周五", "03-06 23:59", "03-06 00:00 / 03-07 00:00"),
        ("周五", "03-07 00:00", "03-13 00:00 / 03-14 00:00"),
        ("周五上午", "03-06 09:00", "03-06 08:00 / 03-06 12:00"),
        ("周五上午", "03-06 15:00", "03-13 08:00 / 03-13 12:00"),
        ("Friday morning", "03-06 15:00", "03-13 08:00 / 03-13 12:00"),
        ("next Friday after 6", "03-06 19:00", "03-13 18:00 / 03-13 22:00"),
        ("next Monday", "03-01 10:00", "03-02 00:00 / 03-03 00:00"),
        ("下下周一", "03-01 10:00", "03-09 00:00 / 03-10 00:00"),
        # Around midnight.
        ("明天", "03-02 23:59", "03-03 00:00 / 03-04 00:00"),
        ("明天", "03-03 00:00", "03-04 00:00 / 03-05 00:00"),
        ("tomorrow", "03-02 23:59", "03-03 00:00 / 03-04 00:00"),
        ("今晚", "03-03 00:10", "03-03 18:00 / 03-03 22:00"),
        ("今晚12点", "03-02 22:00", "03-03 00:00 / 03-03 01:00"),
        ("今晚12点", "02-28 22:00", "03-01 00:00 / 03-01 01:00"),
        ("晚上11点到凌晨1点", "03-02 20:00", "03-02 23:00 / 03-03 01:00"),
        ("零点", "03-02 23:30", "03-03 00:00 / 03-03 01:00"),
        ("12am", "03-02 23:30", "03-03 00:00 / 03-03 01:00"),
        ("tomorrow 12pm", "03-02 23:30", "03-03 12:00 / 03-03 13:00"),
        ("midnight", "03-02 23:30", "03-03 00:00 / 03-03 01:00"),
        ("凌晨两点", "03-02 23:30", "03-03 02:00 / 03-03 03:00"),
        ("明天凌晨", "03-03 00:30", "03-04 00:00 / 03-04 06:00"),
        ("in 2 hours", "03-02 23:30", "03-03 01:30 / 03-03 02:30"),
        ("23点半", "03-02 23:00", "03-02 23:30 / 03-03 00:00"),
        # Ends of months and years.
        ("半小时后", "02-28 23:45", "03-01 00:15 / 03-01 01:15"),
        ("大后天", "02-26 10:00", "03-01 00:00 / 03-02 00:00"),
        ("in 3 days", "02-27 10:00", "03-02 00:00 / 03-03 00:00"),
        ("月底", "02-28 10:00", "02-24 00:00 / 03-01 00:00"),
        ("end of the month", "12-31 10:00", "12-27 00:00 / 01-01 00:00"),
        ("30号", "02-10 10:00", "03-30 00:00 / 03-31 00:00"),
        ("the 31st", "04-30 10:00", "05-31 00:00 / 06-01 00:00"),
        ("1号", "01-31 10:00", "02-01 00:00 / 02-02 00:00"),
        ("下个月", "01-31 10:00", "02-01 00:00 / 03-01 00:00"),
        ("下月初", "12-31 10:00", "01-01 00:00 / 01-06 00:00"),
        ("1月1日", "12-31 23:50", "01-01 00:00 / 01-02 00:00"),
        ("一周后", "12-28 10:00", "01-04 00:00 / 01-05 00:00"),
        ("周五", "12-31 10:00", "01-01 00:00 / 01-02 00:00"),
    ],
)
def test_at_the_edges_of_days_weeks_and_months(phrase: str, said: str, meant: str) -> None:
    now = datetime.strptime(f"2026-{said}", "%Y-%m-%d %H:%M").replace(tzinfo=SHANGHAI)
    assert told(phrase, now) == meant


@pytest.mark.parametrize(
    ("phrase", "year", "meant"),
    [
        ("明天", 2028, "02-29 00:00 / 03-01 00:00"),
        ("后天", 2028, "03-01 00:00 / 03-02 00:00"),
        ("后天", 2027, "03-02 00:00 / 03-03 00:00"),
        ("2月29日", 2028, "02-29 00:00 / 03-01 00:00"),
        ("2月29日", 2027, None),
    ],
)
def test_leap_years(phrase: str, year: int, meant: str | None) -> None:
    assert told(phrase, datetime(year, 2, 28, 10, tzinfo=SHANGHAI)) == meant


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("phrase", "said", "zone", "hours", "begins"),
    [
        # The clocks go on: 29 March in London, 8 March in New York.
        ("tomorrow", datetime(2026, 3, 28, 12), LONDON, 23, "2026-03-29T00:00:00+00:00"),
        ("tomorrow morning", datetime(2026, 3, 28, 12), LONDON, 4, "2026-03-29T08:00:00+01:00"),
        ("tomorrow 9am to 11am", datetime(2026, 3, 7, 12), NEW_YORK, 2,
         "2026-03-08T09:00:00-04:00"),
        ("tomorrow 2:30am", datetime(2026, 3, 7, 12), NEW_YORK, 1, "2026-03-08T03:30:00-04:00"),
        ("within 3 hours", datetime(2026, 3, 8, 1), NEW_YORK, 3, "2026-03-08T01:00:00-05:00"),
        # They go back: 25 October in London, 1 November in New York.
        ("tomorrow", datetime(2026, 10, 24, 12), LONDON, 25, "2026-10-25T00:00:00+01:00"),
        ("in 2 hours", datetime(2026, 10, 25, 0, 30), LONDON, 1, "2026-10-25T01:30:00+00:00"),
        ("Sunday", datetime(2026, 11, 1, 0, 30), NEW_YORK, 25, "2026-11-01T00:00:00-04:00"),
        ("周日下午3点", datetime(2026, 11, 1, 0, 30), NEW_YORK, 1, "2026-11-01T15:00:00-05:00"),
    ],
)  # fmt: skip
def test_where_the_clocks_change(
    phrase: str, said: datetime, zone: ZoneInfo, hours: int, begins: str
) -> None:
    found = understand(phrase, said.replace(tzinfo=zone), zone)
    assert found is not None
    assert found.start.isoformat() == begins
    assert (found.end.timestamp() - found.start.timestamp()) / 3600 == hours
