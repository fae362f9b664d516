"""What is promised to whom and by when, and what a broken promise sets off."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from store import policies
from store.policies import Policy, all_of, one_of
from tickets.models import Urgency
from tickets.promises import calendar
from tickets.promises.calendar import Calendar
from tickets.promises.ledger import Ledger
from tickets.promises.models import PromiseKind, Topic

Share = Annotated[float, Field(gt=0, lt=1)]


class Action(StrEnum):
    """What a broken promise sets off."""

    ESCALATE = "escalate"
    RAISE_URGENCY = "raise_urgency"
    TELL_SUPERVISOR = "tell_supervisor"
    TELL_CUSTOMER = "tell_customer"


class TimeRule(Policy):
    """Fires when all that it names holds; the first that fires decides. Minutes."""

    classes: frozenset[str] = frozenset()
    urgency: frozenset[Urgency] = frozenset()
    within: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]

    @field_validator("classes")
    @classmethod
    def _known(cls, named: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        return all_of(named, "classes", "a class", info)

    @field_validator("within")
    @classmethod
    def _rising(cls, within: tuple[int, ...]) -> tuple[int, ...]:
        if list(within) != sorted(set(within)):
            raise ValueError("each time must be later than the one before")
        return within


class KindPolicy(Policy):
    """How one kind of promise is made and watched."""

    calendar: str
    pauses: bool
    warn_at: Share | None = None
    on_burst: tuple[Action, ...]
    rules: tuple[TimeRule, ...]

    @field_validator("calendar")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        return one_of(name, "calendars", "a calendar", info)


class PromisePolicy(Policy):
    """The whole file. Validated with ``calendars`` and ``classes``: the names that exist."""

    warn_at: Share
    promises: dict[PromiseKind, KindPolicy]
    topics: dict[Topic, dict[str, tuple[str, ...]]]

    @field_validator("promises")
    @classmethod
    def _all(cls, given: dict[PromiseKind, KindPolicy]) -> dict[PromiseKind, KindPolicy]:
        missing = [kind for kind in PromiseKind if kind not in given]
        if missing:
            raise ValueError(f"nothing is said of {', '.join(missing)}")
        last = given[PromiseKind.CONTACT].rules[-1:]
        if not last or last[0].classes or last[0].urgency:
            raise ValueError("contact: the last rule must name only a time: it takes what is left")
        return given


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of the policy, ready to promise by."""

    policy: PromisePolicy
    calendars: Mapping[str, Calendar]

    def times(self, kind: PromiseKind, of_class: str, urgency: Urgency) -> tuple[timedelta, ...]:
        """The time promised first and those promised anew, from the beginning; none: nothing is."""
        for rule in self.policy.promises[kind].rules:
            if (not rule.classes or of_class in rule.classes) and (
                not rule.urgency or urgency in rule.urgency
            ):
                return tuple(timedelta(minutes=minutes) for minutes in rule.within)
        return ()

    def calendar(self, kind: PromiseKind) -> Calendar:
        return self.calendars[self.policy.promises[kind].calendar]

    def pauses(self, kind: PromiseKind) -> bool:
        return self.policy.promises[kind].pauses

    def on_burst(self, kind: PromiseKind) -> tuple[Action, ...]:
        return self.policy.promises[kind].on_burst

    def warn_at(self, kind: PromiseKind, since: datetime, by: datetime) -> datetime:
        """When the desk is warned of a promise made at ``since``."""
        calendar = self.calendar(kind)
        share = self.policy.promises[kind].warn_at or self.policy.warn_at
        return min(calendar.add(since, calendar.between(since, by) * share), by)


class Policies:
    """The policy in force, and how to read one that was in force before."""

    NAME = "promises.yml"

    def __init__(self, folder: Path, zone: ZoneInfo, classes: Collection[str]) -> None:
        self._calendars = calendar.from_folder(folder, zone)
        self._classes = classes
        path = folder / self.NAME
        self.text = policies.read(path)
        self.present = self.terms(self.text, path)
        self.ledger = Ledger(self.present.policy.topics)

    def terms(self, text: str, path: Path | str) -> Terms:
        """PolicyError names ``path``, line and what is allowed."""
        policy = policies.parse(
            text, path, PromisePolicy, calendars=self._calendars, classes=self._classes
        )
        return Terms(policy, self._calendars)
