"""ask_service_point: the nearest branch, station or locker, and whether it is open."""

from __future__ import annotations

from actions.asking import Answer, told
from actions.change_words import person
from actions.draft import Asked, Draft
from actions.turn import Turn
from parcels import points
from parcels.hours import Hours, State
from parcels.points import Ambiguous, Named, Near, Position
from store import clock


class Nearest:
    """Where, from a shared location or a place's name; of one kind or open now if so asked."""

    def hear(self, turn: Turn, draft: Draft) -> Draft:
        shared = turn.shared
        if shared is not None:
            return draft.without("near", "wide").told(at=_written(shared))
        spoken, place = turn.text, turn.given_now("place")
        if "which" in draft.details:
            spoken = f"{turn.text} {draft.details['which']}"
        regions = turn.services.tariffs.regions
        match points.find(turn.session, spoken, regions, (place,) if place else ()):
            case Named(name, position, wide):
                draft = draft.without("which", "cities", "unknown", "wide")
                return told(
                    draft, {"near": name, "at": _written(position), "wide": "yes" if wide else None}
                )
            case Ambiguous(name, cities):
                return draft.told(which=name, cities="、".join(cities))
        return draft.told(unknown=place) if place else draft

    def missing(self, turn: Turn, draft: Draft) -> Asked | None:
        if self._asks_phone(turn, draft):
            return None
        return None if "at" in draft.details else "where"

    def why(self, turn: Turn, draft: Draft) -> str | None:
        if "which" in draft.details:
            cities = draft.details["cities"]
            return turn.say("points.which_city", place=draft.details["which"], cities=cities)
        unknown = draft.details.get("unknown")
        return turn.say("points.unknown_place", place=unknown) if unknown else None

    def answer(self, turn: Turn, draft: Draft) -> Answer:
        if self._asks_phone(turn, draft):
            return (turn.say("points.hotline"),), person(turn)
        latitude, longitude = map(float, draft.details["at"].split())
        position, exact = Position(latitude, longitude), "wide" not in draft.details
        place = draft.details.get("near") or turn.say("points.here")
        rules = turn.services.points
        found = points.nearest(turn.session, rules, position, rules.kind(draft.said))
        found = found or points.nearest(turn.session, rules, position)
        if not found:
            words = turn.say("points.none_near", place=place, km=rules.within_km)
            return (words,), person(turn)
        near = "near" in draft.details
        head = turn.say("points.in_place", place=place) if near else turn.say("points.nearest")
        if any(word in draft.said.lower() for word in rules.open_now):
            open_ = [near for near in found if self._state(turn, near).open]
            head = head if open_ else turn.say("points.none_open", place=place)
            found = open_ or found
        lines = [self._line(turn, near, exact=exact) for near in found]
        return ("\n".join([head, *lines]),), ()

    def general(self, turn: Turn) -> str:
        return turn.say("change.ask.where")

    def _asks_phone(self, turn: Turn, draft: Draft) -> bool:
        """The company's number, and not a branch's."""
        folded = draft.said.lower()
        return "at" not in draft.details and any(
            word in folded for word in turn.services.points.phone
        )

    def _state(self, turn: Turn, near: Near) -> State:
        zone, holidays = turn.services.texts.zone, turn.services.points.holidays
        return Hours.parse(near.point.hours).at(clock.now(), zone, holidays)

    def _line(self, turn: Turn, near: Near, *, exact: bool) -> str:
        point, state = near.point, self._state(turn, near)
        distance = ""
        if exact and near.kilometres < 1:
            distance = turn.say("points.metres", m=round(near.kilometres * 100) * 10)
        elif exact:
            distance = turn.say("points.distance", km=f"{near.kilometres:.1f}")
        match state.open, state.changes_at:
            case True, None:
                open_ = turn.say("points.open_always")
            case True, at:
                open_ = turn.say("points.open_until", at=at)
            case False, None:
                open_ = turn.say("points.closed")
            case _, at:
                open_ = turn.say("points.opens_at", at=at)
        return turn.say(
            "points.line",
            name=point.name + (turn.say("points.demo") if point.demo else ""),
            kind=turn.say(f"points.kind.{point.kind}"),
            address=point.address,
            distance=distance,
            phone=turn.say("points.phone", phone=point.phone) if point.phone else "",
            open=open_,
        )


def _written(position: Position) -> str:
    return f"{position.latitude} {position.longitude}"
