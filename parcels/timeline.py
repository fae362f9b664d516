"""A parcel's own page: its unguessable link, and what may stand on it.

Whoever has the link sees places, times and states. What is personal is there only for who has
proved the parcel to be his (``identity.py``), and even then phones are masked.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from parcels import repository, service
from parcels.models import Scan, Shipment, Status, SubStatus
from parcels.service import Whereabouts
from store import clock, ids

PATH = "/p"
"""Pages lie below it, by their code."""
_CODE = re.compile(r"[A-Za-z0-9_-]{22}")  # as ids.new_key makes it


@dataclass(frozen=True, slots=True)
class Timeline:
    """Links to parcels' pages. ``public_url`` is the service as the world sees it."""

    public_url: str

    def link(self, session: Session, shipment: Shipment) -> str:
        """The address of this parcel's page: always the same; its code is made at the first
        call, in the caller's (writing) transaction."""
        return self.links(session, [shipment.id])[shipment.id]

    def links(self, session: Session, shipment_ids: Collection[int]) -> dict[int, str]:
        """The same for many shipments, by their ids."""
        codes = service_codes(session, shipment_ids)
        return {number: f"{self.public_url}{PATH}/{code}" for number, code in codes.items()}


@dataclass(frozen=True, slots=True)
class Node:
    """Something that happened. ``status`` is None where the source's state is in none of our
    tables: then only the place and the time are known."""

    at: datetime
    status: Status | None
    sub_status: SubStatus | None
    place: str | None
    reason: str | None

    @property
    def what(self) -> str:
        """What happened, as a key below ``timeline.what``."""
        return self.sub_status or self.status or "unknown"


@dataclass(frozen=True, slots=True)
class Private:
    """For whom the parcel is proved to be. Phones are masked; the courier is told while he is on
    his way, the code while the parcel can be fetched."""

    recipient: str | None
    phone: str | None
    address: str | None
    courier: str | None
    courier_phone: str | None
    pickup_place: str | None
    pickup_code: str | None


@dataclass(frozen=True, slots=True)
class View:
    """A parcel's page as one visitor may see it; nodes newest first."""

    now: Whereabouts
    nodes: tuple[Node, ...]
    private: Private | None


def view(session: Session, shipment: Shipment, *, proven: bool) -> View:
    """What stands on the page now."""
    road = reversed(repository.scans(session, shipment.id))
    return View(
        now=service.whereabouts(session, shipment),
        nodes=tuple(node(scan) for scan in road),
        private=_private(session, shipment) if proven else None,
    )


def node(scan: Scan) -> Node:
    """A scan without the source's own words, which may name people."""
    status = Status(scan.status) if scan.status else None
    detail = SubStatus(scan.sub_status) if scan.sub_status else None
    return Node(scan.at, status, detail, scan.place, scan.reason)


def _private(session: Session, shipment: Shipment) -> Private:
    courier = service.courier(session, shipment)
    waiting = shipment.status == Status.AVAILABLE_FOR_PICKUP
    return Private(
        recipient=shipment.recipient_name,
        phone=service.masked(shipment.recipient_phone),
        address=shipment.recipient_address,
        courier=courier.name if courier else None,
        courier_phone=courier.phone if courier else None,
        pickup_place=shipment.pickup_place if waiting else None,
        pickup_code=shipment.pickup_code if waiting else None,
    )


def of_code(session: Session, code: str) -> Shipment | None:
    """The parcel of a page. What cannot be a code is not looked up."""
    return repository.by_service_code(session, code) if _CODE.fullmatch(code) else None


def service_codes(session: Session, shipment_ids: Collection[int]) -> dict[int, str]:
    """Parcels' codes by their ids, made for those that have none."""
    known = repository.service_codes(session, shipment_ids)
    if missing := sorted(set(shipment_ids) - set(known)):
        now = clock.now()
        rows = [{"shipment_id": n, "code": ids.new_key(), "created_at": now} for n in missing]
        repository.add_service_codes(session, rows)
        known |= repository.service_codes(session, missing)
    return known
