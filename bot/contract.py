"""The label contract, ``policies/taxonomy.yml``, as the code reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from store.policies import Policy, load

_WITH_TICKET = frozenset({"dispute_payment", "claim_compensation", "complain"})


class Contract(Policy):
    """Intents and entities with their meaning, and what settles quarrels between them."""

    intents: dict[str, str | bool]  # YAML reads the meanings "yes" and "no" as truth
    precedence: tuple[str, ...]
    boundaries: tuple[Any, ...]
    entities: dict[str, str]
    ticket_no_format: str
    goods_class: dict[str, str]
    urgency: dict[str, dict[str, str]]

    @property
    def problems(self) -> tuple[str, ...]:
        """Intents that open a ticket, in the order of precedence."""
        return tuple(
            intent
            for intent in self.precedence
            if intent.startswith("report_") or intent in _WITH_TICKET
        )


def read(path: Path) -> Contract:
    """The contract in ``path``; PolicyError if it is not one."""
    return load(path, Contract)
