"""Questions whose answer needs facts: each asks only for what is missing, then answers.

A question that the message itself answers costs one action. One that lacks a fact is carried on by
the form of the changes, whose draft keeps what was told; afterwards the draft stays, so that the
next question ("and how long does that take?") asks for nothing that was told before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rasa_sdk.events import FollowupAction

from actions import asking_points, asking_price, asking_rules
from actions.asking import Question
from actions.change_words import ask, end
from actions.draft import Draft
from actions.handing import offers_person
from actions.turn import CHANGE_FORM, Reply, Turn, remember

QUESTIONS: Mapping[str, Question] = {
    "ask_price": asking_price.Price(),
    "ask_transit_time": asking_price.Transit(),
    "ask_service_point": asking_points.Nearest(),
    "ask_sending_rules": asking_rules.Rules(),
}
TRIES = 2


def at_once(turn: Turn) -> Reply:
    """The answer to a question outside its own form; in another one, as much as can be said."""
    question = QUESTIONS[turn.intent]
    draft = question.hear(turn, begin(turn))
    if question.missing(turn, draft) is None:
        words, buttons = question.answer(turn, draft)
        # A change under way keeps its own draft.
        kept = () if turn.form else remember(change=_finished(draft).to_slot(), pending=None)
        return Reply(words, buttons or offers_person(turn), kept)
    if turn.form:
        return Reply((question.general(turn),))
    return Reply(events=(FollowupAction(CHANGE_FORM),))


def begin(turn: Turn) -> Draft:
    """A draft of the question asked now, with what an earlier question was told."""
    before = Draft.of(turn.tracker.get_slot("change"))
    details = before.details if before and before.intent in QUESTIONS else {}
    return Draft(intent=turn.intent, said=turn.text, details=details)


def go_on(turn: Turn, draft: Draft) -> Reply:
    """Hear the message, then answer or ask for what is missing."""
    question = QUESTIONS[draft.intent]
    draft = question.hear(turn, draft)
    missing = question.missing(turn, draft)
    if missing is not None:
        return ask(turn, draft, missing, question.why(turn, draft))
    words, buttons = question.answer(turn, draft)
    events = remember(change=_finished(draft).to_slot(), requested_slot=None, pending=None)
    return Reply(words, buttons or offers_person(turn), events)


def heard(turn: Turn, draft: Draft) -> Reply | None:
    """Go on with a message that answers the question asked; None if it answers nothing."""
    told = QUESTIONS[draft.intent].hear(turn, draft)
    if told.details != draft.details:
        return go_on(turn, replace(draft, tries=0))
    return None


def again(turn: Turn, draft: Draft) -> Reply:
    """Not an answer: asked once more, then what can be said without."""
    question = QUESTIONS[draft.intent]
    if draft.tries + 1 >= TRIES or turn.shrugs:
        return end(question.general(turn), buttons=offers_person(turn))
    return ask(
        turn, replace(draft, tries=draft.tries + 1), question.missing(turn, draft) or "place"
    )


def _finished(draft: Draft) -> Draft:
    return replace(draft, asked=None, tries=0)
