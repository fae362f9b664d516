"""A small real corpus for tests that train: three intents of the repository's own messages."""

from __future__ import annotations

from pathlib import Path

from bot.nlu.corpus import Message, load

ROOT = Path(__file__).parents[2]
INTENTS = ("ask_price", "report_damage", "thank")


def messages() -> list[Message]:
    """About eighty Chinese and forty English messages of each of three intents."""
    found: list[Message] = []
    for folder, count in (("zh", 80), ("en", 40)):
        for intent in INTENTS:
            path = ROOT / "data" / "nlu" / folder / f"{intent}.yml"
            found += [m for m in load(path.parent) if m.path == path][:count]
    return found
