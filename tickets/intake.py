"""What each class of complaint must know before its ticket opens."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from store.policies import Policy, load

Fact = Literal["waybill_no", "goods", "amount", "detail"]


class ClassIntake(Policy):
    ask: tuple[Fact, ...]


class Intake(Policy):
    """``policies/intake.yml``."""

    classes: dict[str, ClassIntake]
    person_words: tuple[str, ...]
    tries: PositiveInt

    def asks_person(self, text: str) -> bool:
        """Whether a message asks for a person, whatever else it says."""
        folded = text.lower()
        return any(word in folded for word in self.person_words)

    def missing(self, kind: str, known: frozenset[str]) -> Fact | None:
        """The next fact to ask for, or None when all is known."""
        return next((fact for fact in self.classes[kind].ask if fact not in known), None)


def from_file(path: Path) -> Intake:
    return load(path, Intake)
