"""One spelling for what customers type in many: width, script, invisible characters.

Every character is folded alone (NFKC, then Traditional to Simplified by OpenCC's character
table), so each folded character knows where it came from: features are computed on the folded
text, entity values are cut out of the customer's own.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources

# Variants, and Cantonese characters that OpenCC's table leaves alone: the Mandarin word lets the
# sentence vectors (which never learned Cantonese) and the Mandarin training messages speak for it.
_EXTRA = {
    "爲": "为",
    "裏": "里",
    "喺": "在",
    "啲": "些",
    "冇": "没",
    "佢": "他",
    "哋": "们",
    "嘅": "的",
    "咗": "了",
    "嚟": "来",
    "睇": "看",
    "攞": "拿",
    "唔": "不",
    "係": "是",
    "搵": "找",
    "揾": "找",
    "畀": "给",
    "俾": "给",
    "嗰": "那",
    "咁": "这么",
    "噉": "这样",
    "嘢": "东西",
    "乜": "什么",
    "咩": "什么",
    "啱": "刚",
    "仲": "还",
    "返": "回",
    "噃": "啊",
    "喎": "啊",
    "㗎": "的",
}
_DROPPED = frozenset({"Cf", "Mn", "Me"})  # zero-width characters, variation selectors, stray marks


@dataclass(frozen=True, slots=True)
class Normalised:
    """A folded text beside its original: ``text[i]`` came from ``original[origins[i]]``."""

    original: str
    text: str
    origins: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` (not empty) stands in the original."""
        return self.origins[start], self.origins[end - 1] + 1

    def value(self, start: int, end: int) -> str:
        """What the customer typed for ``text[start:end]``."""
        first, last = self.span(start, end)
        return self.original[first:last]


@cache
def _simplified() -> dict[str, str]:
    """OpenCC's Traditional to Simplified characters (first reading where there are several)."""
    table = resources.files("opencc").joinpath("dictionary/TSCharacters.txt")
    pairs = (line.split("\t") for line in table.read_text(encoding="utf-8").splitlines())
    found = {pair[0]: pair[1].split(" ")[0] for pair in pairs if len(pair) == 2}
    return found | _EXTRA


@cache
def fold_character(character: str) -> str:
    """The folded form of one character; several characters or none are possible."""
    folded = unicodedata.normalize("NFKC", character)
    if all(unicodedata.category(part) in _DROPPED for part in folded):
        return ""
    table = _simplified()
    return "".join(
        " " if part.isspace() or unicodedata.category(part) == "Cc" else table.get(part, part)
        for part in folded
    )


def normalise(text: str) -> Normalised:
    """Fold a message; case is kept, since a waybill's letters are told from words by it."""
    folded: list[str] = []
    origins: list[int] = []
    for index, character in enumerate(text):
        parts = fold_character(character)
        folded.append(parts)
        origins.extend([index] * len(parts))
    return Normalised(text, "".join(folded), tuple(origins))
