"""The sentence vectors are the ones that were measured, to the last byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.nlu import vectors
from bot.nlu.vectors import NoVectors, VectorsUnavailable, open_vectors, use_vectors

# First four of 512, from the wheel 0.2.1 on 21 November 2026.
GOLDEN = {
    "我的快递到哪了": (-0.00548, -0.03475, -0.04177, 0.00699),
    "where is my parcel": (0.01072, -0.01236, -0.06835, 0.00690),
}


def test_golden_vectors() -> None:
    rows = use_vectors().encode(list(GOLDEN))
    assert rows.shape == (2, 512)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    for row, golden in zip(rows, GOLDEN.values(), strict=True):
        assert np.allclose(row[:4], golden, atol=2e-4)


def test_the_same_question_in_two_languages_is_near() -> None:
    zh, en, other = use_vectors().encode([*GOLDEN, "鱼香肉丝怎么做"])
    assert zh @ en > 0.6 > zh @ other


def test_many_texts_give_the_rows_of_few_in_order() -> None:
    texts = [f"parcel {number}" for number in range(vectors._MANY + 5)]
    many = use_vectors().encode(texts)
    for index in (0, 1, 250, len(texts) - 1):
        assert np.allclose(many[index], use_vectors().encode([texts[index]])[0], atol=1e-4)


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    for name in vectors.USE_FILES:
        (tmp_path / name).write_bytes(b"altered")
    with pytest.raises(VectorsUnavailable, match="install the pinned wheel"):
        vectors._check_files(tmp_path)


def test_without_vectors_rows_have_no_width() -> None:
    assert NoVectors().encode(["a", "b"]).shape == (2, 0)
    assert open_vectors("none").width == 0
    with pytest.raises(VectorsUnavailable, match="no sentence vectors called"):
        open_vectors("word2vec")
