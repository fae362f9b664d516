"""What every question can do; ``details`` of its draft hold what was told so far."""

from __future__ import annotations

from typing import Protocol

from actions.draft import Asked, Draft
from actions.turn import Turn
from conversations.schemas import Button

Answer = tuple[tuple[str, ...], tuple[Button, ...]]
"""Words, and the buttons below them."""


class Question(Protocol):
    """One question: ``hear`` facts, name the one that is ``missing``, ``answer``."""

    def hear(self, turn: Turn, draft: Draft) -> Draft:
        """The draft with the facts of this message."""

    def missing(self, turn: Turn, draft: Draft) -> Asked | None:
        """The next fact to ask for."""

    def why(self, turn: Turn, draft: Draft) -> str | None:
        """What to say before asking: why the last answer did not do."""

    def answer(self, turn: Turn, draft: Draft) -> Answer:
        """The answer, once nothing is missing."""

    def general(self, turn: Turn) -> str:
        """What can be said without any facts."""


def told(draft: Draft, details: dict[str, str | None]) -> Draft:
    """The draft with these facts, where there are any."""
    found = {name: value for name, value in details.items() if value}
    return draft.told(**found) if found else draft
