"""A change or question under way: what is known of it so far, in Rasa's slot ``change``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from parcels.change_models import OrderKind
from parcels.times import Interval

Asked = Literal[
    "number",
    "digits",
    "time",
    "place",
    "person",
    "confirm",
    "title",
    "tax_number",
    "email",
    "route",
    "origin",
    "destination",
    "weight",
    "where",
    "goods",
]
"""Of a change, of an invoice, of a question."""


@dataclass(frozen=True, slots=True)
class Draft:
    """``details`` is what an order carries (parcels/orders.py:Wish); ``asked`` is the question
    that waits for its answer (None: it is over), ``tries`` the answers in a row that did not answer
    it."""

    intent: str
    said: str
    """The customer's words that began it: they name the change."""
    kind: OrderKind | None = None
    waybill_no: str | None = None
    details: dict[str, str] = field(default_factory=dict)
    asked: Asked | None = None
    tries: int = 0

    @classmethod
    def of(cls, slot: Any) -> Draft | None:
        """The draft in the slot, if there is one."""
        if not isinstance(slot, dict):
            return None
        kind = slot.get("kind")
        return cls(**{**slot, "kind": OrderKind(kind) if kind else None})

    def to_slot(self) -> dict[str, Any]:
        return asdict(self)

    def told(self, **details: str) -> Draft:
        """With further details; the question is answered."""
        return replace(self, details={**self.details, **details}, tries=0)

    def without(self, *names: str) -> Draft:
        return replace(self, details={k: v for k, v in self.details.items() if k not in names})

    def at(self, window: Interval) -> Draft:
        return self.told(**{"from": window.start.isoformat(), "to": window.end.isoformat()})
