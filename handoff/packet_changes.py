"""A stored packet learns more: whatever it knew before, it goes on knowing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from conversations.models import Conversation, Message
from conversations.schemas import Capabilities
from handoff.models import Case
from handoff.packet import Request, Slot, build, parcel_card
from tickets.models import Urgency
from tickets.urgency import Verdict

KEPT = ("intents", "slots", "parcel", "ticket")
"""What a request that knows nothing of it leaves as it was."""


def renewed(
    session: Session, conversation: Conversation, case: Case, request: Request, can: Capabilities
) -> dict[str, Any]:
    """The packet of ``case`` after a further request, which never makes it less urgent."""
    before = case.packet
    if request.verdict.colour.rank > case.urgency_rank:
        rule = before["urgency"]["rule"]
        request = replace(request, verdict=Verdict(Urgency(case.urgency), rule))
    now = build(session, conversation, request, can).model_dump(mode="json")
    return now | {name: now[name] or before[name] for name in KEPT}


def with_parcel(
    session: Session, packet: dict[str, Any], waybill_no: str, told: Message
) -> dict[str, Any]:
    """The stored packet with a parcel that ``told`` made known; one that is there already stays."""
    if packet.get("parcel"):
        return packet
    slot = Slot(
        name="waybill_no",
        value=waybill_no,
        source="customer",
        message_id=told.id,
        at=told.created_at,
    )
    return packet | {
        "parcel": parcel_card(session, waybill_no).model_dump(mode="json"),
        "slots": [*packet["slots"], slot.model_dump(mode="json")],
    }
