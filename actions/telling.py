"""The words for where a parcel is: feelings first, then the facts, the next step with a time."""

from __future__ import annotations

from actions.handing import judge
from actions.turn import Turn, joined
from parcels.models import Status
from parcels.service import Whereabouts
from parcels.telling import why
from store import clock
from tickets.promises.models import PromiseKind

_ON_ITS_WAY = frozenset({Status.IN_TRANSIT, Status.EXPIRED})
CHASED = "report_delay"
"""The problem that is reported by asking to have a parcel chased."""


def feeling(turn: Turn, at: Whereabouts) -> str | None:
    """The word of regret that comes first where somebody has been kept waiting."""
    return turn.say("track.sorry") if at.needs_chasing or at.incident else None


def describe(turn: Turn, at: Whereabouts) -> str:
    """The node, when, why it stands, what next, and the ETA: as much as the record holds."""
    late = turn.say("track.late", at=at.due) if at.late else None
    words = [
        _node(turn, at),
        late,
        why(turn.services.texts, turn.language, at),
        _next(turn, at),
        _eta(turn, at),
    ]
    return joined(words, turn.language)


def chase(turn: Turn, at: Whereabouts) -> str | None:
    """What to do about a parcel that is late or stands too long, and by when a person calls."""
    if not at.needs_chasing:
        return None
    colour = judge(turn, CHASED).colour
    by = turn.services.tickets.clocks.by(PromiseKind.CONTACT, CHASED, colour)
    return turn.say("track.chase", by=by)


def _node(turn: Turn, at: Whereabouts) -> str:
    if at.at is None:
        return turn.say("track.no_scan", number=at.waybill_no)
    stands = at.status in _ON_ITS_WAY and (at.needs_chasing or at.incident)
    key = "track.last_seen" if stands else f"track.status.{Status(at.status)}"
    place = at.place or turn.say("track.somewhere")
    return turn.say(key, number=at.waybill_no, place=place, at=at.at)


def _next(turn: Turn, at: Whereabouts) -> str | None:
    if at.next_place and at.next_at:
        return turn.say("track.next_at", place=at.next_place, at=at.next_at)
    if at.next_place and at.next_by:
        return turn.say("track.next_by", place=at.next_place, by=at.next_by)
    if at.next_place:
        return turn.say("track.next", place=at.next_place)
    key = f"track.then.{Status(at.status)}"
    return turn.say(key) if turn.services.texts.has(key) else None


def _eta(turn: Turn, at: Whereabouts) -> str | None:
    """When it comes, how sure that is, and on how much it rests."""
    eta = at.eta
    if eta is None:
        if at.at is None or at.status not in _ON_ITS_WAY:
            return None
        held = at.incident or (at.standing and at.standing.unusual)
        return turn.say("track.eta.held" if held else "track.eta.unknown")
    if eta.earliest is None or eta.earliest <= clock.now():
        return turn.say(f"track.eta.{eta.basis}_by", by=eta.latest, parcels=eta.parcels)
    window = turn.services.texts.window(eta.earliest, eta.latest, turn.language)
    median = eta.median or eta.latest
    return turn.say(f"track.eta.{eta.basis}", window=window, median=median, parcels=eta.parcels)
