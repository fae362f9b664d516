"""From what a customer calls his goods to their class: a word list, forgiving slips."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ConfigDict, RootModel
from rapidfuzz import fuzz, process

from parcels.models import GoodsClass
from store.policies import load

TIME_CRITICAL = frozenset({GoodsClass.MEDICINE, GoodsClass.PERISHABLE, GoodsClass.DOCUMENT})
SLIP = 86
"""Similarity (0 to 100, rapidfuzz ratio) from which a mistyped word counts as the word."""


class Lexicon(RootModel[dict[GoodsClass, dict[str, tuple[str, ...]]]]):
    """``policies/goods.yml``: words by class and language; the first class that fits wins."""

    model_config = ConfigDict(frozen=True)


class Goods:
    """The word list, ready to classify."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._patterns = [
            (goods_class, _pattern(words)) for goods_class, words in lexicon.root.items()
        ]
        self._words = {
            word.lower(): goods_class
            for goods_class, groups in reversed(lexicon.root.items())
            for words in groups.values()
            for word in words
            if len(word) >= (4 if word.isascii() else 3)
        }

    @classmethod
    def from_file(cls, path: Path) -> Goods:
        return cls(load(path, Lexicon))

    def mentioned(self, text: str) -> GoodsClass:
        """The class of time-critical goods that a whole message speaks of; general if of none.

        For messages whose goods nobody found: a word in passing is enough to be careful.
        """
        for goods_class, pattern in self._patterns:
            if goods_class in TIME_CRITICAL and pattern.search(text):
                return goods_class
        return GoodsClass.GENERAL

    def classify(self, named: str) -> GoodsClass:
        """The class of goods by their name; general when no word fits."""
        for goods_class, pattern in self._patterns:
            if pattern.search(named):
                return goods_class
        near = process.extractOne(
            named.lower(), list(self._words), scorer=fuzz.ratio, score_cutoff=SLIP
        )
        return self._words[near[0]] if near else GoodsClass.GENERAL


def _pattern(groups: dict[str, tuple[str, ...]]) -> re.Pattern[str]:
    words = (word for group in groups.values() for word in group)
    return re.compile(
        "|".join(
            rf"\b{re.escape(word)}(?:e?s)?\b" if word.isascii() else re.escape(word)
            for word in words
        ),
        re.IGNORECASE,
    )
