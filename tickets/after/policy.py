"""``policies/after.yml``: when is asked what, and by which words customers answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from pathlib import Path

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from conversations.search import fold
from store.policies import Policy, WordLists, all_of, load
from tickets.models import Urgency

LONGEST = 60
"""Characters of a message that can be a plain answer and nothing else."""
_SCORE = re.compile(
    r"(?:评分|打分|我?给|score|rating|rate)?\s*:?\s*(\d{1,3}|[零一二三四五六七八九十])"
    r"\s*(?:/\s*5|分|颗?星|stars?|points?|out of 5)?[\s!。.~]*"
)
_DIGITS = "零一二三四五六七八九十"
_EITHER = re.compile(r"(\w)不\1")
"""行不行: a question, and no no."""
_ASKS = re.compile(rf"\?|吗\W*$|么\W*$|{_EITHER.pattern}")


class FollowUp(Policy):
    hours: PositiveInt
    urgency: frozenset[Urgency]
    classes: frozenset[str]
    anger_at_least: PositiveInt
    silent_days: PositiveInt

    @field_validator("classes")
    @classmethod
    def _known(cls, given: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        return all_of(given, "classes", "a class", info)


class Score(Policy):
    minutes: int = Field(ge=0)
    low: int = Field(ge=1, le=4)


class Progress(Policy):
    """The page of a ticket: how long its link is good, and at which news it is sent along."""

    link_days: PositiveInt
    link_in: frozenset[str]

    @field_validator("link_in")
    @classmethod
    def _known(cls, given: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        return all_of(given, "news", "one of the news", info)

    @property
    def link_lasts(self) -> timedelta:
        return timedelta(days=self.link_days)


class Words(Policy):
    agree: WordLists
    solved: WordLists
    deny: WordLists
    unsolved: WordLists
    beside: WordLists


class AfterPolicy(Policy):
    """The whole file. Validated with ``classes``, those of complaints, and ``news``, the steps that
    a customer hears of."""

    follow_up: FollowUp
    score: Score
    answer_days: PositiveInt
    reopen_days: PositiveInt
    remark_minutes: PositiveInt
    progress: Progress
    words: Words

    @property
    def remark_within(self) -> timedelta:
        return timedelta(minutes=self.remark_minutes)


def from_file(path: Path, classes: Collection[str], news: Collection[str]) -> AfterPolicy:
    return load(path, AfterPolicy, classes=classes, news=news)


class Reading:
    """What plain words say, by the lists of the policy."""

    def __init__(self, words: Words) -> None:
        beside = _any(words.beside)
        self.agrees = _whole(_any(words.agree), beside, asks=False)
        self.says_solved = _whole(_any(words.solved), beside, asks=False)
        self.denies = _whole(_any(words.deny), beside, asks=True)
        unsolved = _any(words.unsolved)
        self._unsolved = unsolved
        self.merely_unsolved = _whole(unsolved, beside, asks=True)

    def unsolved(self, text: str) -> bool:
        """Whether a message says anywhere that it is not solved, or not agreed to."""
        return self._unsolved.search(_EITHER.sub("", fold(text))) is not None


def score_in(text: str) -> int | None:
    """The number that a message consists of ("5", "五分", "4 stars", "7"); else None."""
    found = _SCORE.fullmatch(fold(text))
    if found is None:
        return None
    number = found[1]
    return int(number) if number.isdecimal() else _DIGITS.index(number)


def _any(lists: WordLists) -> re.Pattern[str]:
    """Any of these words, the longest first: Latin ones whole, Chinese ones anywhere."""
    words: Iterable[str] = {fold(word) for group in lists.values() for word in group}
    parts = (
        rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word)
        for word in sorted(words, key=len, reverse=True)
    )
    return re.compile("|".join(parts))


def _whole(words: re.Pattern[str], beside: re.Pattern[str], *, asks: bool) -> Callable[[str], bool]:
    """Whether a message is these words and nothing of weight beside them. ``asks``: as a question
    too."""

    def says(text: str) -> bool:
        folded = fold(text)
        if len(folded) > LONGEST or (not asks and _ASKS.search(folded)):
            return False
        rest, found = words.subn(" ", folded)
        return found > 0 and re.search(r"\w", beside.sub(" ", rest)) is None

    return says
