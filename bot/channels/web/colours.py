"""A brand's colour on light and on dark ground, readable on both by WCAG's measure of contrast."""

from __future__ import annotations

from dataclasses import dataclass

WHITE, BLACK = "#ffffff", "#000000"
SHEET = {"light": WHITE, "dark": "#15181d"}
"""The ground of the page, as in chat.css and dark.css."""

VISIBLE = 3.0
"""WCAG 1.4.11: a button or an outline against what is around it."""

READABLE = 4.5
"""WCAG 1.4.3: text against its ground."""

_ON_EVERY_SHADE = 7.0
"""Text that is readable on the sheet at this contrast is so on the tinted grounds beside it."""
_TINT = {"light": 0.08, "dark": 0.18}


@dataclass(frozen=True, slots=True)
class Shades:
    """What a brand colour becomes: itself, text on it, itself as text, and a wash of it."""

    colour: str
    on: str
    text: str
    wash: str


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def shades(colour: str, ground: str) -> Shades:
    """Everything the page needs of a colour; ``ground`` is ``light`` or ``dark``."""
    sheet, far = SHEET[ground], BLACK if ground == "light" else WHITE
    parts = (step / 20 for step in range(21))
    text = next(
        mixed
        for mixed in (_mix(colour, far, part) for part in parts)
        if contrast(mixed, sheet) >= _ON_EVERY_SHADE
    )
    return Shades(
        colour=colour,
        on=WHITE if contrast(WHITE, colour) >= READABLE else BLACK,
        text=text,
        wash=_mix(sheet, colour, _TINT[ground]),
    )


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _luminance(colour: str) -> float:
    """Relative luminance of an ``#rrggbb``, as WCAG 2 defines it."""
    parts = (value / 255 for value in _channels(colour))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: str, other: str, part: float) -> str:
    """``one`` with ``part`` (0 to 1) of ``other`` in it."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + bytes(round(a + (b - a) * part) for a, b in pairs).hex()
