"""``policies/sending.yml``: what may be sent, by the goods' name or else by their class."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from parcels.folding import fold
from parcels.goods import Goods
from parcels.models import GoodsClass
from store.policies import Policy, load

May = Literal["never", "limited", "freely"]
Topic = Literal["limits", "insurance", "identity", "box"]


class Rule(Policy):
    may: May
    zh: tuple[str, ...]
    en: tuple[str, ...]


class SendingPolicy(Policy):
    goods: dict[str, Rule]
    topics: dict[Topic, tuple[str, ...]]

    @model_validator(mode="after")
    def _has_every_class(self) -> SendingPolicy:
        if missing := {c.value for c in GoodsClass} - set(self.goods):
            raise ValueError(f"goods lack the classes {', '.join(sorted(missing))}")
        return self


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether goods may be sent; ``rule`` names the texts that say why and how."""

    goods: str
    rule: str
    may: May


class Sending:
    """The rules, ready to be asked."""

    def __init__(self, policy: SendingPolicy) -> None:
        self.policy = policy
        self._rules = {
            fold(word): name
            for name, rule in reversed(policy.goods.items())
            for word in (*rule.zh, *rule.en)
        }
        longest_first = sorted(self._rules, key=len, reverse=True)
        self._pattern = re.compile(
            "|".join(
                rf"\b({re.escape(w)})(?:e?s)?\b" if w.isascii() else f"({re.escape(w)})"
                for w in longest_first
            )
        )

    @classmethod
    def from_file(cls, path: Path) -> Sending:
        return cls(load(path, SendingPolicy))

    def verdict(self, text: str, named: str | None, goods: Goods) -> Verdict | None:
        """The strictest rule that the goods' name calls for, else the message, else their class.

        ``named``: what the message was understood to call its goods. None if it names none.
        """
        for said, shortest in ((named, 1), (text, 2)):
            found = self._strictest(said, shortest) if said else None
            if found is not None:
                word, rule = found
                return Verdict(named or word, rule, self.policy.goods[rule].may)
        if not named:
            return None
        rule = goods.classify(named).value
        return Verdict(named, rule, self.policy.goods[rule].may)

    def topic(self, text: str) -> Topic | None:
        """The rule that a question is about, by its words."""
        folded = fold(text)
        return next(
            (t for t, words in self.policy.topics.items() if any(w in folded for w in words)), None
        )

    def _strictest(self, said: str, shortest: int) -> tuple[str, str] | None:
        """The word and its rule. In a whole message one sign is no word: 烟台 is no tobacco."""
        order: tuple[May, ...] = ("never", "limited", "freely")
        words = (next(filter(None, match.groups())) for match in self._pattern.finditer(fold(said)))
        found = [(word, self._rules[word]) for word in words if len(word) >= shortest]
        return min(
            found, key=lambda each: order.index(self.policy.goods[each[1]].may), default=None
        )
