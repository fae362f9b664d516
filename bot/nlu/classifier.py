"""The intent of a message: a linear model over n-grams and a sentence vector, calibrated.

Training uses scikit-learn; a trained model is plain arrays, and asking it needs numpy alone, so
that the serving process never loads scikit-learn or scipy for it (80 MB).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot.nlu.features import Rows, Vocabulary, masked
from bot.nlu.vectors import SentenceVectors, open_vectors

_ARRAYS = "intents.npz"
_FACTS = "intents.json"


@dataclass(frozen=True, slots=True)
class Prediction:
    """Intents with their probabilities (sum 1), most likely first, and how well known the message is.

    ``nearness`` is the cosine of the closest training message (1 without sentence vectors);
    far from everything means that the probabilities say little.
    """

    ranking: tuple[tuple[str, float], ...]
    nearness: float

    @property
    def intent(self) -> str:
        """The most likely intent."""
        return self.ranking[0][0]

    @property
    def confidence(self) -> float:
        """Its probability."""
        return self.ranking[0][1]


@dataclass(frozen=True)
class IntentModel:
    """A trained model of c intents, g n-grams and vectors of width w, with n training messages.

    ``sparse`` (g, c), ``dense`` (w, c) and ``bias`` (c,) give scores; ``temperature`` makes the
    softmax of the scores a probability; ``known`` (n, w) are the training vectors.
    """

    intents: tuple[str, ...]
    vocabulary: Vocabulary
    sparse: Rows
    dense: Rows
    bias: Rows
    temperature: float
    known: Rows
    vectors: SentenceVectors

    def predict(self, text: str) -> Prediction:
        """The intents of a message as the customer typed it."""
        plain = masked(text)
        columns, values = self.vocabulary.weigh(plain)
        vector = self.vectors.encode([plain])[0]
        scores = values @ self.sparse[columns] + vector @ self.dense + self.bias
        exponents = np.exp((scores - scores.max()) / self.temperature)
        probabilities = exponents / exponents.sum()
        order = np.argsort(-probabilities)
        ranking = tuple((self.intents[i], float(probabilities[i])) for i in order)
        nearness = float((self.known @ vector).max()) if self.known.size else 1.0
        return Prediction(ranking, nearness)

    def save(self, folder: Path) -> None:
        """Write the model's arrays and facts into a folder."""
        arrays = {
            "keys": self.vocabulary.keys,
            "idf": self.vocabulary.idf,
            "sparse": self.sparse.astype(np.float16),
            "dense": self.dense,
            "bias": self.bias,
            "known": self.known.astype(np.float16),
        }
        np.savez(folder / _ARRAYS, **arrays)
        facts = {
            "intents": self.intents,
            "temperature": self.temperature,
            "vectors": self.vectors.name,
        }
        (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> IntentModel:
        """Read what ``save`` wrote; vectors it was trained with must be available."""
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
            return cls(
                intents=tuple(facts["intents"]),
                vocabulary=Vocabulary(arrays["keys"], arrays["idf"]),
                sparse=arrays["sparse"].astype(np.float32),
                dense=arrays["dense"],
                bias=arrays["bias"],
                temperature=facts["temperature"],
                known=arrays["known"].astype(np.float32),
                vectors=open_vectors(facts["vectors"]),
            )
