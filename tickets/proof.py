"""Whose ticket it is: its number and the last four digits of a phone, as a parcel is proved.

The phones are those on its waybill and the one its customer gave. What counts and locks is told in
``parcels/identity.py``; a number that no ticket has costs the same queries and comparisons.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from conversations.models import Customer
from parcels import identity
from parcels import repository as parcels
from parcels.identity import Answer, Rules
from tickets import repository
from tickets.models import Ticket


def prove(session: Session, rules: Rules, customer: Customer, number: str, digits: str) -> Answer:
    """Hear one try at a ticket's number."""

    def right() -> bool:
        ticket = repository.by_number(session, number)
        waybill_no = ticket.waybill_no if ticket else None
        given = ticket.facts.get("phone") if ticket else None
        shipment = parcels.by_waybill(session, waybill_no or number)
        phones = (*identity.phones_of(shipment), str(given) if given else None)
        return identity.fits(phones, digits)

    return identity.judge(session, rules, customer, None, _about(number), right)


def may_see(session: Session, rules: Rules, customer: Customer | None, ticket: Ticket) -> bool:
    """Whether it is his own, or he has proved it and the proof still holds."""
    if customer is None:
        return False
    return ticket.customer_id == customer.id or identity.proven_about(
        session, rules, customer, _about(ticket.number)
    )


def _about(number: str) -> str:
    """No waybill is called so: a proof of the one proves nothing of the other."""
    return f"ticket {number}"[:40]
