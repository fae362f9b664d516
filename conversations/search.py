"""Full-text search that finds two-character Chinese words, the same on both engines.

CJK runs become overlapping bigrams (a single character stays one token), everything else words,
both folded to lower case. A query matches a message that holds all of its tokens; the text itself
is compared afterwards, so a phrase is found as a phrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_RUN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[^\W_]+")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_MAX_TOKEN = 48


def fold(text: str) -> str:
    """Full width to half, lower case, spaces joined: how two texts are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def tokens(text: str, *, query: bool = False) -> list[str]:
    """Tokens in order, without repeats. Of a text also the single CJK characters are indexed."""
    found: dict[str, None] = {}
    for run in _RUN.findall(fold(text)):
        for token in _cjk(run, query) if _CJK.match(run) else (run[:_MAX_TOKEN],):
            found[token] = None
    return list(found)


def _cjk(run: str, query: bool) -> Iterable[str]:
    if len(run) == 1:
        return (run,)
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return pairs if query else [*pairs, *run]
