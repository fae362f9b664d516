"""Where is it: finding the parcels that are meant, and asking where that is not certain."""

from __future__ import annotations

from itertools import chain

from actions import proof
from actions.base import Skill
from actions.change_words import person
from actions.telling import chase, describe, feeling
from actions.turn import Reply, Turn, joined, remember, yes_or_number
from conversations import repository as record
from conversations.schemas import Button
from parcels import identity, lookup, service
from parcels.identity import Answer
from parcels.models import Shipment
from parcels.service import ENDED

MOST = 5
"""Parcels of one answer."""
PROOF = "prove_parcel"
"""``pending`` while the digits are asked for that let us say who the courier is."""


class TrackParcel(Skill):
    """track_parcel: an answer from the record, or a question when the number is not certain."""

    skill = "action_track_parcel"
    interrupts = True

    def handle(self, turn: Turn) -> Reply:
        slot = turn.told[0] if len(turn.told) == 1 else turn.slot("waybill_no")
        numbers = turn.all_given("waybill_no") or ([slot] if slot else _mine(turn))
        if not numbers:
            return Reply((turn.say("track.which"),), events=remember(pending="track_parcel"))
        return track(turn, *numbers)


def track(turn: Turn, *typed: str) -> Reply:
    """Say where the parcels of these typed numbers are, a message each."""
    replies = [_track_one(turn, number) for number in typed[:MOST]]
    if len(replies) == 1:
        return replies[0]
    words = tuple(chain.from_iterable(reply.words for reply in replies))
    if len(typed) > MOST:
        words += (turn.say("track.more", count=len(typed) - MOST),)
    buttons = dict.fromkeys(chain.from_iterable(reply.buttons for reply in replies))
    return Reply(words, tuple(buttons), replies[-1].events)


def prove(turn: Turn, number: str) -> Reply:
    """The answer to the question for the digits: then where it is, and who brings it."""
    return _track_one(turn, number, asked=True)


def propose(turn: Turn, typed: str, near: list[str], pending: str | None) -> Reply:
    """Ask which of the real numbers was meant: never guess silently."""
    key = "track.did_you_mean" if len(near) == 1 else "track.which_of"
    return Reply(
        (turn.say(key, typed=typed, number=near[0]),),
        buttons=yes_or_number(near),
        events=remember(waybill_no=None, proposals=near, pending=pending),
    )


def _mine(turn: Turn) -> list[str]:
    """The parcels this customer has proved to be his: those still on their way, or else all."""
    customer = record.customer_of(turn.session, turn.conversation)
    rules = turn.services.changes.identity
    numbers = identity.all_proven(turn.session, rules, customer, limit=MOST)
    found = [lookup.find(turn.session, number) for number in numbers]
    mine = [each.shipment for each in found if isinstance(each, lookup.Found)]
    coming = [shipment for shipment in mine if shipment.status not in ENDED]
    return [shipment.waybill_no for shipment in coming or mine]


def _track_one(turn: Turn, typed: str, *, asked: bool = False) -> Reply:
    """One parcel; repair or ask where the number is not exact."""
    match lookup.find(turn.session, typed):
        case lookup.Found(shipment):
            return _tell(turn, shipment, asked=asked)
        case lookup.Proposals(typed=number, shipments=near):
            return propose(turn, number, [s.waybill_no for s in near], pending="track_parcel")
        case lookup.Unknown(typed=number, mistyped=mistyped):
            key = "track.mistyped" if mistyped else "track.unknown"
            return Reply(
                (turn.say(key, number=number),),
                events=remember(waybill_no=None, pending="track_parcel", proposals=None),
            )


def _tell(turn: Turn, shipment: Shipment, *, asked: bool) -> Reply:
    """Where it is, and to its owner who brings it; whom to call if it stands too long."""
    number = shipment.waybill_no
    known = remember(waybill_no=number, proposals=None)
    refused = _refused(turn, number, asked=asked)
    if refused is not None:
        return Reply(refused.words, refused.buttons, (*known, *refused.events))
    at = service.whereabouts(turn.session, shipment)
    who, pending = _courier(turn, shipment)
    words = joined([feeling(turn, at), describe(turn, at), who, chase(turn, at)], turn.language)
    words = f"{words}\n{_page(turn, shipment)}"
    buttons = (Button(turn.say("track.chase_it"), turn.say("track.chase_it")),)
    return Reply(
        (words,),
        buttons if at.needs_chasing else (),
        (*known, *remember(pending=pending)),
    )


def _page(turn: Turn, shipment: Shipment) -> str:
    link = turn.services.timeline.link(turn.session, shipment)
    return turn.say("timeline.link", link=link)


def _refused(turn: Turn, number: str, *, asked: bool) -> Reply | None:
    """What is said where the message's digits prove nothing; None if they do, or are none."""
    if identity.digits_in(turn.text, asked=asked) is None or proof.proven(turn, number):
        return None
    match proof.hear(turn, number, asked=asked):
        case Answer.WRONG:
            return Reply((turn.say("change.wrong_digits"),), events=remember(pending=PROOF))
        case Answer.LOCKED:
            minutes = turn.services.changes.identity.lock_minutes
            words = turn.say("change.locked", minutes=minutes)
            return Reply((words,), person(turn), remember(pending=None))
    return None


def _courier(turn: Turn, shipment: Shipment) -> tuple[str | None, str | None]:
    """Who brings it, or what to tell us first; and the ``pending`` that goes with it."""
    courier = service.courier(turn.session, shipment)
    if courier is None:
        return None, None
    if not proof.proven(turn, shipment.waybill_no):
        return turn.say("track.prove"), PROOF
    if courier.phone is None:
        return turn.say("track.courier_name", name=courier.name), None
    return turn.say("track.courier", name=courier.name, phone=courier.phone), None
