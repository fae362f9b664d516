"""The words customers and staff read: ``policies/texts/<language>/<room>.yml``, checked at start.

A key such as ``track.in_transit`` is the file's name and the path inside it. A value may be a list
of variants; the same customer hears them in turn. Every language has the same keys and the same
``{facts}``, else the service does not start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from babel.dates import format_date, format_time

from conversations.language import LANGUAGES
from store import clock
from store.errors import PolicyError


class Texts:
    """All texts of one company, and its clock on the wall."""

    def __init__(self, root: Path, zone: ZoneInfo) -> None:
        self.zone = zone
        self._texts = {language: dict(_read(root / language)) for language in LANGUAGES}
        _same_everywhere(self._texts)

    def say(self, language: str, key: str, /, turn: int = 0, **facts: object) -> str:
        """The text ``key`` with its facts put in; an unknown key raises KeyError: a bug."""
        variants = self._texts[language if language in self._texts else "zh"][key]
        shown = {
            name: self.when(value, language) if isinstance(value, datetime) else value
            for name, value in facts.items()
        }
        return variants[turn % len(variants)].format(**shown)

    def has(self, key: str) -> bool:
        return key in self._texts["zh"]

    def room(self, language: str, prefix: str) -> Mapping[str, str]:
        """Every text below ``prefix`` (a page's labels), without the prefix."""
        return {
            key[len(prefix) + 1 :]: variants[0]
            for key, variants in self._texts[language if language in self._texts else "zh"].items()
            if key.startswith(prefix + ".")
        }

    def when(self, at: datetime, language: str) -> str:
        """An instant as people say it: ``今天 15:40``, ``tomorrow 09:00``, ``11月25日 15:40``."""
        local = at.astimezone(self.zone)
        days = (local.date() - clock.now().astimezone(self.zone).date()).days
        time = format_time(local, "HH:mm", locale="en")
        near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(days)
        if near:
            return self.say(language, f"words.{near}", time=time)
        return f"{self.day(at, language)} {time}"

    def day(self, at: datetime, language: str) -> str:
        """The day of an instant: ``11月25日``, ``25 Nov``."""
        local = at.astimezone(self.zone)
        return format_date(local, "M月d日" if language == "zh" else "d MMM", locale=language)

    def window(self, begin: datetime, end: datetime, language: str) -> str:
        """A window of time; within one day the day is named once."""
        same = begin.astimezone(self.zone).date() == end.astimezone(self.zone).date()
        until = end.astimezone(self.zone).strftime("%H:%M") if same else self.when(end, language)
        return self.say(language, "words.window", begin=self.when(begin, language), end=until)

    def span(self, length: timedelta, language: str) -> str:
        """A length of time as people say it: ``10 分钟``, ``2 hours``."""
        minutes = max(round(length.total_seconds() / 60), 1)
        unit, count = ("hours", round(minutes / 60)) if minutes >= 90 else ("minutes", minutes)
        return self.say(language, f"words.{unit if count != 1 else unit[:-1]}", count=count)


def _read(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(folder.glob("*.yml")):
        try:
            document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise PolicyError(f"{path} is not YAML: {error}") from error
        if not isinstance(document, dict):
            raise PolicyError(f"{path}: a table of texts is expected")
        yield from _walk(path, path.stem, document)


def _walk(path: Path, prefix: str, node: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for name, value in node.items():
        key = f"{prefix}.{name}"
        match value:
            case dict():
                yield from _walk(path, key, value)
            case str():
                yield key, [value.strip()]
            case [*variants] if variants and all(isinstance(v, str) for v in variants):
                yield key, [v.strip() for v in variants]
            case _:
                raise PolicyError(f"{path}: {key} must be a text or a list of texts, not {value!r}")


def _facts(variants: list[str]) -> frozenset[str]:
    return frozenset(name for v in variants for _, name, _, _ in Formatter().parse(v) if name)


def _same_everywhere(texts: dict[str, dict[str, list[str]]]) -> None:
    first, *others = texts
    for other in others:
        for key in sorted(texts[first].keys() ^ texts[other].keys()):
            missing = other if key in texts[first] else first
            raise PolicyError(f"policies/texts/{missing}: the text {key} is missing")
        for key, variants in texts[first].items():
            if _facts(variants) != _facts(texts[other][key]):
                raise PolicyError(
                    f"policies/texts: {key} uses {sorted(_facts(variants))} in {first} but "
                    f"{sorted(_facts(texts[other][key]))} in {other}"
                )
