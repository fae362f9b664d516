"""Tables of service points: branches, stations and lockers, and the names they are found by."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base


class PointKind(StrEnum):
    BRANCH = "branch"
    STATION = "station"
    LOCKER = "locker"


class ServicePoint(Base):
    """A place where parcels are taken or collected. Degrees; ``code`` is the company's own.

    ``cell`` is the square of the grid it lies in (parcels/points.py:cell): the nearest are found
    by a handful of squares, however many points there are. ``hours``: parcels/hours.py.
    """

    __tablename__ = "service_points"
    __table_args__ = (
        Index("ix_service_points_cell", "cell"),
        Index("ix_service_points_city_district", "city", "district"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[PointKind] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(120))
    city: Mapped[str] = mapped_column(String(40))
    district: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(200))
    latitude: Mapped[float]
    longitude: Mapped[float]
    cell: Mapped[str] = mapped_column(String(16))
    phone: Mapped[str | None] = mapped_column(String(24))
    hours: Mapped[str] = mapped_column(String(200))
    demo: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime]


class Scope(StrEnum):
    """How much a name covers, the least first."""

    POINT = "point"
    STREET = "street"
    DISTRICT = "district"
    CITY = "city"


class PointName(Base):
    """A folded name by which points are found, at the middle of what it covers.

    One row per name and city. ``point_id``: whose name or street it is; None for areas.
    """

    __tablename__ = "point_names"
    __table_args__ = (
        UniqueConstraint("name", "city"),
        Index("ix_point_names_scope", "scope"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    city: Mapped[str] = mapped_column(String(40))
    scope: Mapped[Scope] = mapped_column(String(8))
    point_id: Mapped[int | None] = mapped_column(ForeignKey("service_points.id"), index=True)
    latitude: Mapped[float]
    longitude: Mapped[float]
