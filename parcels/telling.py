"""Why a parcel stands still, in words, wherever it is told: in the chat and on its page."""

from __future__ import annotations

from conversations.texts import Texts
from parcels.road_models import Incident
from parcels.service import Whereabouts
from store import clock


def why(texts: Texts, language: str, at: Whereabouts) -> str | None:
    """What staff entered, what the source says, or how long is usual there; None if it does not
    stand."""
    if at.incident is not None:
        return _incident(texts, language, at.incident)
    if at.reason:
        return texts.say(language, "track.because", reason=at.reason)
    stay = at.standing
    if stay is None or not (at.late or stay.unusual):
        return None
    stood = texts.span(stay.stood, language)
    if stay.usual is None:
        return texts.say(language, "track.stands", place=stay.place, stood=stood)
    key = "track.stands_long" if stay.unusual else "track.stands_as_usual"
    usual = texts.span(stay.usual, language)
    return texts.say(
        language, key, place=stay.place, stood=stood, usual=usual, parcels=stay.parcels
    )


def _incident(texts: Texts, language: str, incident: Incident) -> str:
    own = incident.words_en if language == "en" else incident.words_zh
    place = incident.place
    if incident.to_place:
        place = texts.say(language, "track.route", place=incident.place, to_place=incident.to_place)
    because = own or texts.say(language, f"track.incident.{incident.kind}", place=place)
    until = incident.expected_until
    key = "track.incident_until" if until > clock.now() else "track.incident_longer"
    ends = texts.say(language, key, until=until)
    return f"{because}{ends}" if language == "zh" else f"{because} {ends}"
