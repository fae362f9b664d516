"""The words for days, parts of the day and clock times, Chinese and English, and their meaning.

Only tables and the reading of numbers; how they combine is in times.py.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import time, timedelta

# Only characters that occur in time phrases; features for understanding are folded elsewhere.
_APART = re.compile(r"(?<=[\u4e00-\u9fff]) (?=\d)|(?<=\d) (?=[\u4e00-\u9fff])")
_FOLD = str.maketrans(
    "點後週號兩個鐘禮時間這內過開節聽尋復晝邊幾淩卅",
    "点后周号两个钟礼时间这内过开节听寻复昼边几凌卅",
)
_PHRASES = {
    "听日": "明天", "听晚": "明晚", "听早": "明早", "今日": "今天", "明日": "明天", "后日": "后天",
    "寻日": "昨天", "琴日": "昨天", "昨日": "昨天", "前日": "前天", "明儿": "明天", "今儿": "今天",
    "后儿": "后天", "昨儿": "昨天", "明个": "明天", "下昼": "下午", "上昼": "上午", "朝早": "早上",
    "晏昼": "中午", "晚黑": "晚上", "夜晚": "晚上", "礼拜": "周", "星期": "周", "钟头": "小时",
    "双休日": "周末", "明晨": "明早", "今早": "今天早上", "今晨": "今天早上", "今晚": "今天晚上",
    "明早": "明天早上", "明晚": "明天晚上", "后晚": "后天晚上", "昨晚": "昨天晚上", "当天": "今天",
}  # fmt: skip

_ZH_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_EN_NUMBERS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"a": 1, "an": 1, "couple": 2, "few": 3, "thirty": 30, "forty": 40, "fifty": 50, "half": 0.5}

# A part of the day: from, to (24:00 is written as None).
PARTS: dict[str, tuple[time, time | None]] = {
    "凌晨": (time(0), time(6)), "清晨": (time(6), time(9)), "清早": (time(6), time(9)),
    "一早": (time(7), time(9)), "大早": (time(7), time(9)), "早上": (time(7), time(10)),
    "早晨": (time(7), time(10)), "上午": (time(8), time(12)), "中午": (time(11, 30), time(13, 30)),
    "正午": (time(12), time(13)), "午后": (time(12), time(15)), "下午": (time(12), time(18)),
    "傍晚": (time(17), time(19)), "晚上": (time(18), time(22)), "夜里": (time(20), None),
    "夜间": (time(20), None), "半夜": (time(0), time(5)), "白天": (time(8), time(18)),
    "下班": (time(18), time(21)), "早": (time(7), time(10)), "晚": (time(18), time(22)),
    "first thing": (time(8), time(10)), "mid morning": (time(10), time(11)),
    "morning": (time(8), time(12)), "noon": (time(12), time(13)), "midday": (time(12), time(13)),
    "lunchtime": (time(12), time(14)), "lunch": (time(12), time(14)),
    "afternoon": (time(12), time(18)), "arvo": (time(12), time(18)),
    "evening": (time(18), time(22)), "tonight": (time(18), time(22)), "night": (time(18), time(22)),
    "midnight": (time(0), time(1)), "after work": (time(18), time(21)),
    "daytime": (time(8), time(18)),
    "end of day": (time(16), time(18)), "eod": (time(16), time(18)), "dawn": (time(5), time(7)),
}  # fmt: skip
PM_PARTS = frozenset(
    [
        "下午",
        "傍晚",
        "晚上",
        "晚",
        "夜里",
        "夜间",
        "午后",
        "下班",
        "afternoon",
        "arvo",
        "evening",
        "tonight",
        "night",
    ]
) | {"after work"}
AM_PARTS = frozenset(
    ["凌晨", "清晨", "清早", "一早", "大早", "早上", "早晨", "上午", "早", "morning", "dawn"]
) | {
    "first thing",
    "mid morning",
}

DAYS = {
    "大前天": -3, "前天": -2, "昨天": -1, "今天": 0, "大后天": 3, "明天": 1, "后天": 2,
    "the day before yesterday": -2, "yesterday": -1, "today": 0, "tonight": 0,
    "the day after tomorrow": 2, "day after tomorrow": 2, "overmorrow": 2, "tomorrow": 1,
    "tmrw": 1, "tmr": 1, "tmw": 1, "2moro": 1, "2morrow": 1, "tomoro": 1, "tomorow": 1,
    "this morning": 0, "this afternoon": 0, "this evening": 0, "last night": -1,
}  # fmt: skip
WEEKDAYS = {
    **{f"周{c}": i for i, c in enumerate("一二三四五六日")}, "周天": 6,
    "monday": 0, "tuesday": 1, "wednesday": 2, "thursday": 3, "friday": 4, "saturday": 5,
    "sunday": 6, "mon": 0, "tues": 1, "tue": 1, "weds": 2, "wed": 2, "thurs": 3, "thur": 3,
    "thu": 3, "fri": 4, "sat": 5, "sun": 6,
}  # fmt: skip
MONTHS = {
    name: month
    for month, names in enumerate(
        [
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ],
        start=1,
    )
    for name in names.split()
}
# Feasts on the same date every year: month, day.
FEASTS = {
    "元旦": (1, 1), "情人节": (2, 14), "妇女节": (3, 8), "五一": (5, 1), "劳动节": (5, 1),
    "六一": (6, 1), "儿童节": (6, 1), "国庆": (10, 1), "双十一": (11, 11), "双十二": (12, 12),
    "平安夜": (12, 24), "圣诞": (12, 25), "christmas eve": (12, 24), "christmas": (12, 25),
    "xmas": (12, 25), "new year's eve": (12, 31), "new year": (1, 1), "boxing day": (12, 26),
    "halloween": (10, 31), "valentine's": (2, 14),
}  # fmt: skip
UNITS = {
    "分钟": timedelta(minutes=1), "刻钟": timedelta(minutes=15), "小时": timedelta(hours=1),
    "天": timedelta(days=1), "周": timedelta(weeks=1), "minute": timedelta(minutes=1),
    "min": timedelta(minutes=1), "hour": timedelta(hours=1), "hr": timedelta(hours=1),
    "day": timedelta(days=1), "week": timedelta(weeks=1),
}  # fmt: skip


def fold(phrase: str) -> str:
    """Half width, lower case, Simplified, dialect words for days replaced, single spaces, and
    none between Chinese and digits (今晚 8 点前)."""
    text = unicodedata.normalize("NFKC", phrase).lower().translate(_FOLD)
    for said, meant in _PHRASES.items():
        text = text.replace(said, meant)
    return _APART.sub("", " ".join(text.replace("’", "'").split()))


def number(text: str) -> float:
    """The value of 15, 十五, 二十一, 半, two, a, half. Zero for what is none of these."""
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    if text == "半":
        return 0.5
    if text in _EN_NUMBERS:
        return float(_EN_NUMBERS[text])
    if "十" in text:
        tens, _, ones = text.partition("十")
        return 10 * _ZH_DIGITS.get(tens, 1) + _ZH_DIGITS.get(ones, 0)
    return float("".join(str(_ZH_DIGITS[c]) for c in text if c in _ZH_DIGITS) or 0)
