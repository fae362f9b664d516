"""What people promise in their own words: found in what they write, set against what is owed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from parcels.times import understand
from tickets.anger import pattern
from tickets.promises.models import Promise, PromiseKind, PromiseState, Topic

_SENTENCE = re.compile(r"(?:[^。！？；.!?;\n]|(?<=\d)\.(?=\d))+[。！？；.!?;]?")
_QUESTION = re.compile(r"[？?]\s*$|吗[。！]?\s*$")
_HOURS = re.compile(r"(\d+) ?h\b", re.IGNORECASE)


_OF_KIND = {
    PromiseKind.SOLUTION: Topic.SOLUTION,
    PromiseKind.PAYOUT: Topic.MONEY,
    PromiseKind.COURIER_CALL: Topic.NEWS,
    PromiseKind.CAUSE: Topic.NEWS,
}


@dataclass(frozen=True, slots=True)
class Said:
    """A promise in somebody's words: the sentence, what it is about, and the time it names."""

    words: str
    topic: Topic
    by: datetime


class Ledger:
    """Reads promises by the words of the policy: ``topics``, by language."""

    def __init__(self, topics: Mapping[Topic, Mapping[str, tuple[str, ...]]]) -> None:
        self._topics = {topic: pattern(words) for topic, words in topics.items()}

    def find(self, text: str, at: datetime, zone: ZoneInfo) -> tuple[Said, ...]:
        """The promises in what somebody wrote to a customer at ``at``: sentences that say what we
        do, and a time to come. A question promises nothing."""
        return tuple(self._said(text, at, zone))

    def contradicted(self, said: Said, promises: Iterable[Promise]) -> Promise | None:
        """The open promise about the same thing that names an earlier time: it would be broken."""
        for promise in promises:
            if (
                promise.state == PromiseState.OPEN
                and promise.by < said.by
                and self._about(promise) == said.topic
            ):
                return promise
        return None

    def topic(self, words: str) -> Topic | None:
        """What words are about; None if they say nothing that we do."""
        return next((name for name, found in self._topics.items() if found.search(words)), None)

    def _about(self, promise: Promise) -> Topic | None:
        kind = PromiseKind(promise.kind)
        if promise.waybill_no is not None:
            return Topic.DELIVERY
        return self.topic(promise.words or "") if kind == PromiseKind.WORD else _OF_KIND.get(kind)

    def _said(self, text: str, at: datetime, zone: ZoneInfo) -> Iterator[Said]:
        for match in _SENTENCE.finditer(text):
            words = match[0].strip()
            topic = self.topic(words)
            if topic is None or _QUESTION.search(words):
                continue
            interval = understand(_HOURS.sub(r"\1 hours", words), at, zone)
            if interval is not None and interval.end > at:
                yield Said(words[:300], topic, interval.end.astimezone(UTC))
