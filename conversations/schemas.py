"""Neutral shapes between channels and the rest: what came in, what goes out, what a channel can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from conversations.models import FileKind, Kind

MAX_TEXT = 4000
"""Characters of one customer message that are kept; longer ones are refused with a sentence."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes in the file store, named by their SHA-256; ``media_type`` is what they are."""

    sha256: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A file beside a customer's message: what to fetch it by (``id``, the channel's own), or its
    bytes if they are here already. ``size`` in bytes and ``seconds`` as the channel announces."""

    kind: FileKind
    id: str = ""
    name: str = ""
    size: int | None = None
    seconds: int | None = None
    stored: Stored | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that one of us sends along; ``name`` is the one the customer sees."""

    name: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as people see it. ``state``: fetching, stored, or gone for a ``reason``; ``shown``:
    a browser shows it, else it is offered for saving."""

    id: int
    kind: str
    state: str
    name: str
    media_type: str | None
    size: int | None
    seconds: int | None
    reason: str | None
    shown: bool


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a channel with a quota lets us say after something the customer did."""

    count: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Inbound:
    """A customer's message, whatever channel it came by. ``outside_id`` is the channel's own.

    ``label`` is how ``text`` begins where that stands for the files alone ("[photo]"): left out
    where the files themselves are shown. ``point``: latitude and longitude of a shared location,
    in degrees. ``allows`` where it is less than the channel's own quota.
    ``hold``: so long the answer may leave as the answer to the request that brought the message.
    """

    channel: str
    account: str
    address: str
    outside_id: str
    text: str
    kind: Kind = Kind.TEXT
    name: str | None = None
    language: str | None = None
    sent_at: datetime | None = None
    attachments: tuple[Reference, ...] = ()
    label: str = ""
    point: tuple[float, float] | None = None
    allows: Allowance | None = None
    hold: timedelta | None = None


def without_label(text: str, label: str) -> str:
    """What somebody said beside his files."""
    return text.removeprefix(label).lstrip("\n")


def point(latitude: object, longitude: object) -> tuple[float, float] | None:
    """A place on earth as a channel gives it, in degrees; None for anything else."""
    try:
        north, east = float(str(latitude)), float(str(longitude))
    except ValueError:
        return None
    return (north, east) if abs(north) <= 90 and abs(east) <= 180 else None


@dataclass(frozen=True, slots=True)
class Button:
    """A quick reply: ``title`` is shown, ``say`` is what pressing it says."""

    title: str
    say: str


@dataclass(frozen=True, slots=True)
class Outbound:
    """Words to a customer, or files, or both; ``key`` is the idempotency key of the send."""

    key: str
    text: str
    buttons: tuple[Button, ...] = ()
    files: tuple[Upload, ...] = ()


ANY: Mapping[str, int] = {"*": 2**31 - 1}
"""Every file that the company itself takes."""


@dataclass(frozen=True, slots=True)
class Menu:
    """The most that buttons carry: how many, the length of a title and of the words above."""

    buttons: int
    title: int
    words: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can carry. Lengths are counted in the channel's own ``unit``."""

    buttons: bool = False
    menu: Menu | None = None
    """Limits of the buttons; choices beyond them are numbered text."""
    max_length: int = 4000
    unit: str = "characters"  # or "utf16", "bytes"
    typing: bool = False
    receipts: bool = False
    files: Mapping[str, int] = field(default_factory=dict)
    """Media types that may be sent (``*`` for any other) with the largest size in bytes."""
    takes_files: bool = True
    """Customers can send files here."""
    reply_quota: int | None = None
    """Messages that may be sent after each customer message; ``None``: as many as one likes,
    0: only as the answer to a request of his."""
    reply_within: timedelta = timedelta(hours=48)
    """How long after the customer's message the quota may be used."""
    nudges: bool = False
    """A customer can be told, beside the quota, that something waits for his words."""
    retry_unknown: bool = False
    """A send with unknown result may be repeated: the channel or its client drops the repeat."""

    @property
    def images(self) -> bool:
        return self.carries("image/jpeg")

    def carries(self, media_type: str, size: int = 0) -> bool:
        """Whether a file of this kind and size may be sent."""
        return size <= self.files.get(media_type, self.files.get("*", -1))


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
    reason: str | None = None
    """Why it is not with the customer (``Undelivered``)."""
    nudged_at: datetime | None = None
    buttons: tuple[Button, ...] = ()
    attachments: tuple[Attached, ...] = ()
    label: str = ""

    @property
    def words(self) -> str:
        """The text without what stands for the files."""
        return without_label(self.text, self.label) if self.attachments else self.text
