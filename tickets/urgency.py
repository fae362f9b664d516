"""Urgency is decided here and nowhere else, and the rule that fired is told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, PositiveInt, ValidationInfo

from parcels.models import GoodsClass
from store.policies import Policy, Word, all_of, load
from tickets.models import Urgency

NOTHING_URGENT = "nothing_urgent"


def _intents(named: frozenset[str], info: ValidationInfo) -> frozenset[str]:
    return all_of(named, "intents", "an intent", info)


Intents = Annotated[frozenset[str], AfterValidator(_intents)]
"""Of a policy that is read with ``intents``: the names that exist."""


class Rule(Policy):
    """Fires when all that it names holds. The first rule that fires decides."""

    rule: str
    colour: Urgency
    intents: Intents = frozenset()
    goods_class: frozenset[GoodsClass] = frozenset()
    words: tuple[Word, ...] = ()
    contacts_at_least: PositiveInt | None = None
    anger_at_least: PositiveInt | None = None


class UrgencyPolicy(Policy):
    """``policies/urgency.yml``."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that urgency depends on."""

    intent: str
    text: str = ""
    goods_class: str = "general"
    contacts: int = 1
    anger: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A colour and the name of the rule that gave it."""

    colour: Urgency
    rule: str


class UrgencyRules:
    """The policy, ready to decide."""

    def __init__(self, policy: UrgencyPolicy) -> None:
        self.policy = policy

    @classmethod
    def from_file(cls, path: Path, intents: Collection[str]) -> UrgencyRules:
        """``intents`` are those that exist. PolicyError names file, line and what is allowed."""
        return cls(load(path, UrgencyPolicy, intents=intents))

    @property
    def names(self) -> frozenset[str]:
        """Of every rule that can give a colour."""
        return frozenset({rule.rule for rule in self.policy.rules} | {NOTHING_URGENT})

    def decide(self, of: Circumstances) -> Verdict:
        """The first rule that fits; green, "nothing_urgent", if none does."""
        for rule in self.policy.rules:
            if _fits(rule, of):
                return Verdict(rule.colour, rule.rule)
        return Verdict(Urgency.GREEN, NOTHING_URGENT)


def _fits(rule: Rule, of: Circumstances) -> bool:
    text = of.text.lower()
    return (
        (not rule.intents or of.intent in rule.intents)
        and (not rule.goods_class or of.goods_class in rule.goods_class)
        and (not rule.words or any(word in text for word in rule.words))
        and (rule.contacts_at_least is None or of.contacts >= rule.contacts_at_least)
        and (rule.anger_at_least is None or of.anger >= rule.anger_at_least)
    )
