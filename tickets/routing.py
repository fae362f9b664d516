"""Which team a case goes to, by which rule, and which of its people can take it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from conversations.language import LANGUAGES
from parcels.incidents import lies_in
from parcels.models import GoodsClass
from store.policies import Policy, all_of, fault, load, one_of
from tickets.matter import Matter
from tickets.models import Urgency
from tickets.promises import calendar
from tickets.promises.calendar import Calendar
from tickets.urgency import Intents

FIRST_OWNER = "first_owner"
"""Who has the ticket keeps it to the end."""


def _language(name: str) -> str:
    if name not in LANGUAGES:
        raise ValueError(f"{name!r} is not a language: {', '.join(LANGUAGES)}")
    return name


Languages = frozenset[Annotated[str, AfterValidator(_language)]]


class Skills(Policy):
    """What somebody can take on, and when. Nothing named: everything, always, any number."""

    languages: Languages = frozenset()
    classes: Intents = frozenset()
    goods: frozenset[GoodsClass] = frozenset()
    shift: str | None = None
    """A calendar."""
    open_cases: PositiveInt | None = None
    """So many at a time are offered to one person."""

    @field_validator("shift")
    @classmethod
    def _known(cls, name: str | None, info: ValidationInfo) -> str | None:
        return name and one_of(name, "calendars", "a calendar", info)


class Team(Skills):
    """A team's name in each language, what it can do, and who is above it."""

    zh: str
    en: str
    above: str | None = None


class TeamRule(Policy):
    """Fires when all that it names holds, and its team can do it and works at this hour; the first
    that fires decides."""

    rule: str
    team: str
    intents: Intents = frozenset()
    urgency: frozenset[Urgency] = frozenset()
    urgency_rules: frozenset[str] = frozenset()
    goods: frozenset[GoodsClass] = frozenset()
    branches: frozenset[str] = frozenset()
    """Places: one of them is on the parcel's road."""
    languages: Languages = frozenset()
    value_from: NonNegativeInt = 0
    """Yuan, declared or claimed."""
    incident_tickets: NonNegativeInt = 0
    """So many tickets share a confirmed cause with it."""

    @field_validator("urgency_rules")
    @classmethod
    def _known(cls, named: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        return all_of(named, "urgency_rules", "a rule of urgency", info)


class TeamPolicy(Policy):
    """``policies/teams.yml``. ``people``: who of the staff differs from his team, by login."""

    teams: dict[str, Team]
    people: dict[str, Skills] = {}  # noqa: RUF012 - pydantic copies it
    rules: tuple[TeamRule, ...]

    @model_validator(mode="after")
    def _known_teams(self) -> TeamPolicy:
        named: list[tuple[tuple[int | str, ...], str]] = [
            *((("rules", n, "team"), rule.team) for n, rule in enumerate(self.rules)),
            *((("teams", n, "above"), team.above) for n, team in self.teams.items() if team.above),
        ]
        for place, name in named:
            if name not in self.teams:
                raise fault(place, f"team {name!r} is not one of {', '.join(self.teams)}")
        for name in self.teams:
            if name in list(self._tiers(name)):
                raise fault(("teams", name, "above"), f"team {name!r} is above itself")
        last = self.rules[-1] if self.rules else None
        if last is None or last != TeamRule(rule=last.rule, team=last.team):
            place = ("rules", len(self.rules) - 1) if self.rules else ("rules",)
            raise fault(place, "the last rule must name only a team: it takes what is left")
        return self

    def _tiers(self, team: str) -> Iterator[str]:
        """Who is above a team, tier by tier."""
        passed: set[str] = set()
        above = self.teams[team].above
        while above and above not in passed:
            yield above
            passed.add(above)
            above = self.teams[above].above

    def is_above(self, team: str, other: str) -> bool:
        return other in self.teams and team in self._tiers(other)


@dataclass(frozen=True, slots=True)
class Decision:
    """A team, and the name of the rule that chose it."""

    team: str
    rule: str


class Unfit(StrEnum):
    """Why somebody is not offered a case."""

    OFF_SHIFT = "off_shift"
    LANGUAGE = "language"
    CLASS = "class"
    GOODS = "goods"
    FULL = "full"


class Routing:
    """The policy, ready to decide."""

    def __init__(self, policy: TeamPolicy, calendars: Mapping[str, Calendar]) -> None:
        self.policy = policy
        self._calendars = calendars

    @classmethod
    def from_file(
        cls, path: Path, zone: ZoneInfo, intents: Collection[str], urgency_rules: Collection[str]
    ) -> Routing:
        """The calendars beside it are the shifts, in ``zone`` unless they name their own;
        ``intents`` and ``urgency_rules`` are those that exist. PolicyError names file, line and
        what is allowed."""
        calendars = calendar.from_folder(path.parent, zone)
        policy = load(
            path, TeamPolicy, calendars=calendars, intents=intents, urgency_rules=urgency_rules
        )
        return cls(policy, calendars)

    def decide(self, matter: Matter) -> Decision:
        """The first rule that fits; the last takes whatever is left, at any hour."""
        last = self.policy.rules[-1]
        fits = (rule for rule in self.policy.rules if self._fits(rule, matter))
        rule = next(fits, last)
        return Decision(rule.team, rule.rule)

    def unfit(self, matter: Matter, *, login: str, team: str, open_cases: int) -> tuple[Unfit, ...]:
        """Why somebody of a team, who has so many open cases, is not offered this; empty: he is."""
        skills = self._skills(login, team)
        full = skills.open_cases is not None and open_cases >= skills.open_cases
        return (*self._lacks(skills, matter), *((Unfit.FULL,) if full else ()))

    def is_mass(self, incident_tickets: int) -> bool:
        """Whether a rule is there for an incident with so many tickets."""
        return any(0 < rule.incident_tickets <= incident_tickets for rule in self.policy.rules)

    def works(self, login: str, team: str, at: datetime) -> bool:
        """Whether somebody of a team is on shift."""
        return self._open(self._skills(login, team), at)

    def is_above(self, team: str, other: str) -> bool:
        """Whether ``team`` is of a higher tier than ``other``, on the way up from there."""
        return self.policy.is_above(team, other)

    def above(self, team: str) -> str | None:
        """The next tier: who takes what this team has not done in time. None at the top."""
        known = self.policy.teams.get(team)
        return known.above if known else None

    def name(self, team: str, language: str) -> str:
        """A team as customers and colleagues call it."""
        named = self.policy.teams[team]
        return named.zh if language == "zh" else named.en

    def _fits(self, rule: TeamRule, of: Matter) -> bool:
        return (
            (not rule.intents or of.intent in rule.intents)
            and (not rule.urgency or of.urgency in rule.urgency)
            and (not rule.urgency_rules or of.urgency_rule in rule.urgency_rules)
            and (not rule.goods or of.goods_class in rule.goods)
            and (not rule.languages or of.language in rule.languages)
            and (not rule.branches or _passes(rule.branches, of.places))
            and of.value >= rule.value_from
            and of.incident_tickets >= rule.incident_tickets
            and not any(self._lacks(self.policy.teams[rule.team], of))
        )

    def _skills(self, login: str, team: str) -> Skills:
        """A person's own where he has some, else his team's."""
        own = self.policy.people.get(login)
        given = self.policy.teams.get(team) or Skills()
        if own is None:
            return given
        return given.model_copy(update={n: getattr(own, n) for n in own.model_fields_set})

    def _lacks(self, skills: Skills, of: Matter) -> Iterator[Unfit]:
        if not self._open(skills, of.at):
            yield Unfit.OFF_SHIFT
        if skills.languages and of.language not in skills.languages:
            yield Unfit.LANGUAGE
        if skills.classes and of.intent not in skills.classes:
            yield Unfit.CLASS
        if skills.goods and of.goods_class not in skills.goods:
            yield Unfit.GOODS

    def _open(self, skills: Skills, at: datetime) -> bool:
        return skills.shift is None or self._calendars[skills.shift].is_open(at)


def _passes(branches: frozenset[str], places: tuple[str, ...]) -> bool:
    return any(lies_in(branch, place) for branch in branches for place in places)
