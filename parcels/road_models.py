"""Tables of what is known of places and the roads between them, whoever's parcel it is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from parcels.models import Status
from store.base import Base


class Ends(StrEnum):
    """Where a leg ends: at the parcel's next node, or in the recipient's hands; ``ROUTE`` is the
    whole road, from the pickup at the sender's."""

    NEXT = "next"
    DELIVERED = "delivered"
    ROUTE = "route"


class LegHours(Base):
    """How many delivered parcels took ``hour`` whole hours for a leg: one bar of its histogram.

    A leg begins at a node: a ``place``, and the ``status`` in which the parcel was first scanned
    there. ``toward`` is the next place for ``NEXT`` (empty: the recipient), the shipment's
    destination for ``DELIVERED``. An empty ``place`` is every place: the time since the parcel
    first had this status. An empty ``carrier`` is one that we were not told.

    ``ROUTE`` is of all carriers (``carrier`` empty), from the shipment's origin (``place``) to its
    destination: of parcels not sent yet no more is known.
    """

    __tablename__ = "leg_hours"

    carrier: Mapped[str] = mapped_column(String(40), primary_key=True)
    place: Mapped[str] = mapped_column(String(120), primary_key=True)
    status: Mapped[Status] = mapped_column(String(24), primary_key=True)
    ends: Mapped[Ends] = mapped_column(String(9), primary_key=True)
    toward: Mapped[str] = mapped_column(String(120), primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True)
    parcels: Mapped[int]


class IncidentKind(StrEnum):
    WEATHER = "weather"
    ROAD = "road"
    BACKLOG = "backlog"
    OTHER = "other"


class Scope(StrEnum):
    """What an incident lies on. A city's is that of every place whose name holds the city's."""

    HUB = "hub"
    BRANCH = "branch"
    CITY = "city"
    ROUTE = "route"


DELAY = "delay"
"""What an incident concerns that holds parcels up."""


class Incident(Base):
    """Why parcels stand still somewhere, as staff entered it; over when somebody ends it.

    ``to_place`` is the other end of a route. Empty words are the ones that policies/texts has for
    the kind. ``key`` makes entering it twice impossible. ``concerns`` is a group of complaints
    (policies/incidents.yml): one that is no delay explains tickets, and holds no parcel up.
    ``alarm_at`` is when its tickets became so many that headquarters and supervisors must know.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        # The open ones are few, however many there have been.
        Index(
            "ix_incidents_open",
            "began_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[IncidentKind] = mapped_column(String(8))
    scope: Mapped[Scope] = mapped_column(String(8))
    place: Mapped[str] = mapped_column(String(120))
    to_place: Mapped[str | None] = mapped_column(String(120))
    began_at: Mapped[datetime]
    expected_until: Mapped[datetime]
    words_zh: Mapped[str] = mapped_column(String(300), default="")
    words_en: Mapped[str] = mapped_column(String(300), default="")
    created_by: Mapped[int]
    concerns: Mapped[str] = mapped_column(String(20), default=DELAY)
    alarm_at: Mapped[datetime | None]
    alarm_seen_by: Mapped[int | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int | None]
