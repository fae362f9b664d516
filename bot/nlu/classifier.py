"""The intent of a message: kernel ridge regression over n-grams and sentence vectors, calibrated.

The kernel is the sum of three likenesses: tf-idf cosine of n-grams, a Gaussian of the whole
message's vector, a Gaussian of the mean of its clauses' vectors. A trained model is plain arrays
and asking it needs numpy alone, so that the serving process loads neither scikit-learn nor scipy
for it (80 MB). Training is in learning.py; what else was tried, in docs/understanding.md.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.nlu.features import Rows, Vocabulary, clauses, grams, masked
from bot.nlu.vectors import SentenceVectors, open_vectors

GAMMA = 1.5
_ARRAYS = "intents.npz"
_FACTS = "intents.json"


@dataclass(frozen=True, slots=True)
class Prediction:
    """Intents with probabilities (sum 1), most likely first, and how well known the message is.

    ``nearness`` is the cosine of the closest message kept from training (1 without sentence
    vectors); far from everything means that the probabilities say little.
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


@dataclass(frozen=True, slots=True)
class View:
    """One way of turning n training messages into vectors: ``known`` (n, d), rows of norm 1.

    A raw vector (w,) is moved by ``mean`` (w,) and turned by ``basis`` (w, d), its principal axes.
    """

    mean: Rows
    basis: Rows
    known: Rows

    def project(self, raw: Rows) -> Rows:
        """Raw vectors (m, w) as rows (m, d) of norm 1."""
        rows = (raw - self.mean) @ self.basis
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        projected: Rows = rows / np.maximum(norms, 1e-9)
        return projected


def gaussian(cosines: Rows) -> Rows:
    """exp(gamma (cosine - 1)), computed in place: likeness 1 for the same direction."""
    cosines -= 1
    cosines *= np.float32(GAMMA)
    return np.exp(cosines, out=cosines)


def raw_views(plain: list[str], vectors: SentenceVectors) -> tuple[Rows, ...]:
    """Vectors of n masked texts: of the whole (n, w) and of the mean of clauses (n, w), or none."""
    if not vectors.width:
        return ()
    parts = [clauses(text) for text in plain]
    extra = [part for several in parts if len(several) > 1 for part in several]
    rows = vectors.encode([*plain, *extra])
    whole, rest = rows[: len(plain)], rows[len(plain) :]
    mean = whole.copy()
    position = 0
    for index, several in enumerate(parts):
        if len(several) > 1:
            mean[index] = rest[position : position + len(several)].mean(axis=0)
            position += len(several)
    norms = np.linalg.norm(mean, axis=1, keepdims=True)
    return whole, mean / np.maximum(norms, 1e-9)


@dataclass(frozen=True)
class IntentModel:
    """A trained model of c intents, g n-grams and the k training messages that were kept.

    Scores (c,) are ``values @ sparse[columns] + likeness @ dense``: ``sparse`` (g, c) holds the
    n-gram kernel's weights folded into one row per n-gram, ``dense`` (k, c) the weights of the
    Gaussians; ``lean`` (c,) is added. ``temperature`` makes their softmax a probability.
    """

    intents: tuple[str, ...]
    vocabulary: Vocabulary
    sparse: NDArray[np.float16]
    views: tuple[View, ...]
    dense: Rows
    lean: Rows
    temperature: float
    vectors: SentenceVectors

    def predict(self, text: str) -> Prediction:
        """The intents of a message as the customer typed it."""
        plain = masked(text)
        columns, values = self.vocabulary.weigh(plain)
        scores = values @ self.sparse[columns].astype(np.float32) + self.lean
        raws = raw_views([plain], self.vectors)
        cosines = [v.known @ v.project(raw)[0] for v, raw in zip(self.views, raws, strict=True)]
        nearness = float(cosines[0].max()) if cosines else 1.0
        if cosines:
            scores = scores + sum(map(gaussian, cosines)) @ self.dense
        exponents = np.exp((scores - scores.max()) / self.temperature)
        probabilities = exponents / exponents.sum()
        order = np.argsort(-probabilities)
        ranking = tuple((self.intents[i], float(probabilities[i])) for i in order)
        return Prediction(ranking, nearness)

    def evidence(self, text: str, intent: str, other: str) -> list[tuple[str, float]]:
        """What each known n-gram adds to one intent's lead over another, most first."""
        plain = masked(text)
        columns, values = self.vocabulary.weigh(plain)
        names = {zlib.crc32(gram.encode()): gram[1:] for gram in grams(plain)}
        rows = self.sparse[columns].astype(np.float32)
        one, two = self.intents.index(intent), self.intents.index(other)
        leads = values * (rows[:, one] - rows[:, two])
        keys = self.vocabulary.keys[columns].tolist()
        found = [(names[key], float(lead)) for key, lead in zip(keys, leads, strict=True)]
        return sorted(found, key=lambda pair: -pair[1])

    def save(self, folder: Path) -> None:
        """Write the model's arrays and facts into a folder."""
        views = {
            f"{name}{index}": getattr(view, name).astype(np.float16)
            for index, view in enumerate(self.views)
            for name in ("mean", "basis", "known")
        }
        np.savez(
            folder / _ARRAYS,
            keys=self.vocabulary.keys,
            idf=self.vocabulary.idf,
            sparse=self.sparse,
            dense=self.dense.astype(np.float16),
            lean=self.lean,
            **views,
        )
        facts = {
            "intents": self.intents,
            "temperature": self.temperature,
            "vectors": self.vectors.name,
            "views": len(self.views),
        }
        (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> IntentModel:
        """Read what ``save`` wrote; the vectors it was trained with must be available."""
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
            views = tuple(
                View(
                    *(
                        arrays[f"{name}{i}"].astype(np.float32)
                        for name in ("mean", "basis", "known")
                    )
                )
                for i in range(facts["views"])
            )
            return cls(
                intents=tuple(facts["intents"]),
                vocabulary=Vocabulary(arrays["keys"], arrays["idf"]),
                sparse=arrays["sparse"],
                views=views,
                dense=arrays["dense"].astype(np.float32),
                lean=arrays["lean"],
                temperature=facts["temperature"],
                vectors=open_vectors(facts["vectors"]),
            )
