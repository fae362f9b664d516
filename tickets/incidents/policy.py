"""``policies/incidents.yml``: when tickets rise together, and what one cause explains."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator

from parcels.road_models import DELAY
from store.policies import Policy, load, one_of


class IncidentPolicy(Policy):
    """The whole file; see there. Validated with ``classes``: the names that exist."""

    window_minutes: PositiveInt
    tickets: Annotated[int, Field(ge=2)]
    times_usual: PositiveFloat
    usual_days: PositiveInt
    solved_within: PositiveInt
    groups: dict[Annotated[str, Field(max_length=20)], frozenset[str]]

    @field_validator("groups")
    @classmethod
    def _apart(
        cls, groups: dict[str, frozenset[str]], info: ValidationInfo
    ) -> dict[str, frozenset[str]]:
        named = [one_of(kind, "classes", "a class", info) for g in groups.values() for kind in g]
        twice = sorted({kind for kind in named if named.count(kind) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is in two groups")
        if DELAY not in groups:
            raise ValueError(f"the group {DELAY!r} is missing")
        return groups

    @property
    def window(self) -> timedelta:
        return timedelta(minutes=self.window_minutes)

    def group(self, kind: str) -> str | None:
        """The group of a class; None if one cause never explains several of it."""
        return next((name for name, kinds in self.groups.items() if kind in kinds), None)

    def rises(self, now: int, before: int) -> bool:
        """Whether ``now`` tickets within the window are a rise, with ``before`` in the usual
        days."""
        return now >= self.tickets and now >= self.times_usual * self.usual(before)

    def usual(self, before: int) -> float:
        """How many tickets a window usually has."""
        return before * (self.window / timedelta(days=self.usual_days))


def from_file(path: Path, classes: Collection[str]) -> IncidentPolicy:
    return load(path, IncidentPolicy, classes=classes)
