"""``policies/compensation.yml``: what is given for what, who may grant it, how it is paid."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator
from sqlalchemy.orm import Session

from parcels.change_models import OrderKind
from store import policies, policy_versions
from store.errors import PolicyError
from store.policies import Policy, all_of, one_of
from store.policy_versions import PolicyVersion
from tickets.compensation.models import Kind

log = logging.getLogger(__name__)
Yuan = Annotated[Decimal, Field(ge=0, le=10_000_000, decimal_places=2)]
Percent = Annotated[int, Field(ge=1, le=100)]
DEFAULT = "default"
Remedy = Literal[OrderKind.CALL_FIRST, OrderKind.REDELIVER, OrderKind.RESEND]


def _classes(named: frozenset[str], info: ValidationInfo) -> frozenset[str]:
    return all_of(named, "classes", "a class", info)


class ForClasses(Policy):
    """Something that is given for some classes of tickets."""

    classes: Annotated[frozenset[str], Field(min_length=1)]

    @field_validator("classes")
    @classmethod
    def _known(cls, named: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        return _classes(named, info)


class Tier(Policy):
    """A coupon for a parcel that is late by so many hours at most; None: by more."""

    up_to_hours: PositiveInt | None = None
    yuan: Yuan

    def fits(self, late: timedelta) -> bool:
        return self.up_to_hours is None or late <= timedelta(hours=self.up_to_hours)


class Refund(Policy):
    late_hours: PositiveInt
    percent: Percent


class Delay(ForClasses):
    coupons: Annotated[tuple[Tier, ...], Field(min_length=1)]
    refund: Refund

    @field_validator("coupons")
    @classmethod
    def _ascending(cls, coupons: tuple[Tier, ...]) -> tuple[Tier, ...]:
        hours = [tier.up_to_hours for tier in coupons]
        if hours[-1] is not None or None in hours[:-1]:
            raise ValueError("the last line, and it alone, has no up_to_hours")
        known = [hour for hour in hours if hour is not None]
        if known != sorted(set(known)):
            raise ValueError("up_to_hours must rise from line to line")
        sums = [tier.yuan for tier in coupons]
        if sums != sorted(sums):
            raise ValueError("who waits longer must not get less")
        return coupons


class Insured(Policy):
    most: Yuan


class Uninsured(Policy):
    times_freight: Annotated[Decimal, Field(gt=0, le=1000)]
    most: Yuan


class Claim(ForClasses):
    insured: Insured
    uninsured: Uninsured


class Gift(ForClasses):
    yuan: Yuan
    once_in_days: PositiveInt


class Alone(Policy):
    """``agents`` by team; validated with ``teams``: the names that exist."""

    agents: dict[str, Yuan]
    supervisors: Yuan

    @field_validator("agents")
    @classmethod
    def _known(cls, agents: dict[str, Decimal], info: ValidationInfo) -> dict[str, Decimal]:
        if DEFAULT not in agents:
            raise ValueError(f"{DEFAULT!r} is missing")
        for team in sorted(agents.keys() - {DEFAULT}):
            one_of(team, "teams", "a team", info)
        return agents

    def limit(self, team: str, *, supervisor: bool) -> Decimal:
        """Up to this sum on one ticket somebody of this team grants alone."""
        return self.supervisors if supervisor else self.agents.get(team, self.agents[DEFAULT])


class Payment(Policy):
    agreement_over: Yuan
    give_up_minutes: PositiveInt

    @property
    def patience(self) -> timedelta:
        return timedelta(minutes=self.give_up_minutes)


class CouponRules(Policy):
    valid_days: PositiveInt
    wrong_tries: PositiveInt
    within_minutes: PositiveInt


class CompensationPolicy(Policy):
    """The whole file. Validated with ``classes`` and ``teams``: the names that exist."""

    delay: Delay
    claim: Claim
    gift: Gift
    remedies: dict[Remedy, frozenset[str]]
    alone: Alone
    payment: Payment
    coupons: CouponRules

    @field_validator("remedies")
    @classmethod
    def _known(
        cls, remedies: dict[Remedy, frozenset[str]], info: ValidationInfo
    ) -> dict[Remedy, frozenset[str]]:
        return {kind: _classes(named, info) for kind, named in remedies.items()}

    def kinds(self, of_class: str) -> tuple[Kind, ...]:
        """What may be granted to a ticket of this class."""
        found: list[Kind] = []
        if of_class in self.claim.classes:
            found.append(Kind.LOSS if of_class == "report_loss" else Kind.DAMAGE)
        if of_class in self.delay.classes:
            found += [Kind.DELAY_COUPON, Kind.FREIGHT_REFUND]
        if of_class in self.gift.classes:
            found.append(Kind.GIFT_COUPON)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class CompensationPolicies:
    """The policy in force, and those that were: a ticket stays under the one of its opening."""

    text: str
    present: CompensationPolicy
    classes: Collection[str]
    teams: Collection[str]
    _earlier: dict[int, CompensationPolicy]

    NAME = "compensation.yml"

    @classmethod
    def from_file(
        cls, folder: Path, classes: Collection[str], teams: Collection[str]
    ) -> CompensationPolicies:
        """PolicyError names file, line and what is allowed."""
        path = folder / cls.NAME
        text = policies.read(path)
        present = policies.parse(text, path, CompensationPolicy, classes=classes, teams=teams)
        return cls(text, present, classes, teams, {})

    def of(self, session: Session, opened_at: datetime) -> tuple[int, CompensationPolicy]:
        """The version for a ticket that was opened then, and its id: the one last put in force
        before; the present one for tickets older than all of them."""
        version = policy_versions.at(session, self.NAME, opened_at)
        if version is None or version.text == self.text:
            return policy_versions.id_of(session, self.NAME, self.text), self.present
        if version.id not in self._earlier:
            self._earlier[version.id] = self._parsed(version)
        return version.id, self._earlier[version.id]

    def _parsed(self, version: PolicyVersion) -> CompensationPolicy:
        named = f"{self.NAME}, version {version.id}"
        known = {"classes": self.classes, "teams": self.teams}
        try:
            return policies.parse(version.text, named, CompensationPolicy, **known)
        except PolicyError as error:
            log.error("the present policy is used instead of an earlier one: %s", error)
            return self.present
