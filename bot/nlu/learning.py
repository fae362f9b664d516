"""Training the intent model: scikit-learn over n-grams and vectors, calibrated by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize_scalar
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from bot.nlu.classifier import IntentModel
from bot.nlu.features import Rows, Vocabulary, masked
from bot.nlu.vectors import SentenceVectors

_FOLDS = 4
_DENSE_WEIGHT = 1.0
_C = 1.0


def train(texts: Sequence[str], intents: Sequence[str], vectors: SentenceVectors) -> IntentModel:
    """Learn from messages as customers typed them (n texts, n intents)."""
    plain = [masked(text) for text in texts]
    labels = tuple(sorted(set(intents)))
    y = np.array([labels.index(intent) for intent in intents])
    dense = vectors.encode(plain)
    vocabulary = Vocabulary.learn(plain)
    rows = _matrix(plain, vocabulary, dense)
    temperature = _temperature(_held_out_scores(rows, y, len(labels)), y)
    fitted = LinearSVC(C=_C).fit(rows, y)
    weights = fitted.coef_.T.astype(np.float32)
    grams = len(vocabulary.keys)
    return IntentModel(
        intents=labels,
        vocabulary=vocabulary,
        sparse=weights[:grams],
        dense=weights[grams:] * _DENSE_WEIGHT,
        bias=fitted.intercept_.astype(np.float32),
        temperature=temperature,
        known=dense,
        vectors=vectors,
    )


def _matrix(plain: Sequence[str], vocabulary: Vocabulary, dense: Rows) -> sparse.csr_matrix:
    """Shape (n, g + w): tf-idf of the n-grams beside the weighted sentence vector."""
    weighed = [vocabulary.weigh(text) for text in plain]
    indptr = np.cumsum([0, *(len(columns) for columns, _ in weighed)])
    grams = sparse.csr_matrix(
        (
            np.concatenate([values for _, values in weighed]),
            np.concatenate([columns for columns, _ in weighed]),
            indptr,
        ),
        shape=(len(plain), len(vocabulary.keys)),
    )
    return sparse.hstack([grams, sparse.csr_matrix(dense * _DENSE_WEIGHT)]).tocsr()


def _held_out_scores(rows: sparse.csr_matrix, y: NDArray[np.int64], classes: int) -> Rows:
    """Scores (n, c) of each message by a model that has not seen it."""
    scores = np.zeros((len(y), classes), dtype=np.float32)
    folds = min(_FOLDS, int(np.bincount(y).min()))
    if folds < 2:
        return scores
    for seen, unseen in StratifiedKFold(folds, shuffle=True, random_state=0).split(rows, y):
        scores[unseen] = LinearSVC(C=_C).fit(rows[seen], y[seen]).decision_function(rows[unseen])
    return scores


def _temperature(scores: Rows, y: NDArray[np.int64]) -> float:
    """The divisor of the scores that makes their softmax most truthful (least log loss)."""

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(y)), y]
        return float((np.log(np.exp(scaled).sum(axis=1)) - chosen).mean())

    best = minimize_scalar(loss, bounds=(-4.0, 2.0), method="bounded")
    return float(np.exp(best.x))
