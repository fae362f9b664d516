"""Tokens of mixed Chinese and English: one per CJK character, one per word or number.

Whitespace tokens cannot carry the entities of Chinese text (nothing separates the words); one
token per character aligns every annotation of the corpus. No dictionary is needed, so a name
that no dictionary knows is not cut wrongly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CJK = (
    "\u2e80-\u2fdf\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_TOKEN = re.compile(
    rf"[{_CJK}]"  # one CJK character
    rf"|\d+(?:[.,:]\d+)+"  # 3.5, 1,200 and 15:30 stay whole
    rf"|\d+(?=[^\W\d_{_CJK}]{{1,4}}(?![^\W_{_CJK}]))"  # the digits of 5pm, 20kg, 3rd
    rf"|[^\W_{_CJK}]+(?:['’][^\W\d_{_CJK}]+)*"  # words, waybills, don't
    r"|[^\s]"  # punctuation, emoji, symbols one by one
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a message: ``message[start:end] == text``."""

    text: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Cut a message into tokens, in order; only white space lies between them."""
    return [Token(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(text)]


def is_cjk(character: str) -> bool:
    """Whether a character is written without spaces around words."""
    return re.match(f"[{_CJK}]", character) is not None
