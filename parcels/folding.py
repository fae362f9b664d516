"""Names as they are compared: half width, lower case, Simplified."""

from __future__ import annotations

import unicodedata
from functools import cache

from opencc import OpenCC


def fold(text: str) -> str:
    """A name or message in the form in which names are looked up; lengths may change."""
    lower = unicodedata.normalize("NFKC", text).casefold()
    return str(_simplifier().convert(lower))


@cache
def _simplifier() -> OpenCC:
    return OpenCC("t2s")
