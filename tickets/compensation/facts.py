"""What the record knows of a parcel that a reckoning needs.

Late is measured from the time the customer was told: the end of the waybill's delivery window
(``eta_to``), which a change that the depot accepted moves. A forecast (parcels/eta.py) is no
promise: it moves with the parcel, and by it nothing would ever be late. The parcel has come when it
was first delivered, or put where the customer collects it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from parcels import repository as parcels
from parcels.models import Shipment, Status
from store import clock
from tickets.compensation.reckoning import Known
from tickets.models import Ticket

_CAME = frozenset({Status.DELIVERED, Status.AVAILABLE_FOR_PICKUP})


def known(
    session: Session, ticket: Ticket, percent: int = 100, typed_freight: Decimal | None = None
) -> Known:
    """``typed_freight`` counts only where the record has none."""
    shipment = parcels.by_waybill(session, ticket.waybill_no) if ticket.waybill_no else None
    if shipment is None:
        return Known(freight=typed_freight, percent=percent, typed=typed_freight is not None)
    missing = shipment.freight is None and typed_freight is not None
    came = _came(session, shipment)
    return Known(
        freight=typed_freight if missing else shipment.freight,
        value=shipment.declared_value or None,
        percent=percent,
        # What went back to its sender never comes: it is no delay.
        promised=None if shipment.status == Status.RETURNED else shipment.eta_to,
        arrived=came,
        now=clock.now(),
        typed=missing,
    )


def _came(session: Session, shipment: Shipment) -> datetime | None:
    if shipment.status not in _CAME:
        return None
    times = [s.at for s in parcels.scans(session, shipment.id) if s.status in _CAME]
    return min(times, default=None)
