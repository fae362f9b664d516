"""Telegram as a small desk: handed-over conversations as topics of a team's group.

The web desk remains the truth: ``mirror`` shows the record in topics, ``hearing`` does what linked
people write there, through the same ``Handoffs`` as the web desk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ALL = "*"
"""Stands for every team that is not named."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The supergroup of each team, by its id."""

    by_team: Mapping[str, int]

    def of(self, team: str) -> int | None:
        return self.by_team.get(team, self.by_team.get(ALL))

    def __contains__(self, chat: object) -> bool:
        return chat in self.by_team.values()
