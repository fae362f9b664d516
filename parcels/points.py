"""Service points: stored, found near a position, found by a place's name.

Distances are along the great circle. A grid of squares makes the nearest cheap at any number of
points; it does not reach over the 180th meridian. Coordinates are WGS-84, as satellites and
browsers give them; channels that give others (WeChat's are GCJ-02) convert first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt
from rapidfuzz import fuzz, process
from sqlalchemy.orm import Session

from parcels import point_repository as repository
from parcels.folding import fold
from parcels.hours import Hours
from parcels.point_models import PointKind, PointName, Scope, ServicePoint
from parcels.regions import SLIP, Regions
from store import clock
from store.policies import Policy

SQUARE = 0.05
"""Degrees of a square's side: 5.6 km from south to north."""
RINGS = (1, 3, 10)
KILOMETRES = 111.2
"""Of a degree from south to north."""
_SUFFIX = re.compile(r"(?<=..)(?:特别行政区|自治州|地区|市|区|县|镇)$")
_KIND = re.compile(r"(?<=..)(?:网点|驿站|快递柜|自提柜|营业部|营业点|服务站|代收点|店)$")
_STREET = re.compile(
    r"([\u4e00-\u9fff]{2,6}?(?:大道|大街|路|街|巷|胡同))"
    r"|((?:[A-Z][\w']+ )+(?:Road|Rd|Street|St|Avenue|Ave|Lane|Square))\b"
)
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_LONGEST = 10
_HEARD = 200
"""Signs of a message in which a name is looked for: what a query may hold is bounded."""


class PointsPolicy(Policy):
    """``policies/points.yml``."""

    nearest: PositiveInt
    within_km: PositiveInt
    holidays: frozenset[date]
    kinds: dict[PointKind, tuple[str, ...]]
    open_now: tuple[str, ...]
    phone: tuple[str, ...]

    def kind(self, text: str) -> PointKind | None:
        """The kind that a message asks for, by its words."""
        folded = fold(text)
        return next((k for k, words in self.kinds.items() if any(w in folded for w in words)), None)


def _readable(text: str) -> str:
    Hours.parse(text)
    return text


class PointIn(BaseModel):
    """A service point as a file gives it. ``also``: further names people use for it."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(min_length=1, max_length=40)
    kind: PointKind = PointKind.BRANCH
    name: str = Field(min_length=1, max_length=120)
    city: str = Field(min_length=1, max_length=40)
    district: str = Field(default="", max_length=40)
    address: str = Field(min_length=1, max_length=200)
    latitude: float = Field(ge=-85, le=85)
    longitude: float = Field(ge=-180, le=180)
    phone: str | None = Field(default=None, max_length=24)
    hours: Annotated[str, Field(max_length=200), AfterValidator(_readable)]
    also: str = Field(default="", max_length=200)


@dataclass(frozen=True, slots=True)
class Position:
    latitude: float
    longitude: float

    def kilometres(self, other: Position) -> float:
        """Along the great circle (haversine)."""
        a, b = math.radians(self.latitude), math.radians(other.latitude)
        half = math.radians(other.longitude - self.longitude) / 2
        h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(half) ** 2
        return 2 * 6371 * math.asin(math.sqrt(h))


@dataclass(frozen=True, slots=True)
class Near:
    point: ServicePoint
    kilometres: float


@dataclass(frozen=True, slots=True)
class Named:
    """A place by its name. ``wide``: an area, whose middle says nothing about distances."""

    name: str
    position: Position
    wide: bool


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A name that several cities have."""

    name: str
    cities: tuple[str, ...]


def store(session: Session, given: Sequence[PointIn], *, demo: bool = False) -> None:
    """Add points, or change those whose code is known, and keep the names they are found by."""
    areas: set[tuple[str, str]] = set()
    for each in given:
        point = repository.by_code(session, each.code) or ServicePoint(code=each.code)
        for name in ("kind", "name", "city", "district", "address", "phone", "hours"):
            setattr(point, name, getattr(each, name))
        point.latitude, point.longitude = each.latitude, each.longitude
        point.cell = cell(*_square(Position(each.latitude, each.longitude)))
        point.demo, point.updated_at = demo, clock.now()
        session.add(point)
        session.flush()
        repository.forget_names(session, point.id)
        for spoken, scope in _own_names(each):
            _keep(session, spoken, scope, point, point.id)
        areas |= {(each.city, ""), (each.city, each.district)}
    for city, district in sorted(areas):
        latitude, longitude = repository.middle(session, city, district or None)
        middle = ServicePoint(city=city, latitude=latitude, longitude=longitude)
        scope = Scope.DISTRICT if district else Scope.CITY
        for spoken in _short(district or city):
            _keep(session, spoken, scope, middle, None)


def nearest(
    session: Session, rules: PointsPolicy, position: Position, kind: PointKind | None = None
) -> list[Near]:
    """The nearest points, the nearest first; as many as the policy names, none too far."""
    row, column = _square(position)
    side = SQUARE * KILOMETRES * math.cos(math.radians(position.latitude))
    found: list[Near] = []
    for ring in RINGS:
        steps = range(-ring, ring + 1)
        cells = [cell(row + north, column + east) for north in steps for east in steps]
        found = sorted(
            (
                Near(point, position.kilometres(Position(point.latitude, point.longitude)))
                for point in repository.in_cells(session, cells, kind)
            ),
            key=lambda near: near.kilometres,
        )[: rules.nearest]
        if len(found) == rules.nearest and found[-1].kilometres <= ring * side:
            break
    return [near for near in found if near.kilometres <= rules.within_km]


def find(
    session: Session, text: str, regions: Regions, named: Sequence[str] = ()
) -> Named | Ambiguous | None:
    """The place that a message names. ``named``: what it was understood to call places; in those
    a slip of the finger is forgiven."""
    route = regions.route(text)
    ends = [place for place in (route.destination, route.origin) if place and place.city]
    cities = {str(place.city) for place in ends}
    rows = list(repository.names_among(session, {*_candidates(fold(text)[:_HEARD]), *cities}))
    if not rows:
        rows = list(_repaired(session, named))
    cities |= {row.city for row in rows if row.scope == Scope.CITY}
    order = list(Scope)
    rows.sort(key=lambda row: (order.index(Scope(row.scope)), -len(row.name)))
    fitting = [row for row in rows if row.city in cities] or rows
    if not fitting:
        return None
    best = fitting[0]
    same = [row for row in fitting if row.name == best.name and row.scope == best.scope]
    if len(same) > 1:
        return Ambiguous(best.name, tuple(row.city for row in same))
    wide = best.scope in {Scope.DISTRICT, Scope.CITY}
    return Named(best.name, Position(best.latitude, best.longitude), wide)


def cell(row: int, column: int) -> str:
    return f"{row}:{column}"


def _square(position: Position) -> tuple[int, int]:
    return math.floor(position.latitude / SQUARE), math.floor(position.longitude / SQUARE)


def _keep(
    session: Session, spoken: str, scope: Scope, at: ServicePoint, point_id: int | None
) -> None:
    repository.put_name(
        session,
        PointName(
            name=fold(spoken)[:80],
            city=at.city,
            scope=scope,
            point_id=point_id,
            latitude=at.latitude,
            longitude=at.longitude,
        ),
    )


def _own_names(given: PointIn) -> Iterator[tuple[str, Scope]]:
    """A point's own names and its street's; none that an area has."""
    areas = {*_short(given.city), *_short(given.district)}
    for street in _STREET.findall(given.address.removeprefix(given.city)):
        for spoken in filter(None, street):
            yield spoken.removeprefix(given.district), Scope.STREET
    also = {name.strip() for name in given.also.split("|")}
    for spoken in {given.name, _KIND.sub("", given.name), *also} - areas - {""}:
        yield spoken, Scope.POINT


def _short(name: str) -> tuple[str, ...]:
    """朝阳区 is called 朝阳 too."""
    return tuple({name, _SUFFIX.sub("", name)} - {""})


def _candidates(text: str) -> Iterator[str]:
    """Every stretch of a folded message that can be a name."""
    for run in _HAN.findall(text):
        for start in range(len(run)):
            for end in range(start + 2, min(start + _LONGEST, len(run)) + 1):
                yield run[start:end]
    words = re.findall(r"[a-z0-9'.\-]+", text)
    for size in range(1, 5):
        for start in range(len(words) - size + 1):
            yield " ".join(words[start : start + size])


def _repaired(session: Session, named: Iterable[str]) -> Iterator[PointName]:
    """Areas whose name is one slip from what was called a place."""
    spoken = [fold(name) for name in named]
    areas = repository.areas(session) if spoken else ()
    names = {row.name for row in areas}
    for name in spoken:
        near = process.extractOne(name, names, scorer=fuzz.ratio, score_cutoff=SLIP)
        yield from (row for row in areas if near and row.name == near[0])
