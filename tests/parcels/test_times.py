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
