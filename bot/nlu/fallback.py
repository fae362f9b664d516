"""When the bot should rather ask or hand over than act: too unsure, too close, or too strange."""

from __future__ import annotations

from dataclasses import dataclass

from bot.nlu.classifier import Prediction

FALLBACK_INTENT = "nlu_fallback"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Limits under which a prediction is not acted on; each is a plain number in config.yml.

    ``confidence``: least probability of the best intent. ``margin``: least lead over the second.
    ``nearness``: least cosine to anything ever seen in training; the message is then asked for
    a confidence of ``strange_confidence``.
    """

    confidence: float = 0.25
    margin: float = 0.02
    nearness: float = 0.25
    strange_confidence: float = 0.5

    def reason(self, prediction: Prediction) -> str | None:
        """Why not to act on the prediction, None when it may be acted on."""
        best, second = prediction.ranking[0][1], (*prediction.ranking, ("", 0.0))[1][1]
        if best < self.confidence:
            return f"confidence {best:.2f} is under {self.confidence:.2f}"
        if best - second < self.margin:
            return f"leads {prediction.ranking[1][0]} by only {best - second:.2f}"
        if prediction.nearness < self.nearness and best < self.strange_confidence:
            return f"like nothing in training (nearness {prediction.nearness:.2f})"
        return None
