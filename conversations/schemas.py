"""Neutral shapes between channels and the rest: what came in, what goes out, what a channel can."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from conversations.models import Kind

MAX_TEXT = 4000
"""Characters of one customer message that are kept; longer ones are refused with a sentence."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a message, already stored: name, media type, size in bytes, address."""

    name: str
    media_type: str
    size: int
    address: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """A customer's message, whatever channel it came by. ``outside_id`` is the channel's own."""

    channel: str
    account: str
    address: str
    outside_id: str
    text: str
    kind: Kind = Kind.TEXT
    name: str | None = None
    language: str | None = None
    sent_at: datetime | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Button:
    """A quick reply: ``title`` is shown, ``say`` is what pressing it says."""

    title: str
    say: str


@dataclass(frozen=True, slots=True)
class Outbound:
    """Words to a customer; ``key`` is the idempotency key of the send."""

    key: str
    text: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can carry. Lengths are counted in the channel's own ``unit``."""

    buttons: bool = False
    max_length: int = 4000
    unit: str = "characters"  # or "utf16", "bytes"
    typing: bool = False
    receipts: bool = False
    images: bool = False
    reply_quota: int | None = None
    """Messages that may be sent after each customer message; ``None``: as many as one likes."""
    retry_unknown: bool = False
    """A send with unknown result may be repeated: the channel or its client drops the repeat."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message as people read it: in the transcript, on the desk, in a packet."""

    id: int
    author: str
    author_name: str | None
    kind: str
    audience: str
    text: str
    at: datetime
    delivery: str | None = None
    buttons: tuple[Button, ...] = ()
    attachments: tuple[Attachment, ...] = field(default=())
