"""Whose parcel it is: the number, the last four digits, and then what belongs to its owner."""

from __future__ import annotations

from dataclasses import replace

from actions.change_words import ask, end, person
from actions.draft import Draft
from actions.turn import Reply, Turn, yes_or_number
from conversations import repository as record
from parcels import identity, notices, waybills
from parcels import repository as parcels
from parcels.lookup import canonical
from parcels.models import Shipment


def proven(turn: Turn, number: str) -> bool:
    """Whether this customer has proved it before."""
    customer = record.customer_of(turn.session, turn.conversation)
    return identity.proven(turn.session, turn.services.changes.identity, customer, number)


def hear(turn: Turn, number: str, *, asked: bool) -> identity.Answer | None:
    """What the message's digits prove; LOCKED whatever it says; None if it gives none."""
    rules = turn.services.changes.identity
    customer = record.customer_of(turn.session, turn.conversation)
    if identity.locked(turn.session, rules, customer, number):
        return identity.Answer.LOCKED
    digits = identity.digits_in(turn.text, asked=asked)
    if digits is None or turn.message is None:
        return None
    return identity.prove(turn.session, rules, customer, turn.message.id, number, digits)


def owned(turn: Turn, draft: Draft) -> Shipment | Reply:
    """The shipment, once this customer has proved that it is his; else what is to be said.

    Nothing before the proof looks whether the number exists; a number that nobody can have issued
    is told apart by its own check digit.
    """
    rules = turn.services.changes.identity
    customer = record.customer_of(turn.session, turn.conversation)
    typed = which(turn, draft)
    if isinstance(typed, Reply):
        return typed
    number = canonical(typed)[:40]
    formats = waybills.recognise(number)
    if formats and not any(found.possible for found in formats):
        words = turn.say("track.mistyped", number=number)
        return ask(turn, replace(draft, waybill_no=None), "number", words)
    if not proven(turn, number):
        answer = hear(turn, number, asked=draft.asked == "digits")
        if answer is None:
            return ask(turn, replace(draft, waybill_no=number), "digits")
        if answer is identity.Answer.LOCKED:
            words = turn.say("change.locked", minutes=rules.lock_minutes)
            return end(words, buttons=person(turn))
        if answer is identity.Answer.WRONG:
            words = turn.say("change.wrong_digits")
            return ask(turn, replace(draft, waybill_no=number, tries=0), "digits", words)
        draft = replace(draft, asked=None)
    shipment = parcels.by_waybill(turn.session, number)
    assert shipment is not None, "proved, and yet unknown"
    if turn.services.notices.by_default:
        notices.follow(turn.session, customer.id, number)
    return shipment


def which(turn: Turn, draft: Draft) -> str | Reply:
    """The number as it was typed, or meant by "my parcel"; else the question for it."""
    if draft.waybill_no:
        return draft.waybill_no
    if turn.told:
        return ask(turn, draft, "number", turn.say("notices.which"), yes_or_number(turn.told))
    customer = record.customer_of(turn.session, turn.conversation)
    mine = identity.only_proven(turn.session, turn.services.changes.identity, customer)
    return mine or ask(turn, draft, "number")
