"""What a classifier sees of a message: hashed n-grams, the text and the clauses for the vectors.

Numbers that name a parcel, a phone or a ticket say nothing about what the customer wants beyond
being there, so each is replaced by a word for its kind before anything is counted.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.nlu.normalise import normalise
from bot.nlu.numbers import find_numbers

Rows = NDArray[np.float32]
Keys = NDArray[np.uint32]

_PLACEHOLDER = {"waybill_no": " NUM ", "phone": " TEL ", "ticket_no": " TICKET "}
_CJK_RUN = re.compile(r"[\u3400-\u9fff\d?!]+|NUM|TEL|TICKET")
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*|\d+|[?!]")
# Longer ones were tried and cost accuracy: docs/understanding.md.
_CJK_GRAMS = range(1, 3)
_WORD_GRAMS = range(1, 3)
_LETTER_GRAMS = range(4, 7)
_CLAUSE_END = re.compile(
    r"[，。！？；,.!?;：:、\n…~～—]+|(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])"
)
_SHORTEST_CLAUSE = 2  # characters


def masked(text: str) -> str:
    """The folded message with its numbers replaced by the names of their kinds."""
    folded = normalise(text).text
    parts: list[str] = []
    position = 0
    for number in find_numbers(folded):
        parts += [folded[position : number.start], _PLACEHOLDER[number.kind]]
        position = number.end
    return "".join([*parts, folded[position:]])


def clauses(plain: str) -> list[str]:
    """The clauses of a masked text, at least one; a long story makes its point in one of them."""
    parts = [part.strip() for part in _CLAUSE_END.split(plain)]
    return [part for part in parts if len(part) >= _SHORTEST_CLAUSE] or [plain]


def grams(text: str) -> Iterator[str]:
    """Chinese characters in runs of 1 and 2, Latin words in runs of 1 and 2 and their letters."""
    for run in _CJK_RUN.findall(text):
        for size in _CJK_GRAMS:
            for start in range(len(run) - size + 1):
                yield "c" + run[start : start + size]
    words = _WORD.findall(text.lower())
    for size in _WORD_GRAMS:
        for start in range(len(words) - size + 1):
            yield "w" + " ".join(words[start : start + size])
    for word in words:
        if word[0].isalpha():
            edged = f"<{word}>"
            for size in _LETTER_GRAMS:
                for start in range(len(edged) - size + 1):
                    yield "l" + edged[start : start + size]


def counted(text: str) -> tuple[Keys, Rows]:
    """Hashed n-grams of a masked text: keys (n,), sorted, and 1 + log of each count (n,)."""
    counts = Counter(zlib.crc32(gram.encode()) for gram in grams(text))
    keys = np.fromiter(counts.keys(), dtype=np.uint32, count=len(counts))
    values = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
    order = np.argsort(keys)
    return keys[order], 1 + np.log(values[order])


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The n-grams seen in training: ``keys`` (g,), sorted, and their inverse document frequency."""

    keys: Keys
    idf: Rows

    @classmethod
    def learn(cls, texts: Iterable[str]) -> Vocabulary:
        """Every n-gram of the masked training texts, with the smoothed idf of scikit-learn."""
        seen: Counter[int] = Counter()
        total = 0
        for text in texts:
            total += 1
            seen.update(counted(text)[0].tolist())
        keys = np.array(sorted(seen), dtype=np.uint32)
        documents = np.array([seen[key] for key in keys.tolist()], dtype=np.float32)
        idf = np.log((1 + total) / (1 + documents)) + 1
        return cls(keys, idf.astype(np.float32))

    def weigh(self, text: str) -> tuple[NDArray[np.intp], Rows]:
        """Known n-grams of a masked text: columns (n,) and tf-idf values (n,) of L2 norm 1."""
        keys, values = counted(text)
        columns = np.searchsorted(self.keys, keys)
        columns[columns == len(self.keys)] = 0
        known = self.keys[columns] == keys if len(self.keys) else np.zeros(len(keys), bool)
        columns, values = columns[known], values[known] * self.idf[columns[known]]
        norm = float(np.sqrt(values @ values))
        return columns, values / norm if norm else values
