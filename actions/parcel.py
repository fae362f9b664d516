"""Where is it: the node, the time, what happens next, the ETA."""

from __future__ import annotations

from actions.base import Skill
from actions.turn import Reply, Turn, joined, remember, yes_or_number
from parcels import lookup
from parcels.models import Shipment, Status
from parcels.service import Whereabouts, whereabouts


class TrackParcel(Skill):
    """track_parcel: an answer from the record, or a question when the number is not certain."""

    skill = "action_track_parcel"
    interrupts = True

    def handle(self, turn: Turn) -> Reply:
        typed = turn.given_now("waybill_no") or (
            turn.told[0] if len(turn.told) == 1 else turn.slot("waybill_no")
        )
        if typed is None:
            return Reply((turn.say("track.which"),), events=remember(pending="track_parcel"))
        return track(turn, typed)


def track(turn: Turn, typed: str) -> Reply:
    """Say where the parcel of a typed number is; repair or ask where the number is not exact."""
    match lookup.find(turn.session, typed):
        case lookup.Found(shipment):
            return Reply(
                (describe(turn, shipment),),
                events=remember(waybill_no=shipment.waybill_no, pending=None, proposals=None),
            )
        case lookup.Proposals(typed=number, shipments=near):
            return propose(turn, number, [s.waybill_no for s in near], pending="track_parcel")
        case lookup.Unknown(typed=number, mistyped=mistyped):
            key = "track.mistyped" if mistyped else "track.unknown"
            return Reply(
                (turn.say(key, number=number),),
                events=remember(waybill_no=None, pending="track_parcel", proposals=None),
            )


def propose(turn: Turn, typed: str, near: list[str], pending: str | None) -> Reply:
    """Ask which of the real numbers was meant: never guess silently."""
    key = "track.did_you_mean" if len(near) == 1 else "track.which_of"
    return Reply(
        (turn.say(key, typed=typed, number=near[0]),),
        buttons=yes_or_number(near),
        events=remember(waybill_no=None, proposals=near, pending=pending),
    )


def describe(turn: Turn, shipment: Shipment) -> str:
    """The node, when, what next, why it stands, and the ETA: as much as the record holds."""
    at = whereabouts(turn.session, shipment)
    return joined(
        [
            _node(turn, at),
            turn.say("track.because", reason=at.reason) if at.reason else None,
            _next(turn, at),
            _eta(turn, at),
        ],
        turn.language,
    )


def _node(turn: Turn, at: Whereabouts) -> str:
    if at.at is None:
        return turn.say("track.no_scan", number=at.waybill_no)
    key = f"track.status.{Status(at.status)}"
    place = at.place or turn.say("track.somewhere")
    return turn.say(key, number=at.waybill_no, place=place, at=at.at)


def _next(turn: Turn, at: Whereabouts) -> str | None:
    if at.next_place and at.next_at:
        return turn.say("track.next_at", place=at.next_place, at=at.next_at)
    if at.next_place:
        return turn.say("track.next", place=at.next_place)
    key = f"track.then.{Status(at.status)}"
    return turn.say(key) if turn.services.texts.has(key) else None


def _eta(turn: Turn, at: Whereabouts) -> str | None:
    if at.status in {Status.DELIVERED, Status.RETURNED} or at.eta_to is None:
        return None
    if at.late:
        return turn.say("track.late", at=at.eta_to)
    if at.eta_from:
        window = turn.services.texts.window(at.eta_from, at.eta_to, turn.language)
        return turn.say("track.eta_window", window=window)
    return turn.say("track.eta", at=at.eta_to)
