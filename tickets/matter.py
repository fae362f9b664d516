"""What a case or ticket is about, as far as its team depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from conversations.models import Conversation
from parcels import incidents, quantities
from parcels.models import GoodsClass
from parcels.repository import by_waybill
from store import clock
from tickets.models import Ticket, Urgency
from tickets.urgency import Verdict


@dataclass(frozen=True, slots=True)
class Matter:
    """All that routing depends on. ``places``: where the parcel is, comes from and goes to.
    ``value``: yuan, declared or claimed. ``incident_tickets``: how many tickets share a confirmed
    cause with it."""

    intent: str
    urgency: Urgency
    at: datetime
    urgency_rule: str = ""
    goods_class: GoodsClass = GoodsClass.GENERAL
    places: tuple[str, ...] = ()
    language: str = "zh"
    value: Decimal = Decimal(0)
    incident_tickets: int = 0


def of(
    session: Session,
    conversation: Conversation,
    intent: str,
    verdict: Verdict,
    *,
    waybill_no: str | None = None,
    goods_class: str = GoodsClass.GENERAL,
    facts: Mapping[str, object] | None = None,
    incident_tickets: int = 0,
) -> Matter:
    """What is known at this moment; the higher of what was declared and what is claimed counts."""
    shipment = by_waybill(session, waybill_no) if waybill_no else None
    claimed = quantities.money(str((facts or {}).get("amount") or "")) or Decimal(0)
    places: set[str] = set()
    if shipment is not None:
        goods_class = shipment.goods_class
        claimed = max(claimed, shipment.declared_value or Decimal(0))
        here, then = incidents.leg(session, shipment)
        places = {here, then, shipment.origin or "", shipment.destination or ""}
    return Matter(
        intent=intent,
        urgency=verdict.colour,
        at=clock.now(),
        urgency_rule=verdict.rule,
        goods_class=GoodsClass(goods_class),
        places=tuple(sorted(filter(None, places))),
        language=conversation.language,
        value=claimed,
        incident_tickets=incident_tickets,
    )


def of_ticket(
    session: Session,
    conversation: Conversation,
    ticket: Ticket,
    intent: str,
    verdict: Verdict,
    *,
    incident_tickets: int = 0,
) -> Matter:
    """The same of what is said in a conversation about a ticket."""
    return of(
        session,
        conversation,
        intent,
        verdict,
        waybill_no=ticket.waybill_no,
        goods_class=ticket.goods_class,
        facts=ticket.facts,
        incident_tickets=incident_tickets,
    )
