"""``policies/tariffs.yml``: what sending costs, line by line, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from parcels.regions import Place, Regions
from store.errors import PolicyError
from store.policies import Policy, load

ZoneName = Literal["city", "province", "near", "far", "remote", "apart"]
Topic = Literal["insurance", "volume", "pickup", "weight"]
CENT = Decimal("0.01")
Money = Field(ge=0, max_digits=8, decimal_places=2)


class Step(Policy):
    """Yuan for each further kilogram from the weight ``over`` on."""

    over: Decimal = Field(ge=0)
    per_kg: Decimal = Money


class Zone(Policy):
    first_kg: Decimal = Field(gt=0)
    first: Decimal = Money
    steps: tuple[Step, ...] = Field(min_length=1)
    days: tuple[NonNegativeInt, NonNegativeInt]

    @model_validator(mode="after")
    def _ascends(self) -> Zone:
        over = [step.over for step in self.steps]
        if over != sorted(set(over)) or over[0] != self.first_kg:
            raise ValueError("steps must begin at first_kg and ascend")
        if self.days[0] > self.days[1]:
            raise ValueError("days: the first must not exceed the second")
        return self


class Limits(Policy):
    weight_kg: PositiveInt
    side_cm: PositiveInt


class Insurance(Policy):
    """``rate`` of the declared value, at least ``minimum``, for values up to ``most``. Yuan."""

    rate: Decimal = Field(gt=0, lt=1)
    minimum: Decimal = Money
    most: PositiveInt


class TariffPolicy(Policy):
    billing_step_kg: Decimal = Field(gt=0)
    volume_divisor: PositiveInt
    limits: Limits
    insurance: Insurance
    belts: dict[str, tuple[str, ...]]
    remote: tuple[str, ...]
    apart: tuple[str, ...]
    zones: dict[ZoneName, Zone]
    topics: dict[Topic, tuple[str, ...]]

    @model_validator(mode="after")
    def _complete(self) -> TariffPolicy:
        wanted = set(ZoneName.__args__)  # type: ignore[attr-defined]
        if missing := wanted - set(self.zones):
            raise ValueError(f"zones lack {', '.join(sorted(missing))}")
        return self

    def areas(self) -> Mapping[str, tuple[str, ...]]:
        """Every list of provinces by its key in the file."""
        return {
            **{f"belts.{name}": of for name, of in self.belts.items()},
            "remote": self.remote,
            "apart": self.apart,
        }


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is known of it: kilograms, centimetres, yuan. Weight or size at least."""

    weight: Decimal | None = None
    size: tuple[Decimal, Decimal, Decimal] | None = None
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A line of the reckoning: the text ``price.line.<key>``, its facts, and its yuan."""

    key: str
    facts: Mapping[str, Decimal]
    yuan: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Quote:
    zone: ZoneName
    billed_kg: Decimal
    parts: tuple[Part, ...]

    @property
    def total(self) -> Decimal:
        return sum((part.yuan for part in self.parts), Decimal(0))


class Tariffs:
    """The tariff, checked against the regions it speaks of."""

    def __init__(self, policy: TariffPolicy, regions: Regions) -> None:
        self.policy = policy
        self.regions = regions
        self._belts = {p: belt for belt, of in policy.belts.items() for p in of}

    @classmethod
    def from_file(cls, path: Path, regions: Regions) -> Tariffs:
        """PolicyError names file and key of a province that is unknown, doubled or left out."""
        policy = load(path, TariffPolicy)
        seen: dict[str, str] = {}
        for key, provinces in policy.areas().items():
            for province in provinces:
                if province not in regions.provinces:
                    raise PolicyError(f"{path}: {key}: {province} is not in policies/regions.yml")
                if province in seen:
                    raise PolicyError(f"{path}: {key}: {province} is in {seen[province]} too")
                seen[province] = key
        if missing := regions.provinces - set(seen):
            raise PolicyError(f"{path}: belts: {', '.join(sorted(missing))} is in no list")
        return cls(policy, regions)

    def zone(self, origin: Place, destination: Place) -> ZoneName:
        """How two places lie to each other, as the tariff sees it."""
        ends = {origin.province, destination.province}
        if origin.city is not None and origin == destination:
            return "city"
        if len(ends) == 1:
            return "province"
        if ends & set(self.policy.apart):
            return "apart"
        if ends & set(self.policy.remote):
            return "remote"
        return "near" if len({self._belts[end] for end in ends}) == 1 else "far"

    def days(self, origin: Place, destination: Place) -> tuple[int, int]:
        """Days from the pickup's, both ends included."""
        return self.policy.zones[self.zone(origin, destination)].days

    def too_big(self, parcel: Parcel) -> bool:
        """Whether it goes beyond what one parcel may be."""
        limits = self.policy.limits
        heavy = parcel.weight is not None and parcel.weight > limits.weight_kg
        return heavy or (parcel.size is not None and max(parcel.size) > limits.side_cm)

    def topic(self, text: str) -> Topic | None:
        """The rule that a question is about, by its words."""
        folded = text.lower()
        found = {
            topic: max((len(word) for word in words if word in folded), default=0)
            for topic, words in self.policy.topics.items()
        }
        best = max(found, key=lambda topic: found[topic])
        return best if found[best] else None

    def quote(
        self, origin: Place, destination: Place, parcel: Parcel, pickup: Decimal = Decimal(0)
    ) -> Quote:
        """The price and each of its reasons. ``parcel`` has a weight or a size."""
        zone = self.zone(origin, destination)
        billed, parts = self._billed(parcel)
        parts += self._carriage(self.policy.zones[zone], billed)
        if parcel.value is not None:
            parts.append(self._insured(parcel.value))
        parts.append(Part("pickup" if pickup else "pickup_free", {"yuan": pickup}, pickup))
        return Quote(zone, billed, tuple(parts))

    def _billed(self, parcel: Parcel) -> tuple[Decimal, list[Part]]:
        """The weight that counts, and how it came about."""
        step, divisor = self.policy.billing_step_kg, self.policy.volume_divisor
        counts, parts = parcel.weight or Decimal(0), []
        if parcel.size is not None:
            length, width, height = parcel.size
            volume = length * width * height / divisor
            facts = {
                "length": length, "width": width, "height": height,
                "divisor": Decimal(divisor), "kg": volume,
            }  # fmt: skip
            parts.append(Part("volume", facts))
            counts = max(counts, volume)
        billed = (counts / step).to_integral_value(ROUND_CEILING) * step
        if billed != parcel.weight:
            parts.append(Part("billed", {"kg": billed, "step": step}))
        return billed, parts

    def _carriage(self, zone: Zone, billed: Decimal) -> list[Part]:
        """The first kilograms, then every step that the weight reaches."""
        parts = [Part("first", {"kg": zone.first_kg, "yuan": zone.first}, zone.first)]
        ends = [*(step.over for step in zone.steps[1:]), billed]
        for step, end in zip(zone.steps, ends, strict=True):
            kg = min(billed, end) - step.over
            if kg > 0:
                yuan = (kg * step.per_kg).quantize(CENT)
                parts.append(Part("further", {"kg": kg, "each": step.per_kg, "yuan": yuan}, yuan))
        return parts

    def _insured(self, value: Decimal) -> Part:
        rule = self.policy.insurance
        yuan = (value * rule.rate).quantize(CENT)
        if yuan < rule.minimum:
            facts = {"value": value, "yuan": rule.minimum}
            return Part("insurance_least", facts, rule.minimum)
        return Part("insurance", {"value": value, "rate": rule.rate * 100, "yuan": yuan}, yuan)
