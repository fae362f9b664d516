"""A skill: one rasa-sdk action, one transaction, words from policies/texts."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, EventType, FollowupAction
from rasa_sdk.executor import CollectingDispatcher

from actions.handing import hand_over, too_angry
from actions.runtime import services
from actions.turn import CHANGE_FORM, Reply, Turn, open_turn, remember


class Skill(Action, ABC):
    """Base of every action. Subclasses name themselves and write ``handle``."""

    skill: ClassVar[str]
    interrupts: ClassVar[bool] = False
    """Answers a question asked inside a form, which then asks again for what it needs."""
    changes: ClassVar[bool] = False
    """Carries a change on; every other skill that does not merely interrupt ends it."""

    def name(self) -> str:
        return self.skill

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[EventType]:
        """Answer in one transaction. A failure fails the turn: the router then calls a person."""
        reply = await asyncio.to_thread(self._in_transaction, tracker)
        *before, last = reply.words or (None,)
        for words in before:
            dispatcher.utter_message(text=words)
        if last is not None:
            dispatcher.utter_message(
                text=last,
                buttons=[{"title": b.title, "payload": b.say} for b in reply.buttons],
            )
        return list(reply.events)

    def _in_transaction(self, tracker: Tracker) -> Reply:
        available = services()
        with available.database.write() as session:
            turn = open_turn(tracker, session, available)
            _count_anger(turn)
            if self.understands(turn):
                turn.conversation.failures = 0
            reply = _with_person(turn, self._asking_again(turn, self.handle(turn)))
            return reply if self.interrupts or self.changes else _without_change(turn, reply)

    def understands(self, turn: Turn) -> bool:
        """Whether the message was understood, which ends a row of failures."""
        return True

    def _asking_again(self, turn: Turn, reply: Reply) -> Reply:
        if not self.interrupts:
            return reply
        if turn.requested:
            question = turn.say(f"report.ask.{turn.requested}")
        elif turn.form == CHANGE_FORM:
            question = turn.say(f"change.ask.{turn.slot('requested_slot')}")
        else:
            return reply
        return Reply((*reply.words, question), reply.buttons, reply.events)

    @abstractmethod
    def handle(self, turn: Turn) -> Reply:
        """What to say, and what to remember."""


def _with_person(turn: Turn, reply: Reply) -> Reply:
    """Strong anger hands over, whatever the skill was about."""
    if not reply.words or not too_angry(turn):
        return reply
    waiting = hand_over(turn, "strong_anger", "strong_anger")
    return Reply((*reply.words, waiting), (), reply.events)


def _without_change(turn: Turn, reply: Reply) -> Reply:
    """The customer wants something else now: the change under way is let go."""
    goes_on = FollowupAction(CHANGE_FORM) in reply.events
    if goes_on or turn.tracker.get_slot("change") is None:
        return reply
    events = remember(change=None)
    if turn.form == CHANGE_FORM:
        events += (ActiveLoop(None), *remember(requested_slot=None))
    return Reply(reply.words, reply.buttons, (*events, *reply.events))


def _count_anger(turn: Turn) -> None:
    """Add the message's signs of anger to the conversation's, once per message."""
    if turn.message is None or "anger" in turn.message.payload:
        return
    signs = turn.services.anger.signs(turn.message.text)
    turn.message.payload = {**turn.message.payload, "anger": signs}
    turn.conversation.anger += signs
