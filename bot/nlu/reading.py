"""From a message to what Rasa's parse answers: the same dictionaries in Rasa and without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.nlu.classifier import Prediction
from bot.nlu.fallback import FALLBACK_INTENT, Doubt
from bot.nlu.merge import merge
from bot.nlu.normalise import normalise
from bot.nlu.numbers import find_numbers
from bot.nlu.tagger import EntityTagger, Span

Output = dict[str, Any]


def intent_output(prediction: Prediction) -> Output:
    """``intent``, ``intent_ranking`` and ``nearness`` in Rasa's shape."""
    ranking = [{"name": name, "confidence": p} for name, p in prediction.ranking]
    return {
        "intent": dict(ranking[0]),
        "intent_ranking": ranking,
        "nearness": prediction.nearness,
    }


def doubt_output(parsed: Mapping[str, Any], doubt: Doubt) -> Output:
    """What changes when the limits say that nobody should act on it; empty when one may."""
    ranking = parsed.get("intent_ranking") or []
    if not ranking:
        return {}
    prediction = Prediction(
        tuple((item["name"], item["confidence"]) for item in ranking), parsed.get("nearness", 1.0)
    )
    reason = doubt.reason(prediction)
    if reason is None:
        return {}
    fallback = {"name": FALLBACK_INTENT, "confidence": doubt.confidence}
    return {"intent": fallback, "intent_ranking": [dict(fallback), *ranking], "doubt": reason}


def entity_output(text: str, tagger: EntityTagger | None) -> list[Output]:
    """``entities`` in Rasa's shape; ``value`` is what the customer typed."""
    folded = normalise(text)
    numbers = find_numbers(folded.text)
    repaired = {folded.span(n.start, n.end): n.value for n in numbers}
    spans = [Span(n.kind, *folded.span(n.start, n.end), 1.0, "numbers") for n in numbers]
    spans += tagger.find(text) if tagger else []
    return [_entity(text, span, repaired) for span in merge(spans)]


def _entity(text: str, span: Span, repaired: Mapping[tuple[int, int], str]) -> Output:
    entity: Output = {
        "entity": span.kind,
        "start": span.start,
        "end": span.end,
        "value": text[span.start : span.end],
        "confidence_entity": round(span.confidence, 4),
        "extractor": span.source,
    }
    if (span.start, span.end) in repaired and span.source == "numbers":
        entity["normalised"] = repaired[span.start, span.end]
    return entity
