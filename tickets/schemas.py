"""What other systems send and receive of tickets. Instants are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from tickets.models import TicketState, Urgency, WaitingFor


class CustomerIn(BaseModel):
    """Whose ticket it is: ``id`` is his name at ``channel`` (one of ours, where he wrote before),
    or, without a channel, your own name for him; then your webhooks tell him, and we do not."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=128)]
    channel: Annotated[str | None, Field(max_length=32)] = None
    account: Annotated[str, Field(max_length=64)] = ""
    name: Annotated[str | None, Field(max_length=128)] = None
    language: Annotated[str, Field(pattern="^(zh|en)$")] = "zh"


class TicketIn(BaseModel):
    """``kind`` is a class of policies/taxonomy.yml, such as ``report_damage``."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(max_length=32)]
    description: Annotated[str, Field(min_length=1, max_length=4000)]
    customer: CustomerIn
    waybill_no: Annotated[str | None, Field(min_length=4, max_length=40)] = None
    goods: Annotated[str | None, Field(max_length=80)] = None
    facts: dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=400)]] = {}


class CommentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=2000)]


class FaultOut(BaseModel):
    """Nothing was changed. ``message`` is for people."""

    error: str
    message: str


class TicketOut(BaseModel):
    """``team_rule`` is the rule of policies/teams.yml by which it is with its team; ``incident_id``
    what many tickets have as their cause (null in a webhook: an event tells it)."""

    model_config = ConfigDict(from_attributes=True)

    number: str
    kind: str
    state: TicketState
    urgency: Urgency
    team: str
    team_rule: str
    version: int
    waybill_no: str | None
    goods: str | None
    description: str
    facts: dict[str, Any]
    contacts: int
    waiting_for: WaitingFor | None
    waiting_until: datetime | None
    created_at: datetime
    closed_at: datetime | None
    incident_id: int | None = None


class EventOut(BaseModel):
    """``what`` happened, ``actor`` is customer, staff, system or api. Readers ignore what they do
    not know."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    what: str
    actor: str
    actor_name: str | None
    why: str | None
    details: dict[str, Any]


class WholeOut(TicketOut):
    events: list[EventOut]


class OpenedOut(BaseModel):
    """``joined``: there was an open ticket of this waybill and class, and it counts a contact."""

    ticket: TicketOut
    joined: bool


class ListOut(BaseModel):
    """``next`` goes on as ``after``; null at the end."""

    tickets: list[TicketOut]
    next: str | None


class Webhook(BaseModel):
    """What a webhook carries; ``type`` is ``ticket.`` and what happened."""

    type: str
    timestamp: datetime
    ticket: TicketOut
    event: EventOut
