"""Two matters in one message: the first by precedence is acted on, the second is offered next."""

from __future__ import annotations

from actions.turn import Turn

CHANGES = frozenset(
    {
        "change_delivery_time",
        "change_delivery_place",
        "cancel_or_return",
        "request_pickup",
        "manage_notifications",
        "ask_pickup_code",
        "ask_invoice",
    }
)
PROBLEM_FROM = 0.3
"""Probability from which a problem told beside a change is a ticket (precedence puts it first)."""
CHANGE_FROM = 0.15
"""Probability from which a change told beside a problem is offered; a wrong offer costs a line."""


def problem_beside(turn: Turn) -> str | None:
    """The problem that a message asking for a change tells as well ("it's broken, and move it")."""
    return next(
        (
            guess.intent
            for guess in turn.guesses[1:3]
            if guess.intent in turn.services.problems and guess.confidence >= PROBLEM_FROM
        ),
        None,
    )


def change_beside(turn: Turn) -> str | None:
    """The change that a message telling a problem asks for as well."""
    if turn.intent not in turn.services.problems:
        return None
    return next(
        (
            guess.intent
            for guess in turn.guesses[1:3]
            if guess.intent in CHANGES and guess.confidence >= CHANGE_FROM
        ),
        None,
    )
