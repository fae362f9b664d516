"""Which team a case goes to."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, NonNegativeFloat, model_validator

from store.policies import Policy, load
from tickets.models import Urgency


class Team(Policy):
    """A team's name in each language, its own promise, in minutes, and who is above it."""

    zh: str
    en: str
    contact_within: NonNegativeFloat
    above: str | None = None


class Hours(Policy):
    begin: time = Field(alias="from")
    end: time = Field(alias="to")


class TeamRule(Policy):
    """Fires when all that it names holds; the first that fires decides."""

    team: str
    intents: frozenset[str] = frozenset()
    urgency: frozenset[Urgency] = frozenset()
    urgency_rules: frozenset[str] = frozenset()
    at_night: bool | None = None


class TeamPolicy(Policy):
    """``policies/teams.yml``."""

    teams: dict[str, Team]
    night_hours: Hours
    rules: tuple[TeamRule, ...]

    @model_validator(mode="after")
    def _known_teams(self) -> TeamPolicy:
        above = [team.above for team in self.teams.values() if team.above]
        for team in [*(rule.team for rule in self.rules), *above]:
            if team not in self.teams:
                raise ValueError(f"team {team!r} is not one of {', '.join(self.teams)}")
        if not self.rules or self.rules[-1] != TeamRule(team=self.rules[-1].team):
            raise ValueError("the last rule must name only a team: it takes what is left")
        return self


class Routing:
    """The policy, ready to decide; ``zone`` is the company's wall clock."""

    def __init__(self, policy: TeamPolicy, zone: ZoneInfo) -> None:
        self.policy = policy
        self.zone = zone

    @classmethod
    def from_file(cls, path: Path, zone: ZoneInfo) -> Routing:
        return cls(load(path, TeamPolicy), zone)

    def team(self, intent: str, urgency: Urgency, urgency_rule: str, at: datetime) -> str:
        """The team for a case of this intent and urgency at this instant."""
        night = self.is_night(at)
        return next(
            rule.team
            for rule in self.policy.rules
            if (not rule.intents or intent in rule.intents)
            and (not rule.urgency or urgency in rule.urgency)
            and (not rule.urgency_rules or urgency_rule in rule.urgency_rules)
            and (rule.at_night is None or rule.at_night == night)
        )

    def above(self, team: str) -> str | None:
        """The next tier: who takes what this team has not done in time. None at the top."""
        known = self.policy.teams.get(team)
        return known.above if known else None

    def name(self, team: str, language: str) -> str:
        """A team as customers and colleagues call it."""
        named = self.policy.teams[team]
        return named.zh if language == "zh" else named.en

    def is_night(self, at: datetime) -> bool:
        """Whether the wall clock is within the night hours, which may pass midnight."""
        local = at.astimezone(self.zone).time()
        hours = self.policy.night_hours
        if hours.begin <= hours.end:
            return hours.begin <= local < hours.end
        return local >= hours.begin or local < hours.end
