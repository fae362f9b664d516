"""ask_price and ask_transit_time: from where to where, how heavy; the price with its reasons."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import cast

from actions.asking import Answer, told
from actions.change_words import person
from actions.draft import Asked, Draft
from actions.turn import Turn, joined
from parcels import history, quantities
from parcels.history import Spread
from parcels.quantities import plain
from parcels.regions import Place
from parcels.tariffs import Parcel, Part, Tariffs, Topic
from store import clock


class Transit:
    """How long from one place to another, before anything is sent."""

    def hear(self, turn: Turn, draft: Draft) -> Draft:
        return _hear_route(turn, draft)

    def missing(self, turn: Turn, draft: Draft) -> Asked | None:
        return _end_missing(draft)

    def why(self, turn: Turn, draft: Draft) -> str | None:
        return _unknown_place(turn, draft)

    def answer(self, turn: Turn, draft: Draft) -> Answer:
        tariffs = turn.services.tariffs
        origin, destination = _ends(tariffs, draft)
        spellings = tariffs.regions.spellings
        took = history.route(turn.session, spellings(origin), spellings(destination))
        words = [
            self._by_history(turn, origin, destination, took)
            if took
            else self._by_table(turn, origin, destination),
            turn.say("price.transit.note"),
        ]
        return (joined(words, turn.language),), ()

    def _by_history(self, turn: Turn, origin: Place, destination: Place, took: Spread) -> str:
        texts, language = turn.services.texts, turn.language
        return turn.say(
            "price.transit.history",
            origin=origin.name(language),
            destination=destination.name(language),
            parcels=took.parcels,
            median=texts.span(took.median, language),
            low=texts.span(took.low, language),
            high=texts.span(took.high, language),
            end=texts.day(clock.now() + took.high, language),
        )

    def _by_table(self, turn: Turn, origin: Place, destination: Place) -> str:
        tariffs, texts, today = turn.services.tariffs, turn.services.texts, clock.now()
        first, last = tariffs.days(origin, destination)
        return turn.say(
            "price.transit.days",
            origin=origin.name(turn.language),
            destination=destination.name(turn.language),
            zone=turn.say(f"price.zone.{tariffs.zone(origin, destination)}"),
            first=first,
            last=last,
            begin=texts.day(today + timedelta(days=first), turn.language),
            end=texts.day(today + timedelta(days=last), turn.language),
        )

    def general(self, turn: Turn) -> str:
        zones = turn.services.tariffs.policy.zones
        return turn.say("price.transit.general", **{n: z.days[1] for n, z in zones.items()})


class Price:
    """What sending costs: the whole reckoning, or the one rule that was asked about."""

    def hear(self, turn: Turn, draft: Draft) -> Draft:
        size, value = quantities.size(turn.text), quantities.value(turn.text)
        weight = quantities.weight(turn.text, bare=draft.asked == "weight")
        heard = told(
            _hear_route(turn, draft.without("topic")),
            {
                "weight": str(weight) if weight else None,
                "size": " ".join(map(str, size)) if size else None,
                "value": str(value) if value else None,
            },
        )
        if draft.asked is None and heard.details == draft.without("topic").details:
            return told(heard, {"topic": turn.services.tariffs.topic(turn.text)})
        return heard

    def missing(self, turn: Turn, draft: Draft) -> Asked | None:
        if "topic" in draft.details:
            return None
        if "weight" not in draft.details and "size" not in draft.details:
            return _end_missing(draft) or "weight"
        return _end_missing(draft)

    def why(self, turn: Turn, draft: Draft) -> str | None:
        return _unknown_place(turn, draft)

    def answer(self, turn: Turn, draft: Draft) -> Answer:
        if "topic" in draft.details:
            return (self._about(turn, cast(Topic, draft.details["topic"])),), ()
        tariffs, parcel = turn.services.tariffs, _parcel(draft)
        limits, most = tariffs.policy.limits, tariffs.policy.insurance.most
        if tariffs.too_big(parcel):
            words = turn.say("price.too_big", weight=limits.weight_kg, side=limits.side_cm)
            return (words,), person(turn)
        origin, destination = _ends(tariffs, draft)
        pickup = turn.services.changes.pickup.price
        quote = tariffs.quote(origin, destination, parcel, pickup)
        head = turn.say(
            "price.head",
            origin=origin.name(turn.language),
            destination=destination.name(turn.language),
            zone=turn.say(f"price.zone.{quote.zone}"),
            kg=plain(quote.billed_kg),
        )
        lines = [_line(turn, part) for part in quote.parts]
        total = turn.say("price.total", yuan=plain(quote.total))
        if parcel.value is not None and parcel.value > most:
            return ("\n".join([head, *lines, turn.say("price.too_dear", most=most)]),), person(turn)
        return ("\n".join([head, *lines, total]),), ()

    def general(self, turn: Turn) -> str:
        return turn.say(
            "price.general", city=plain(turn.services.tariffs.policy.zones["city"].first)
        )

    def _about(self, turn: Turn, topic: Topic) -> str:
        policy, pickup = turn.services.tariffs.policy, turn.services.changes.pickup.price
        each = [step.per_kg for zone in policy.zones.values() for step in zone.steps]
        free, costs = turn.say("change.free"), turn.say("change.price", price=plain(pickup))
        facts: dict[Topic, dict[str, object]] = {
            "insurance": {
                "rate": plain(policy.insurance.rate * 100),
                "minimum": plain(policy.insurance.minimum),
                "most": policy.insurance.most,
            },
            "volume": {"divisor": policy.volume_divisor},
            "pickup": {"price": costs if pickup else free},
            "weight": {
                **{name: plain(zone.first) for name, zone in policy.zones.items()},
                "least": plain(min(each)),
                "most": plain(max(each)),
            },
        }
        return turn.say(f"price.about.{topic}", **facts[topic])


def _hear_route(turn: Turn, draft: Draft) -> Draft:
    """Both ends as far as they are told; ``unknown``: what was called a place and is none."""
    regions = turn.services.tariffs.regions
    asked = draft.asked if draft.asked in {"origin", "destination"} else None
    route = regions.route(turn.text, asked=asked)
    if route.origin is None and route.destination is None:
        return _hear_mistyped(turn, draft, asked)
    draft = told(
        draft,
        {
            "origin": _key(route.origin) if route.origin else None,
            "destination": _key(route.destination) if route.destination else None,
        },
    )
    return draft.without("unknown")


def _hear_mistyped(turn: Turn, draft: Draft, asked: str | None) -> Draft:
    """A place that a slip of the finger hides, or one we do not know."""
    said = turn.given_now("place") or (turn.text if draft.asked == asked and asked else None)
    if not said or len(said) > 40:
        return draft
    place = turn.services.tariffs.regions.named(said)
    if place is None:
        return draft.told(unknown=said) if turn.given_now("place") else draft
    return draft.without("unknown").told(**{asked or "destination": _key(place)})


def _unknown_place(turn: Turn, draft: Draft) -> str | None:
    unknown = draft.details.get("unknown")
    return turn.say("price.unknown_place", place=unknown) if unknown else None


def _end_missing(draft: Draft) -> Asked | None:
    match "origin" in draft.details, "destination" in draft.details:
        case False, False:
            return "route"
        case False, True:
            return "origin"
        case True, False:
            return "destination"
    return None


def _key(place: Place) -> str:
    return place.city or place.province


def _ends(tariffs: Tariffs, draft: Draft) -> tuple[Place, Place]:
    origin, destination = (
        tariffs.regions.named(draft.details[end]) for end in ("origin", "destination")
    )
    assert origin is not None
    assert destination is not None
    return origin, destination


def _parcel(draft: Draft) -> Parcel:
    details = draft.details
    length, width, height = (
        map(Decimal, details["size"].split()) if "size" in details else (None, None, None)
    )
    return Parcel(
        Decimal(details["weight"]) if "weight" in details else None,
        (length, width, height) if length and width and height else None,
        Decimal(details["value"]) if "value" in details else None,
    )


def _line(turn: Turn, part: Part) -> str:
    return turn.say(
        f"price.line.{part.key}", **{name: plain(value) for name, value in part.facts.items()}
    )
