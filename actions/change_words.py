"""How a change asks and ends: words, buttons, and what Rasa is to remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from actions.draft import Asked, Draft
from actions.turn import Reply, Turn, joined, remember
from conversations.schemas import Button


def ask(
    turn: Turn,
    draft: Draft,
    what: Asked,
    before: str | None = None,
    buttons: Sequence[Button] = (),
) -> Reply:
    """Ask for one thing; ``before`` says why, or is the whole question where it has buttons."""
    draft = replace(draft, asked=what)
    question = None if buttons else _question(turn, draft, what)
    words = joined([before, question], turn.language)
    return Reply(
        (words,),
        tuple(buttons),
        remember(change=draft.to_slot(), requested_slot=what, pending=None),
    )


def _question(turn: Turn, draft: Draft, what: Asked) -> str:
    key = f"change.ask_for.{draft.kind}.{what}"
    return turn.say(key if turn.services.texts.has(key) else f"change.ask.{what}")


def end(*words: str, buttons: tuple[Button, ...] = (), waybill_no: str | None = None) -> Reply:
    """Say the last words of a change; the form ends."""
    known = {"waybill_no": waybill_no} if waybill_no else {}
    return closing(Reply(words, buttons, remember(**known)))


def closing(reply: Reply) -> Reply:
    """A reply after which the form has nothing more to do."""
    return Reply(
        reply.words,
        reply.buttons,
        (*reply.events, *remember(change=None, requested_slot=None, pending=None)),
    )


def yes_no(turn: Turn) -> tuple[Button, ...]:
    return tuple(Button(turn.say(key), turn.say(key)) for key in ("change.yes", "change.no"))


def person(turn: Turn) -> tuple[Button, ...]:
    return (Button(turn.say("talk.ask_person"), turn.say("talk.ask_person_say")),)
