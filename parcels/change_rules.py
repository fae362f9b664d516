"""``policies/changes.yml``: which change is possible at which state, until when, for how much."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from parcels import identity
from parcels.change_models import OrderKind
from parcels.models import Shipment, Status
from parcels.times import Interval
from store import clock
from store.policies import Policy, load

Need = Literal["time", "place", "person"]
PICKUPS = frozenset({OrderKind.PICKUP_BOOK, OrderKind.PICKUP_MOVE, OrderKind.PICKUP_CANCEL})


class Cut(Policy):
    """A state at which a change is possible. Yuan; minutes before the delivery window begins."""

    price: Decimal = Field(default=Decimal(0), ge=0, max_digits=8, decimal_places=2)
    minutes_before: NonNegativeInt | None = None

    def open(self, shipment: Shipment) -> bool:
        """Whether there is still time. Without a known window the depot decides."""
        if self.minutes_before is None or shipment.eta_from is None:
            return True
        return clock.now() <= shipment.eta_from - timedelta(minutes=self.minutes_before)


class Change(Policy):
    """One change: who asks for it, with which words, what it needs, when it is possible."""

    intent: str
    usual: bool = False
    words: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    states: dict[Status, Cut] = Field(default_factory=dict)


class Hours(Policy):
    """When something can be wished for. ``notice_minutes``: how long before it begins."""

    days: PositiveInt
    begin: time = Field(alias="from")
    end: time = Field(alias="to")
    notice_minutes: NonNegativeInt
    window_minutes: PositiveInt = 30
    price: Decimal = Field(default=Decimal(0), ge=0, max_digits=8, decimal_places=2)

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Hours:
        if self.begin >= self.end:
            raise ValueError("'from' must be before 'to'")
        return self

    def within(self, wish: Interval) -> Interval | None:
        """The part of a wish that can be had: None if it is over, too soon, too far or at night.

        A wish over several days is taken for the first of them that has hours left.
        """
        now = clock.now()
        zone = wish.start.tzinfo
        earliest = now + timedelta(minutes=self.notice_minutes)
        last = now.astimezone(zone).date() + timedelta(days=self.days)
        day = max(wish.start, now).astimezone(zone).date()
        while day <= min(last, wish.end.date()):
            start = max(wish.start, earliest, datetime.combine(day, self.begin, zone))
            end = min(wish.end, datetime.combine(day, self.end, zone))
            if start < end:
                return Interval(start.astimezone(zone), end)
            day += timedelta(days=1)
        return None

    def windows(self, span: Interval) -> list[Interval]:
        """Every window that begins in ``span``, on the clock's grid (15:00, 15:30 …)."""
        step = timedelta(minutes=self.window_minutes)
        midnight = span.start.replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight + -(-(span.start - midnight) // step) * step
        found = []
        while start < span.end:
            found.append(Interval(start, start + step))
            start += step
        return found


class Depot(Policy):
    give_up_minutes: PositiveInt

    @property
    def patience(self) -> timedelta:
        return timedelta(minutes=self.give_up_minutes)


class ChangeRules(Policy):
    """The whole policy. Every kind of order has its change, and nothing else does."""

    identity: identity.Rules
    depot: Depot
    delivery: Hours
    pickup: Hours
    changes: dict[OrderKind, Change]

    @model_validator(mode="after")
    def _complete(self) -> ChangeRules:
        if missing := set(OrderKind) - set(self.changes):
            raise ValueError(f"changes lack {', '.join(sorted(missing))}")
        if "default" not in self.identity.holds_hours:
            raise ValueError("identity.holds_hours lacks 'default'")
        for kind, change in self.changes.items():
            if (kind in PICKUPS) == bool(change.states):
                raise ValueError(f"{kind}: deliveries have states, pickups have none")
        return self

    def named(self, intent: str, text: str) -> OrderKind | None:
        """The change of this intent that a message names by its words."""
        folded = text.lower()
        found = {k: _longest(c.words, folded) for k, c in self._of(intent).items()}
        kind = max(found, key=lambda k: found[k], default=None)
        return kind if kind and found[kind] else None

    def usual(self, intent: str) -> OrderKind | None:
        """What an intent means when nothing more is said."""
        return next((k for k, c in self._of(intent).items() if c.usual), None)

    def possible(self, kind: OrderKind, shipment: Shipment) -> Cut | None:
        """Price and cut-off of a change at this parcel's state; None if it is not possible now."""
        cut = self.changes[kind].states.get(Status(shipment.status))
        return cut if cut and cut.open(shipment) else None

    def instead(self, intent: str, shipment: Shipment) -> OrderKind | None:
        """The first change of this intent that is possible now."""
        return next((k for k in self._of(intent) if self.possible(k, shipment)), None)

    def _of(self, intent: str) -> dict[OrderKind, Change]:
        return {kind: change for kind, change in self.changes.items() if change.intent == intent}


def _longest(words: tuple[str, ...], text: str) -> int:
    """The length of the longest of these words in a text; 0 if none is there."""
    folded = text.lower()
    return max((len(word) for word in words if word in folded), default=0)


def from_file(path: Path) -> ChangeRules:
    return load(path, ChangeRules)
