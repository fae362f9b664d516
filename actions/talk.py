"""Small talk and questions that a text answers; details that belong to something asked before."""

from __future__ import annotations

from rasa_sdk.events import FollowupAction

from actions import questions
from actions.base import Skill
from actions.change import NEED_NO_DEPOT, pass_on
from actions.handing import offers_person
from actions.matters import CHANGES
from actions.parcel import PROOF, prove, track
from actions.person import not_understood
from actions.questions import QUESTIONS
from actions.turn import CHANGE_FORM, Reply, Turn, remember
from conversations.schemas import Button
from parcels.identity import digits_in
from parcels.lookup import canonical
from tickets import repository as tickets
from tickets.models import FINISHED, Ticket
from tickets.service import canonical_number

SURELY_OUT_OF_SCOPE = 0.6
"""Probability under which out_of_scope is taken for a message that was not understood."""


class Answer(Skill):
    """Small talk that a text answers, one per intent; questions, by what they need to know."""

    skill = "action_answer"
    interrupts = True

    def understands(self, turn: Turn) -> bool:
        """Nonsense lands in out_of_scope without much conviction: that is no understanding."""
        sure = turn.guesses[0].confidence if turn.guesses else 1.0
        return turn.intent != "out_of_scope" or sure >= SURELY_OUT_OF_SCOPE

    def handle(self, turn: Turn) -> Reply:
        if turn.intent in QUESTIONS:
            return questions.at_once(turn)
        key = f"faq.{turn.intent}"
        if not self.understands(turn) or not turn.services.texts.has(key):
            return not_understood(turn)
        return Reply((turn.say(key),), offers_person(turn) or _next_steps(turn))


class CheckTicket(Skill):
    """check_ticket: stage, colour and promise of the customer's own tickets."""

    skill = "action_check_ticket"
    interrupts = True

    def handle(self, turn: Turn) -> Reply:
        typed = turn.given_now("ticket_no") or turn.slot("ticket_no")
        number = canonical_number(typed) if typed else None
        mine = [
            ticket
            for ticket in tickets.of_customer(turn.session, turn.conversation.customer_id)
            if number is None or ticket.number == number
        ]
        if number is None:
            mine = [ticket for ticket in mine if ticket.state not in FINISHED][:3] or mine[:1]
        if not mine:
            key = "ticket.not_yours" if number else "ticket.none"
            return Reply(
                (turn.say(key, number=typed or ""),),
                (Button(turn.say("talk.ask_person"), turn.say("talk.ask_person_say")),),
                remember(pending=None if number else "check_ticket", ticket_no=None),
            )
        return Reply(tuple(_stage(turn, ticket) for ticket in mine), events=remember(pending=None))


class Inform(Skill):
    """inform, affirm, deny outside a form: the detail asked for, or a number by itself."""

    skill = "action_inform"

    def handle(self, turn: Turn) -> Reply:
        pending = turn.slot("pending")
        proposals = turn.tracker.get_slot("proposals") or []
        number = turn.given_now("waybill_no")
        if number is None and turn.intent == "affirm" and len(proposals) == 1:
            number = proposals[0]
        if turn.intent == "deny" and proposals:
            return Reply((turn.say("track.which"),), events=remember(proposals=None))
        if turn.given_now("ticket_no"):
            return CheckTicket().handle(turn)
        about = turn.slot("waybill_no")
        if number is None and pending == PROOF and about and digits_in(turn.text, asked=True):
            return prove(turn, about)
        if number is None and pending == "track_parcel" and any(map(str.isdigit, turn.text)):
            number = turn.text
        ticket = _waits_for_facts(turn)
        if ticket and turn.intent == "inform" and (number is None or ticket.waybill_no is None):
            return self._into(turn, ticket, number)
        if number is not None:
            return track(turn, *(turn.all_given("waybill_no") or [number]))
        if turn.intent == "affirm" and pending in CHANGES:
            if turn.services.orders_go_out or pending in NEED_NO_DEPOT:
                return Reply(events=(FollowupAction(CHANGE_FORM),))
            return pass_on(turn, pending)
        if turn.intent in {"affirm", "deny"}:
            return Reply((turn.say(f"talk.{turn.intent}"),), _next_steps(turn))
        return Reply((turn.say("talk.noted"),), offers_person(turn) or _next_steps(turn))

    def _into(self, turn: Turn, ticket: Ticket, number: str | None) -> Reply:
        """A detail told after the ticket was opened goes into it."""
        turn.services.tickets.told(
            turn.session,
            ticket,
            turn.text,
            waybill_no=canonical(number)[:40] if number else None,
        )
        return Reply((turn.say("ticket.told", number=ticket.number),), offers_person(turn))


def _waits_for_facts(turn: Turn) -> Ticket | None:
    """This conversation's newest unfinished ticket."""
    unfinished = [
        ticket
        for ticket in tickets.of_conversation(turn.session, turn.conversation.id)
        if ticket.state not in FINISHED
    ]
    return unfinished[-1] if unfinished else None


def _next_steps(turn: Turn) -> tuple[Button, ...]:
    """What most people want next, as buttons, after small talk."""
    if turn.in_form or turn.intent not in {"greet", "bot_challenge", "inform", "affirm"}:
        return ()
    return tuple(
        Button(turn.say(f"talk.steps.{step}.title"), turn.say(f"talk.steps.{step}.say"))
        for step in ("track", "problem", "person")
    )


def _stage(turn: Turn, ticket: Ticket) -> str:
    key = "ticket.stage_by" if ticket.next_due_at else "ticket.stage"
    facts = {"by": ticket.next_due_at} if ticket.next_due_at else {}
    return turn.say(
        key,
        number=ticket.number,
        kind=turn.say(f"words.kind.{ticket.kind}"),
        state=turn.say(f"words.state.{ticket.state}"),
        **facts,
    )
