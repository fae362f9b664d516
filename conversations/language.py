"""Which language a customer writes: enough to answer in it."""

from __future__ import annotations

import re

LANGUAGES = ("zh", "en")
_CJK = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
_CODE = re.compile(r"[^\s@]+@[^\s@]+|[A-Za-z]*\d[A-Za-z\d]*")


def of(text: str, fallback: str) -> str:
    """``zh`` as soon as there is Chinese, ``en`` for a Latin word that is no code or address."""
    if _CJK.search(text):
        return "zh"
    if _LATIN_WORD.search(_CODE.sub(" ", text)):
        return "en"
    return fallback
