"""Messages cut to what a channel can carry: nothing lost, nothing too long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.channels.degrade import degrade, split
from conversations.schemas import Button, Capabilities

CHOICES = (Button("改时间", "我想改时间"), Button("Pick it up", "I pick it up"))
UNITS: dict[str, Callable[[str], int]] = {
    "characters": len,
    "utf16": lambda text: len(text.encode("utf-16-le")) // 2,
    "bytes": lambda text: len(text.encode()),
}


def test_buttons_stay_buttons_where_there_are_some() -> None:
    assert degrade("Which?", CHOICES, Capabilities(buttons=True)) == [("Which?", CHOICES)]


def test_buttons_become_numbers_where_there_are_none() -> None:
    assert degrade("Which?", CHOICES, Capabilities()) == [("Which?\n1. 改时间\n2. Pick it up", ())]


def test_buttons_stay_with_the_last_part() -> None:
    parts = degrade("第一句。第二句。", CHOICES, Capabilities(buttons=True, max_length=4))
    assert parts == [("第一句。", ()), ("第二句。", CHOICES)]


def test_a_text_is_cut_where_people_pause() -> None:
    assert split("您好。包裹在路上，明天到！", 10) == ["您好。包裹在路上，", "明天到！"]
    assert split("It left. It comes tomorrow.", 12) == ["It left. It", "comes", "tomorrow."]
    assert split("one\ntwo", 4) == ["one", "two"]


def test_a_word_longer_than_a_part_is_cut_inside() -> None:
    assert split("abcdefgh", 3) == ["abc", "def", "gh"]


def test_an_emoji_is_never_cut_in_half() -> None:
    assert split("📦📦📦", 2, UNITS["utf16"]) == ["📦", "📦", "📦"]
    with pytest.raises(ValueError, match="smaller than one character"):
        split("📦", 1, UNITS["utf16"])


@given(
    text=some.text(some.sampled_from("ab。 ，.!?\n您好📦é"), max_size=200),
    limit=some.integers(4, 40),
    unit=some.sampled_from(sorted(UNITS)),
)
def test_parts_fit_and_hold_every_character(text: str, limit: int, unit: str) -> None:
    parts = degrade(text, (), Capabilities(max_length=limit, unit=unit))
    assert all(UNITS[unit](part) <= limit for part, _ in parts)
    assert "".join("".join(part for part, _ in parts).split()) == "".join(text.split())
    assert len(parts) == 1 or all(part.strip() for part, _ in parts)
