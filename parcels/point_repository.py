"""Every query on service points and their names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from parcels.point_models import PointKind, PointName, Scope, ServicePoint


def by_code(session: Session, code: str) -> ServicePoint | None:
    return session.scalar(select(ServicePoint).where(ServicePoint.code == code))


def in_cells(
    session: Session, cells: Collection[str], kind: PointKind | None
) -> Sequence[ServicePoint]:
    """The points in these squares of the grid."""
    found = select(ServicePoint).where(ServicePoint.cell.in_(cells))
    if kind is not None:
        found = found.where(ServicePoint.kind == kind)
    return session.scalars(found).all()


def names_among(session: Session, names: Collection[str]) -> Sequence[PointName]:
    return session.scalars(select(PointName).where(PointName.name.in_(names))).all()


def areas(session: Session) -> Sequence[PointName]:
    """Every name of a city or district: as many as the country has of them."""
    wide = (Scope.DISTRICT, Scope.CITY)
    return session.scalars(select(PointName).where(PointName.scope.in_(wide))).all()


def middle(session: Session, city: str, district: str | None) -> tuple[float, float]:
    """Where the points of a city, or of one of its districts, lie in the mean."""
    means = select(func.avg(ServicePoint.latitude), func.avg(ServicePoint.longitude)).where(
        ServicePoint.city == city
    )
    if district is not None:
        means = means.where(ServicePoint.district == district)
    latitude, longitude = session.execute(means).one()
    return float(latitude), float(longitude)


def put_name(session: Session, name: PointName) -> None:
    """Keep a name; the one of the same city is replaced."""
    session.execute(
        delete(PointName).where(PointName.name == name.name, PointName.city == name.city)
    )
    session.add(name)
    session.flush()


def forget_names(session: Session, point_id: int) -> None:
    session.execute(delete(PointName).where(PointName.point_id == point_id))


def any_point(session: Session) -> bool:
    return session.scalar(select(ServicePoint.id).limit(1)) is not None
