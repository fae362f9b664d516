"""Handing over: a person is needed, and the customer is told his place and an honest time."""

from __future__ import annotations

from rasa_sdk.events import ActiveLoop, EventType

from actions.base import Reply, Skill, Turn, remember
from conversations.schemas import Button
from handoff.packet import Request
from tickets.urgency import Circumstances, Verdict


def hand_over(
    turn: Turn,
    reason: str,
    rule: str,
    *,
    verdict: Verdict | None = None,
    ticket_id: int | None = None,
    hold: bool = True,
) -> str:
    """Put the conversation into the queue; the sentence that tells the customer.

    Without ``hold`` a person is asked to call back and the bot goes on answering meanwhile.
    """
    placed = turn.services.handoffs.request(
        turn.session,
        turn.conversation,
        Request(
            reason=reason,
            rule=rule,
            intent=turn.intent,
            verdict=verdict or judge(turn),
            guesses=turn.guesses,
            learned=turn.learned(),
            ticket_id=ticket_id,
            waybill_no=turn.shipment.waybill_no if turn.shipment else turn.slot("waybill_no"),
        ),
        hold=hold,
    )
    key = "handoff.still_waiting" if placed.already else "handoff.waiting"
    if placed.ahead == 0:
        key += "_next"
    return turn.say(key, ahead=placed.ahead, by=placed.contact_by)


def judge(turn: Turn, intent: str | None = None) -> Verdict:
    """Urgency of this message, for a case without a ticket of its own."""
    return turn.services.tickets.urgency.decide(
        Circumstances(
            intent=intent or turn.intent,
            text=turn.text,
            goods_class=turn.shipment.goods_class if turn.shipment else "general",
            anger=turn.conversation.anger,
        )
    )


def end_form() -> tuple[EventType, ...]:
    """Leave the form: nothing more is asked."""
    return (ActiveLoop(None), *remember(requested_slot=None))


class AskHuman(Skill):
    """ask_human: at once, without asking why."""

    skill = "action_ask_human"

    def handle(self, turn: Turn) -> Reply:
        words = hand_over(turn, "ask_human", "customer_asked")
        return Reply((turn.say("handoff.of_course"), words), events=remember(pending=None))


class PassOn(Skill):
    """A change or a request that only a person may make today: goes to one with all that is known."""

    skill = "action_pass_on"

    def handle(self, turn: Turn) -> Reply:
        key = f"pass_on.{turn.intent}"
        if not turn.services.texts.has(key):
            key = "pass_on.other"
        words = hand_over(turn, "change_request", turn.intent, verdict=judge(turn))
        return Reply((turn.say(key), words), events=remember(pending=None))


class Fallback(Skill):
    """Not understood: ask once in other words, hand over the second time in a row."""

    skill = "action_fallback"

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


def too_angry(turn: Turn) -> bool:
    """Whether the conversation's anger hands over by itself."""
    return turn.conversation.anger >= turn.services.anger.policy.hand_over_at


def offers_person(turn: Turn) -> tuple[Button, ...]:
    """The button that offers a person from the second sign of anger on."""
    if turn.conversation.anger < turn.services.anger.policy.offer_at:
        return ()
    return (Button(turn.say("talk.ask_person"), turn.say("talk.ask_person_say")),)


