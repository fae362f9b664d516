"""How much may still be said on a channel that counts: so many messages, for so long, after
something the customer did. The platform's own count has the last word; ours is what people see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from conversations import repository
from conversations.models import Message
from conversations.schemas import Allowance, Capabilities
from store import clock

LOOKED_AT = 20
"""Of the customer's last messages; clicks on a menu may stand before his last real one."""


@dataclass(frozen=True, slots=True)
class Meter:
    """``left`` messages may be sent until ``until`` (``None``: before his first message)."""

    left: int
    until: datetime | None = None


def kept(allows: Allowance) -> dict[str, object]:
    """As a message's payload keeps it."""
    return {"allows": [allows.count, allows.within.total_seconds()]}


def granted(message: Message, can: Capabilities) -> Allowance:
    """What this message of the customer lets us say."""
    own = message.payload.get("allows")
    if own and can.reply_quota:
        return Allowance(int(own[0]), timedelta(seconds=own[1]))
    return Allowance(can.reply_quota or 0, can.reply_within)


def meter(
    session: Session, conversation_id: int, can: Capabilities, *, queued: bool = True
) -> Meter | None:
    """What may be sent now; ``None`` for a channel without a quota.

    A click on a menu (a short allowance of its own) does not end the one of the last real message:
    the larger of the two counts. ``queued``: what is still to be sent counts as sent.
    """
    if can.reply_quota is None:
        return None
    best = Meter(0)
    newest = True
    for message in repository.last_heard(session, conversation_id, LOOKED_AT):
        plain = "allows" not in message.payload
        if newest or plain:
            best = max(best, _left(session, message, can, queued=queued), key=_order)
        if plain:
            break
        newest = False
    return best


def _left(session: Session, heard: Message, can: Capabilities, *, queued: bool) -> Meter:
    allows = granted(heard, can)
    until = heard.created_at + allows.within
    if clock.now() >= until:
        return Meter(0, until)
    return Meter(max(allows.count - repository.sent_since(session, heard, queued=queued), 0), until)


def _order(meter: Meter) -> tuple[int, float]:
    return meter.left, meter.until.timestamp() if meter.until else 0
