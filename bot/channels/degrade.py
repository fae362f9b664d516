"""A message cut to what a channel can carry: buttons to numbered text, long text to parts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from conversations.schemas import Button, Capabilities

_BREAKS = re.compile(r"(?<=[\n。！？!?；;])|(?<=\. )|(?<=[，, ])")

_MEASURES: dict[str, Callable[[str], int]] = {
    "characters": len,
    "utf16": lambda text: len(text.encode("utf-16-le")) // 2,
    "bytes": lambda text: len(text.encode()),
}


def degrade(
    text: str, buttons: tuple[Button, ...], can: Capabilities
) -> list[tuple[str, tuple[Button, ...]]]:
    """The parts to send, in order; buttons stay with the last one."""
    if buttons and not _carries(text, buttons, can):
        text, buttons = numbered(text, buttons), ()
    parts = split(text, can.max_length, _MEASURES[can.unit])
    return [(part, buttons if n == len(parts) else ()) for n, part in enumerate(parts, 1)]


def _carries(text: str, buttons: tuple[Button, ...], can: Capabilities) -> bool:
    measure, menu = _MEASURES[can.unit], can.menu
    return can.buttons and (
        menu is None
        or (
            len(buttons) <= menu.buttons
            and measure(text) <= menu.words
            and all(measure(button.title) <= menu.title for button in buttons)
        )
    )


def numbered(text: str, buttons: tuple[Button, ...]) -> str:
    """The text with the buttons' titles below it, as choices."""
    return "\n".join([text, *(f"{n}. {b.title}" for n, b in enumerate(buttons, 1))])


def fits(text: str, can: Capabilities) -> bool:
    """Whether the text is one part."""
    return _MEASURES[can.unit](text) <= can.max_length


def split(text: str, limit: int, measure: Callable[[str], int] = len) -> list[str]:
    """Cut where people pause; inside a word only when one piece alone is longer than ``limit``."""
    if measure(text) <= limit:
        return [text]
    parts: list[str] = []
    current = ""
    for piece in (p for p in _BREAKS.split(text) if p):
        while measure(piece) > limit:
            room = limit - measure(current)
            head = _head(piece, room, measure)
            parts.append((current + head).strip())
            current, piece = "", piece[len(head) :]
            if not head and room == limit:
                raise ValueError("limit is smaller than one character")
        if measure(current + piece) > limit:
            parts.append(current.strip())
            current = ""
        current += piece
    return [part for part in [*parts, current.strip()] if part]


def _head(text: str, room: int, measure: Callable[[str], int]) -> str:
    """The longest beginning that fits, found by halving."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low]
