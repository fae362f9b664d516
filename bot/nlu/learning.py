"""Training the intent model: kernel ridge regression by conjugate gradients, reduced, calibrated.

Shapes: n messages, c intents, g n-grams, k messages kept. The kernel (n, n) takes 4 n² bytes while
training (1 GB at 16,000 messages); time grows with n². Sources: kernel ridge regression, Saunders
et al. 1998; conjugate gradients run as c independent ones over one matrix product; reduced sets,
Burges 1996.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.optimize import minimize_scalar
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from bot.nlu.classifier import IntentModel, View, gaussian, raw_views
from bot.nlu.features import Rows, Vocabulary, masked
from bot.nlu.vectors import SentenceVectors

RIDGE = 0.4
AXES = 128  # principal axes kept of each view's 512
_ROUNDS = 60
_CLOSE_ENOUGH = 1e-2  # of the right-hand side's norm; tighter changed no prediction
_LANDMARKS = 1000
_BULK = 2.5  # what stands for the kernel's many small eigenvalues
_KEPT = 12_000  # messages
_KEPT_RIDGE, _KEPT_BULK = 0.1, 0.3
_TINY = np.float32(1e-12)
_FOLDS = 5
_BLOCK = 1024  # rows of the kernel that a thread works on at once
_CALIBRATED_BY = 6000  # messages

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Messages ready to learn from."""

    intents: tuple[str, ...]
    labels: Labels
    vocabulary: Vocabulary
    grams: sparse.csr_matrix
    views: tuple[View, ...]

    def kernel(self) -> Rows:
        """The likeness of every message to every other, shape (n, n)."""
        count = len(self.labels)
        total: Rows = np.empty((count, count), dtype=np.float32)

        def fill(block: slice) -> None:
            rest = slice(block.start, None)  # the other half is this one's mirror
            rows = (self.grams[block] @ self.grams[rest].T).toarray()
            for view in self.views:
                rows += gaussian(view.known[block] @ view.known[rest].T)
            total[block, rest] = rows
            total[rest, block] = rows.T

        _in_blocks(fill, count)
        return total

    def targets(self) -> Rows:
        """1 for a message's intent, a little under 0 for the others, shape (n, c)."""
        count = len(self.intents)
        wanted = np.full((len(self.labels), count), -1 / max(count - 1, 1), dtype=np.float32)
        wanted[np.arange(len(self.labels)), self.labels] = 1
        return wanted


def train(
    texts: Sequence[str],
    intents: Sequence[str],
    vectors: SentenceVectors,
    lean: Mapping[str, float] = MappingProxyType({}),
) -> IntentModel:
    """Learn from messages as customers typed them (n texts, n intents), on all cores.

    ``lean`` is added to an intent's score: above 0 for one that is missed more often than
    wrongly seen.
    """
    ready = prepare(texts, intents, vectors)
    kernel, targets = ready.kernel(), ready.targets()
    seen, unseen = folds(ready.labels)[0]
    # A part is enough for one number; its scores are a little less sure than the whole's.
    seen = np.random.default_rng(0).permutation(seen)[:_CALIBRATED_BY]
    scores = held_out(kernel, targets, seen, unseen)
    leaning = np.array([lean.get(intent, 0.0) for intent in ready.intents], dtype=np.float32)
    temperature = best_temperature(scores + leaning, ready.labels[unseen])
    weights = solve(kernel, targets)
    folded: Rows = ready.grams.T @ weights
    kept, dense = reduced(ready.grams, kernel, weights, folded)
    return IntentModel(
        intents=ready.intents,
        vocabulary=ready.vocabulary,
        sparse=folded.astype(np.float16),
        views=tuple(View(view.mean, view.basis, view.known[kept]) for view in ready.views),
        dense=dense,
        lean=leaning,
        temperature=temperature,
        vectors=vectors,
    )


def prepare(texts: Sequence[str], intents: Sequence[str], vectors: SentenceVectors) -> Prepared:
    """Count n-grams and compute the vectors' views."""
    plain = [masked(text) for text in texts]
    names = tuple(sorted(set(intents)))
    vocabulary = Vocabulary.learn(plain)
    return Prepared(
        intents=names,
        labels=np.array([names.index(intent) for intent in intents], dtype=np.int64),
        vocabulary=vocabulary,
        grams=_matrix(plain, vocabulary),
        views=tuple(_view(raw) for raw in raw_views(plain, vectors)),
    )


def folds(labels: Labels, count: int = _FOLDS) -> list[tuple[Labels, Labels]]:
    """``count`` splits into (seen, unseen) indices, every intent spread evenly; always the same."""
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    share = np.arange(len(labels)) % count
    return [(np.sort(order[share != k]), np.sort(order[share == k])) for k in range(count)]


def held_out(kernel: Rows, targets: Rows, seen: Labels, unseen: Labels) -> Rows:
    """Scores of the unseen messages by a model of the seen ones only."""
    weights = np.zeros_like(targets)
    weights[seen] = solve(kernel[np.ix_(seen, seen)], targets[seen])
    scores: Rows = kernel[unseen] @ weights
    return scores


def reduced(
    grams: sparse.csr_matrix, kernel: Rows, weights: Rows, folded: Rows
) -> tuple[Labels, Rows]:
    """The k messages that weigh most, the hard ones, and weights (k, c) for them that give the
    Gaussians' scores as all n gave them: asking costs k, not n.

    The n-grams' part of the kernel is taken away; its weights are ``folded`` (g, c) as it is.
    """
    kept = np.sort(np.argsort(-np.abs(weights).sum(axis=1))[:_KEPT])
    rows = grams[kept]
    wanted: Rows = kernel[kept] @ weights - rows @ folded
    inner = kernel[np.ix_(kept, kept)] - (rows @ rows.T).toarray()
    return kept, solve(inner, wanted, _KEPT_RIDGE, _KEPT_BULK)


def solve(kernel: Rows, targets: Rows, ridge: float = RIDGE, bulk: float = _BULK) -> Rows:
    """Weights (n, c) with (kernel + ridge) @ weights = targets, by conjugate gradients.

    Preconditioned by the kernel's shape on ``_LANDMARKS`` messages (Nyström), which brings some
    sixty rounds down to twelve.
    """
    settle = _preconditioner(kernel, np.float32(bulk))
    weights = np.zeros_like(targets)
    rest = targets.copy()
    goal = np.einsum("ij,ij->j", rest, rest) * np.float32(_CLOSE_ENOUGH**2)
    settled = settle(rest)
    direction = settled.copy()
    power = np.einsum("ij,ij->j", rest, settled)
    for _ in range(_ROUNDS):
        product = _product(kernel, direction) + np.float32(ridge) * direction
        step = power / np.maximum(np.einsum("ij,ij->j", direction, product), _TINY)
        weights += step * direction
        rest -= step * product
        if (np.einsum("ij,ij->j", rest, rest) <= goal).all():
            break
        settled = settle(rest)
        previous, power = power, np.einsum("ij,ij->j", rest, settled)
        direction = settled + (power / np.maximum(previous, _TINY)) * direction
    return weights


def _product(kernel: Rows, rows: Rows) -> Rows:
    """``kernel @ rows``, shape (n, c)."""
    total = np.empty_like(rows)

    def fill(block: slice) -> None:
        np.matmul(kernel[block], rows, out=total[block])

    _in_blocks(fill, len(rows))
    return total


def _in_blocks(work: Callable[[slice], None], count: int) -> None:
    """Do ``work`` on blocks of ``count`` rows, a core for each.

    BLAS keeps to one thread in each: where its threads outnumber the cores that are free, they
    wait for one another at full speed, which took up to four times the processor time.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, blocks))


def _preconditioner(kernel: Rows, bulk: np.float32) -> Callable[[Rows], Rows]:
    """An approximate inverse of the kernel, by Woodbury's identity over its landmarks' columns."""
    count = min(_LANDMARKS, len(kernel) // 2)
    marks = np.random.default_rng(0).permutation(len(kernel))[:count]
    columns = np.ascontiguousarray(kernel[:, marks])
    inner = (bulk * columns[marks] + columns.T @ columns).astype(np.float64)
    factor = linalg.cho_factor(inner + 1e-3 * np.eye(count))

    def settle(rows: Rows) -> Rows:
        seen = linalg.cho_solve(factor, (columns.T @ rows).astype(np.float64))
        settled: Rows = (rows - columns @ seen.astype(np.float32)) / bulk
        return settled

    return settle


def best_temperature(scores: Rows, labels: Labels) -> float:
    """The divisor of the scores that makes their softmax most truthful (least log loss)."""

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(labels)), labels]
        return float((np.log(np.exp(scaled).sum(axis=1)) - chosen).mean())

    best = minimize_scalar(loss, bounds=(-4.0, 2.0), method="bounded")
    return float(np.exp(best.x))


def _matrix(plain: Sequence[str], vocabulary: Vocabulary) -> sparse.csr_matrix:
    """Tf-idf of the n-grams, shape (n, g)."""
    weighed = [vocabulary.weigh(text) for text in plain]
    indptr = np.cumsum([0, *(len(columns) for columns, _ in weighed)])
    columns = np.concatenate([columns for columns, _ in weighed])
    values = np.concatenate([values for _, values in weighed])
    return sparse.csr_matrix((values, columns, indptr), shape=(len(plain), len(vocabulary.keys)))


def _view(raw: Rows) -> View:
    """Move and turn raw vectors (n, w) onto their principal axes."""
    mean = raw.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((raw - mean).T))
    basis = np.ascontiguousarray(axes[:, ::-1][:, :AXES], dtype=np.float32)
    view = View(mean.astype(np.float32), basis, np.empty((0, basis.shape[1]), np.float32))
    return View(view.mean, view.basis, view.project(raw))
