"""Skills that bring a person: asked for, or because we did not understand."""

from __future__ import annotations

from actions.base import Skill
from actions.handing import hand_over, judge
from actions.turn import Reply, Turn, remember
from conversations.schemas import Button


class AskHuman(Skill):
    """ask_human: at once, without asking why."""

    skill = "action_ask_human"

    def handle(self, turn: Turn) -> Reply:
        words = hand_over(turn, "ask_human", "customer_asked")
        return Reply((turn.say("handoff.of_course"), words), events=remember(pending=None))


class Fallback(Skill):
    """Not understood: ask once in other words, hand over the second time in a row."""

    skill = "action_fallback"

    def understands(self, turn: Turn) -> bool:
        return False

    def handle(self, turn: Turn) -> Reply:
        return not_understood(turn)


def not_understood(turn: Turn) -> Reply:
    """Count a failure; two in a row hand over."""
    turn.conversation.failures += 1
    if turn.conversation.failures >= 2:
        words = hand_over(
            turn, "two_failures", "two_failures_in_a_row", verdict=judge(turn, "nlu_fallback")
        )
        return Reply((turn.say("talk.not_understood_twice"), words))
    return Reply(
        (turn.say("talk.not_understood"),),
        buttons=(Button(turn.say("talk.ask_person"), turn.say("talk.ask_person_say")),),
    )
