"""Handing over: a person is needed, and the customer is told his place and an honest time."""

from __future__ import annotations

from actions.turn import Turn
from conversations.models import Holder
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
    waited = turn.conversation.holder == Holder.WAITING
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
            waybill_no=turn.shipment.waybill_no if turn.shipment else turn.number,
        ),
        hold=hold,
    )
    # Whoever was only promised a call hears now for the first time that he is in the queue.
    key = "handoff.still_waiting" if waited else "handoff.waiting"
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


def too_angry(turn: Turn) -> bool:
    """Whether the conversation's anger hands over by itself."""
    return (
        turn.conversation.holder == Holder.BOT
        and turn.conversation.anger >= turn.services.anger.policy.hand_over_at
    )


def offers_person(turn: Turn) -> tuple[Button, ...]:
    """The button that offers a person from the second sign of anger on."""
    if turn.conversation.anger < turn.services.anger.policy.offer_at:
        return ()
    return (Button(turn.say("talk.ask_person"), turn.say("talk.ask_person_say")),)
