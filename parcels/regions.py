"""``policies/regions.yml``: which province and city a place's name means, and whence and whither.

A name is found anywhere in a message, in either script. Only what the customer plainly means as a
place is repaired when it is mistyped (``named``): a message's other words are never bent to names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, RootModel
from rapidfuzz import fuzz, process

from parcels.folding import fold
from store.policies import load

SLIP = 84
"""Similarity (0 to 100, rapidfuzz ratio) from which a mistyped name counts as the name."""
_NO_PLACE = re.compile(r"东?西?南?北?[一二三四]?(?:路|街|大道|大街|巷|饭店|宾馆|烤鸭|拉面|牛肉|话)")
_TO = re.compile(r"(?:到|至|往|去|给|发|寄|->|→|—|–|-|~|送|\bto|\binto|\bfor|\btowards)\s*$")
_FROM = re.compile(r"(?:从|自|由|在|我是|\bfrom|\bin|\bout of)\s*$")
_LEAVES = re.compile(
    r"(?:市|省|这边|那边|这里)?\s*(?:寄|发|出发|->|→|—|–|-|~|到(?!付)|至|往|\bto\b)"
)
_SUFFIX = re.compile(r"\s*(?:特别行政区|[维壮回]\w{0,3}自治区|自治区|自治州|省|市|,)?\s*")


class Atlas(RootModel[dict[str, tuple[str, ...]]]):
    """Names of provinces to the names of their cities; a name's variants have ``/`` between."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Place:
    """A province, or a city in it; both by their first name in the policy file."""

    province: str
    city: str | None
    english: str
    """The name for whoever does not read Chinese; the Chinese one if there is none."""

    def name(self, language: str) -> str:
        return (self.city or self.province) if language == "zh" else self.english


@dataclass(frozen=True, slots=True)
class Route:
    """Whence and whither, as far as it is told."""

    origin: Place | None = None
    destination: Place | None = None


class Regions:
    """The names, ready to be found."""

    def __init__(self, atlas: Atlas) -> None:
        self.provinces = frozenset(names.split("/")[0] for names in atlas.root)
        self._places: dict[str, Place] = {}
        for province, cities in atlas.root.items():
            names = province.split("/")
            self._add(names, names[0], None)
            for city in cities:
                self._add(city.split("/"), names[0], city.split("/")[0])
        # The longest name first: 张家口 is no 张家.
        known = sorted(self._places, key=len, reverse=True)
        self._pattern = re.compile(
            "|".join(rf"\b{re.escape(n)}\b" if n.isascii() else re.escape(n) for n in known)
        )

    @classmethod
    def from_file(cls, path: Path) -> Regions:
        return cls(load(path, Atlas))

    def spellings(self, place: Place) -> tuple[str, ...]:
        """The place as systems write it on a waybill: 杭州, 杭州市, 浙江省杭州市, Hangzhou."""
        names = [name for name, known in self._places.items() if known == place]
        chinese = [name for name in names if not name.isascii()]
        if place.city is None:
            ends = [*chinese, *(f"{name}省" for name in chinese)]
        else:
            cities = [f"{name}{end}" for name in chinese for end in ("", "市")]
            heads = ("", place.province, f"{place.province}省")
            ends = [f"{head}{city}" for head in heads for city in cities]
        return (*ends, *(name.title() for name in names if name.isascii()))

    def named(self, said: str) -> Place | None:
        """The place that these words name, a slip of the finger forgiven; None if we know none."""
        found = next((place for _, place in self._found(fold(said))), None)
        if found is not None:
            return found
        near = process.extractOne(
            fold(said), list(self._places), scorer=fuzz.ratio, score_cutoff=SLIP
        )
        return self._places[near[0]] if near else None

    def route(self, said: str, *, asked: str | None = None) -> Route:
        """Whence and whither a message tells. ``asked`` is the end a single name would answer."""
        text = fold(said)
        found = list(self._found(text))
        if not found:
            return Route()
        if len(found) > 1:
            (first, one), (second, other) = found[:2]
            backwards = _TO.search(text[: first.start()]) and _FROM.search(text[: second.start()])
            return Route(other, one) if backwards else Route(one, other)
        ((match, place),) = found
        before, after = text[: match.start()], text[match.end() :]
        if _FROM.search(before) or (not _TO.search(before) and _LEAVES.match(after)):
            return Route(origin=place)
        if asked == "origin" and not _TO.search(before):
            return Route(origin=place)
        return Route(destination=place)

    def _found(self, text: str) -> Iterator[tuple[re.Match[str], Place]]:
        """Every place of a folded text; what follows its province at once belongs to it."""
        last: tuple[re.Match[str], Place] | None = None
        for match in self._pattern.finditer(text):
            place = self._places[match[0]]
            if _NO_PLACE.match(text, match.end()):
                continue
            if last is None:
                last = match, place
                continue
            between = text[last[0].end() : match.start()]
            if not _SUFFIX.fullmatch(between) or (between.strip(" ") == "" and between):
                yield last
                last = match, place
            elif place.province == last[1].province and last[1].city is None:
                last = match, place
        if last is not None:
            yield last

    def _add(self, names: list[str], province: str, city: str | None) -> None:
        english = next((n for n in names if n.isascii()), names[0]).title()
        for name in names:
            # A city beats the province of its name: 北京 is both.
            self._places[name] = Place(province, city, english)
