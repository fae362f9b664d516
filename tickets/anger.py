"""How angry a message sounds: counted signs, from the words in ``policies/anger.yml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import PositiveInt

from store.policies import Policy, WordLists, load


class AngerPolicy(Policy):
    """``policies/anger.yml``."""

    offer_at: PositiveInt
    hand_over_at: PositiveInt
    signs: WordLists
    strong: WordLists
    shouting: PositiveInt


_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")


class Anger:
    """The policy, ready to count."""

    def __init__(self, policy: AngerPolicy) -> None:
        self.policy = policy
        self._signs = pattern(policy.signs)
        self._strong = pattern(policy.strong)

    @classmethod
    def from_file(cls, path: Path) -> Anger:
        return cls(load(path, AngerPolicy))

    def signs(self, text: str) -> int:
        """0 for calm; enough to hand over for strong words; else one per sign, two at most."""
        if self._strong.search(text):
            return self.policy.hand_over_at
        words = len({match.lower() for match in self._signs.findall(text)})
        marks = text.count("!") + text.count("！")
        loud = marks >= self.policy.shouting or len(_CAPITALS.findall(text)) >= self.policy.shouting
        return min(words + loud, 2)


def pattern(words: Mapping[str, tuple[str, ...]]) -> re.Pattern[str]:
    """Latin words at their beginning (so that "fucking" counts), Chinese ones anywhere."""
    return re.compile(
        "|".join(
            rf"\b{re.escape(word)}" if word.isascii() else re.escape(word)
            for group in words.values()
            for word in group
        ),
        re.IGNORECASE,
    )
