"""Tables of tickets that rise together, and of those that an incident explains."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from parcels.road_models import Scope
from store.base import Base
from store.claims import Due


class ProposalState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"


class Proposal(Base):
    """That tickets of one group at one place have one cause; ``concerns`` is the group. ``usual``
    is how many there are in such a time. ``seen_at`` is when the newest of them came: while that
    lies within the window, what comes belongs to the same rise, whatever was decided of it."""

    __tablename__ = "incident_proposals"
    __table_args__ = (
        # The few that matter: nobody has decided, or the rise may still go on.
        Index("ix_incident_proposals_state", "state"),
        Index("ix_incident_proposals_seen_at", "seen_at"),
        Index(
            "uq_incident_proposals_open",
            "concerns",
            "scope",
            "place",
            "to_place",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    concerns: Mapped[str] = mapped_column(String(20))
    scope: Mapped[Scope] = mapped_column(String(8))
    place: Mapped[str] = mapped_column(String(120))
    to_place: Mapped[str] = mapped_column(String(120), default="")
    state: Mapped[ProposalState] = mapped_column(String(10), default=ProposalState.OPEN)
    usual: Mapped[float]
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None]
    incident_id: Mapped[int | None] = mapped_column(ForeignKey("incidents.id"))


class TicketPlace(Base):
    """Where the parcel of a ticket was when the ticket was opened: at a hub or a branch, and on a
    route. Without ``proposal_id`` nothing has explained the ticket yet."""

    __tablename__ = "ticket_places"
    __table_args__ = (
        Index(
            "ix_ticket_places_loose",
            "at",
            sqlite_where=text("proposal_id IS NULL"),
            postgresql_where=text("proposal_id IS NULL"),
        ),
        Index("ix_ticket_places_place", "concerns", "scope", "place", "to_place", "at"),
        Index(
            "ix_ticket_places_proposal_id",
            "proposal_id",
            sqlite_where=text("proposal_id IS NOT NULL"),
            postgresql_where=text("proposal_id IS NOT NULL"),
        ),
    )

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    scope: Mapped[Scope] = mapped_column(String(8), primary_key=True)
    concerns: Mapped[str] = mapped_column(String(20))
    place: Mapped[str] = mapped_column(String(120))
    to_place: Mapped[str] = mapped_column(String(120), default="")
    at: Mapped[datetime]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("incident_proposals.id"))


class IncidentTicket(Due, Base):
    """A ticket that an incident explains. Falls due whenever its customer is to hear of it: that it
    is so, that it lasts longer, that it is over. ``told_until`` is the end he was told, ``over_at``
    when he was told that it is over."""

    __tablename__ = "incident_tickets"
    __table_args__ = (
        UniqueConstraint("incident_id", "ticket_id"),
        Index("ix_incident_tickets_ticket_id", "ticket_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    told_until: Mapped[datetime | None]
    over_at: Mapped[datetime | None]
