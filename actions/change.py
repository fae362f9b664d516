"""Changes that only a person may make today: passed on with all that is known."""

from __future__ import annotations

from actions.base import Skill
from actions.handing import hand_over, judge
from actions.matters import problem_beside
from actions.report import open_ticket
from actions.turn import Reply, Turn, remember


class PassOn(Skill):
    """A change goes to a person; a problem told beside it becomes a ticket on the way."""

    skill = "action_pass_on"

    def handle(self, turn: Turn) -> Reply:
        problem = problem_beside(turn)
        return open_ticket(turn, problem) if problem else pass_on(turn, turn.intent)


def pass_on(turn: Turn, intent: str) -> Reply:
    """Hand a change over: the words for its intent, the place in the queue, the time."""
    key = f"pass_on.{intent}"
    if not turn.services.texts.has(key):
        key = "pass_on.other"
    words = hand_over(turn, "change_request", intent, verdict=judge(turn))
    return Reply((turn.say(key), words), events=remember(pending=None))
