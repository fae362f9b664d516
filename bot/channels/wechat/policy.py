"""``policies/wechat.yml``: the account's menu, and what its template message says.

Limits: the platform's page on custom menus (3 buttons, 5 below each; lengths in bytes).
"""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Any

from pydantic import Field, model_validator

from store.policies import Policy

TOP, BELOW = 16, 60
"""Bytes of a button's name."""
LONGEST_WORDS = 128
THING = 20
"""Characters that a template's field takes."""


class Entry(Policy):
    """A button: pressing it says ``says``, opens ``url``, or scans a bar code (``scan``)."""

    name: Annotated[str, Field(min_length=1)]
    says: str | None = None
    url: Annotated[str, Field(pattern=r"^https?://", max_length=1024)] | None = None
    scan: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Entry:
        if sum((self.says is not None, self.url is not None, self.scan, self._opens)) != 1:
            raise ValueError(f"the button {self.name} needs one of says, url, scan (or items)")
        if len(self.name.encode()) > (BELOW if type(self) is Entry else TOP):
            raise ValueError(f"the name {self.name} is too long")
        if self.says is not None and not 0 < len(self.says.encode()) <= LONGEST_WORDS:
            raise ValueError(f"what {self.name} says has 1 to {LONGEST_WORDS} bytes")
        return self

    @property
    def _opens(self) -> bool:
        return False

    def button(self) -> dict[str, Any]:
        """As the platform writes it."""
        if self.scan:
            # The key is named back to us; what was scanned is what counts.
            return {"type": "scancode_waitmsg", "name": self.name, "key": "scan"}
        if self.url is not None:
            return {"type": "view", "name": self.name, "url": self.url}
        return {"type": "click", "name": self.name, "key": self.says}


class Top(Entry):
    """A button of the bar: like the others, or with ``items`` that open above it."""

    items: Annotated[tuple[Entry, ...], Field(max_length=5)] = ()

    @property
    def _opens(self) -> bool:
        return bool(self.items)

    def button(self) -> dict[str, Any]:
        if not self.items:
            return super().button()
        return {"name": self.name, "sub_button": [item.button() for item in self.items]}


class WeChatPolicy(Policy):
    """``template`` names the fields of the company's template with what is put there: ``{words}``
    (how the waiting message begins) and ``{at}`` (now)."""

    menu: Annotated[tuple[Top, ...], Field(max_length=3)] = ()
    template: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_facts(self) -> WeChatPolicy:
        for field, shown in self.template.items():
            facts = {name for _, name, _, _ in Formatter().parse(shown) if name is not None}
            if not facts <= {"words", "at"}:
                raise ValueError(f"template {field}: only {{words}} and {{at}} can be put in")
        return self

    def buttons(self) -> list[dict[str, Any]]:
        return [top.button() for top in self.menu]

    def data(self, words: str, at: str) -> dict[str, Any]:
        """The fields of a template message."""
        return {
            field: {"value": shown.format(words=_short(words), at=at)}
            for field, shown in self.template.items()
        }


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= THING else f"{line[: THING - 1]}…"
