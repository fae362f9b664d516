"""Proof that a parcel is this customer's, heard in the message being answered."""

from __future__ import annotations

from actions.turn import Turn
from conversations import repository as record
from parcels import identity


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
