"""Changes: proof of identity, what is possible, the price, a yes, the order to the depot.

The form's validator asks and acts by itself, as the report form's does (docs/decisions/0003).
"""

from __future__ import annotations

from dataclasses import replace

from rasa_sdk.events import FollowupAction

from actions import change_steps as steps
from actions import invoice, questions
from actions.base import Skill
from actions.change_words import closing, end
from actions.draft import Draft
from actions.handing import hand_over, judge
from actions.matters import CHANGES, problem_beside
from actions.questions import QUESTIONS
from actions.report import INTERRUPTIONS, THREAT, open_ticket
from actions.turn import CHANGE_FORM, Reply, Turn, remember
from parcels import identity
from parcels.change_models import OrderKind
from parcels.lookup import canonical

INVOICE = "ask_invoice"
NEED_NO_DEPOT = frozenset({INVOICE, "manage_notifications"})
AT_ONCE = frozenset({"ask_human", THREAT})
"""Whoever says this means it, whatever else the message holds."""
LETS_GO = frozenset({"deny", "goodbye"})
SHORT = 6
"""Signs of a message that calls the change off and not the parcel: 取消, 算了."""
ELSEWHERE, ANSWER = "report_misdelivery", 20
"""A neighbour's door looks like a parcel left there: asked for one, so short a message names it."""
TRIES = 2


class PassOn(Skill):
    """What only a person does goes to one; a problem told beside it becomes a ticket on the way."""

    skill = "action_pass_on"

    def handle(self, turn: Turn) -> Reply:
        if turn.intent == INVOICE:
            return Reply(events=(FollowupAction(CHANGE_FORM),))
        problem = problem_beside(turn)
        return open_ticket(turn, problem) if problem else pass_on(turn, turn.intent)


class ValidateChangeForm(Skill):
    """Carries a change from its first word to the order, one message at a time."""

    skill = "validate_change_form"
    changes = True

    def handle(self, turn: Turn) -> Reply:
        draft = Draft.of(turn.tracker.get_slot("change"))
        if draft is None or draft.asked is None:
            return self._begin(turn)
        if turn.intent in AT_ONCE:
            return Reply()
        if draft.intent in QUESTIONS:
            return self._question(turn, draft)
        heard = _hear(turn, draft)
        if heard is not None:
            return steps.go_on(turn, heard)
        if turn.text == turn.say("change.no") or turn.intent in LETS_GO or _calls_off(turn, draft):
            return end(turn.say("change.kept"))
        if turn.intent in CHANGES:
            return self._begin(turn, draft)
        if turn.intent in INTERRUPTIONS or turn.intent in turn.services.problems:
            return Reply()  # refused by the form, so that its own rule answers
        return self._again(turn, draft)

    def _question(self, turn: Turn, draft: Draft) -> Reply:
        """A question is dropped for whatever else is wanted."""
        heard = questions.heard(turn, draft)
        if heard is not None:
            return heard
        if turn.intent in LETS_GO:
            return end(turn.say("talk.deny"))
        if turn.intent in CHANGES or turn.intent in QUESTIONS.keys() - {draft.intent}:
            return self._begin(turn)
        if turn.intent in INTERRUPTIONS - {draft.intent} or turn.intent in turn.services.problems:
            return Reply()
        return questions.again(turn, draft)

    def _begin(self, turn: Turn, before: Draft | None = None) -> Reply:
        if turn.intent in QUESTIONS:
            return questions.go_on(turn, questions.begin(turn))
        intent = turn.intent if turn.intent in CHANGES else turn.slot("pending") or turn.intent
        problem = problem_beside(turn)
        if problem:
            return closing(open_ticket(turn, problem))
        if not turn.services.orders_go_out and intent not in NEED_NO_DEPOT:
            return closing(pass_on(turn, intent))
        offered = Draft.of(turn.tracker.get_slot("change"))
        if turn.intent == "affirm" and offered and offered.intent == intent:
            return steps.go_on(turn, offered, begun=True)
        number = turn.number or (before.waybill_no if before else None)
        draft = Draft(intent=intent, said=turn.text, waybill_no=number)
        if before is not None and before.intent == intent and _same_parcel(before, number):
            # Not ``confirm`` any more: what is asked for now has not been summed up yet.
            draft = replace(
                before, said=turn.text, waybill_no=number, asked=None, tries=before.tries + 1
            )
            if draft.tries > TRIES:
                return self._again(turn, draft)
        return steps.go_on(turn, steps.volunteered(turn, draft), begun=before is None)

    def _again(self, turn: Turn, draft: Draft) -> Reply:
        """Not an answer: asked once more, then a person."""
        if draft.tries + 1 >= TRIES or turn.shrugs:
            words = hand_over(turn, "change_request", draft.intent, verdict=judge(turn))
            return end(turn.say("change.person"), words)
        return steps.go_on(turn, replace(draft, tries=draft.tries + 1))


def pass_on(turn: Turn, intent: str) -> Reply:
    """Hand a change over: the words for its intent, the place in the queue, the time."""
    key = f"pass_on.{intent}"
    if not turn.services.texts.has(key):
        key = "pass_on.other"
    words = hand_over(turn, "change_request", intent, verdict=judge(turn))
    return Reply((turn.say(key), words), events=remember(pending=None))


def _hear(turn: Turn, draft: Draft) -> Draft | None:
    """The draft with the answer to its question; None if the message does not answer it."""
    match draft.asked:
        case "number":
            given = turn.given_now("waybill_no")
            if given is None and sum(map(str.isdigit, turn.text)) >= 8:
                given = turn.text
            return replace(draft, waybill_no=given, tries=0) if given else None
        case "digits":
            return draft if identity.digits_in(turn.text, asked=True) else None
        case "time":
            understood = steps.time_in(turn, turn.text)
            return steps.timed(turn, draft, understood) if understood else None
        case "title" | "tax_number" | "email":
            return invoice.hear(turn, draft)
        case "place" | "person" as need if _tells(turn):
            kind = _renamed(turn, draft)
            if kind is not None:
                return replace(draft, kind=kind, said=turn.text, tries=0)
            return draft.told(**{need: turn.text[:200]})
        case "confirm":
            return _confirmed(turn, draft)
    return None


def _confirmed(turn: Turn, draft: Draft) -> Draft | None:
    """A yes, or another wish in the place of the one that was summed up."""
    if turn.text == turn.say("change.yes") or turn.intent == "affirm":
        return draft
    understood = steps.time_in(turn, turn.text)
    if "from" in draft.details and understood and turn.intent not in LETS_GO:
        return replace(steps.timed(turn, draft, understood), asked=None)
    return None


def _same_parcel(before: Draft, number: str | None) -> bool:
    known = before.waybill_no
    return known is None or number is None or canonical(number) == canonical(known)


def _renamed(turn: Turn, draft: Draft) -> OrderKind | None:
    """Asked for the new address, a customer may say: then leave it at the door."""
    if draft.kind != OrderKind.ADDRESS:
        return None
    kind = turn.services.changes.named(draft.intent, turn.text)
    return kind if kind != draft.kind else None


def _tells(turn: Turn) -> bool:
    """Whether a message can be a place or a name: not when it plainly wants something else."""
    if turn.given_now("place") or turn.given_now("phone") or turn.shared:
        return True
    if turn.intent == ELSEWHERE and len(turn.text) <= ANSWER:
        return True
    away = INTERRUPTIONS | LETS_GO | {"nlu_fallback"} | set(turn.services.problems)
    return turn.intent not in away or (turn.intent == "nlu_fallback" and len(turn.text) > 1)


def _calls_off(turn: Turn, draft: Draft) -> bool:
    """A short 取消 calls off the change that is being made, not the parcel."""
    return (
        turn.intent == "cancel_or_return"
        and draft.intent != turn.intent
        and len(turn.text) <= SHORT
        and turn.given_now("waybill_no") is None
    )
