"""Tables of the record: who wrote, what was said, who may speak."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.claims import Due


class Holder(StrEnum):
    """Who may speak to the customer. One column decides it."""

    BOT = "bot"
    WAITING = "waiting"
    AGENT = "agent"


class Author(StrEnum):
    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


class Kind(StrEnum):
    """What a message is. Everything but the first five is written by the house itself."""

    TEXT = "text"
    IMAGE = "image"
    VOICE = "voice"
    FILE = "file"
    LOCATION = "location"
    NOTE = "note"
    EVENT = "event"


class Audience(StrEnum):
    EVERYONE = "everyone"
    STAFF = "staff"


class Customer(Base):
    """Somebody at the other end of a channel. ``address`` is the channel's own name for him."""

    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("channel", "account", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(128))
    name: Mapped[str | None] = mapped_column(String(128))
    language: Mapped[str] = mapped_column(String(8), default="zh")
    created_at: Mapped[datetime]


class Conversation(Base):
    """One episode with a customer. ``key`` is Rasa's sender id and the public name."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_customer_id_id", "customer_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    holder: Mapped[Holder] = mapped_column(String(8), default=Holder.BOT)
    staff_id: Mapped[int | None]
    language: Mapped[str] = mapped_column(String(8), default="zh")
    failures: Mapped[int] = mapped_column(default=0)
    anger: Mapped[int] = mapped_column(default=0)
    bot_knows: Mapped[int] = mapped_column(default=0)
    """The last message that Rasa has seen; what people said after it is told to Rasa later."""
    held_until: Mapped[datetime | None]
    """Until then what is written to the customer may leave as the answer to his own request, if his
    channel knows that; nothing else sends it before."""
    created_at: Mapped[datetime]
    last_message_at: Mapped[datetime]


class Message(Base):
    """One entry of the transcript. Never changed, but for what the channel says of its delivery."""

    __tablename__ = "messages"
    __table_args__ = (Index("ix_messages_conversation_id_id", "conversation_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    author: Mapped[Author] = mapped_column(String(8))
    staff_id: Mapped[int | None]
    kind: Mapped[Kind] = mapped_column(String(8), default=Kind.TEXT)
    audience: Mapped[Audience] = mapped_column(String(8), default=Audience.EVERYONE)
    text: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class Inbox(Due, Base):
    """A customer's message that was stored and is to be answered once."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("channel", "account", "outside_id"),
        Index("ix_inbox_conversation_id_id", "conversation_id", "id"),
        Index(
            "ix_inbox_given_up",
            "due_at",  # null in all of them: SQLite would take the index of due_at alone
            "id",
            sqlite_where=text("due_at IS NULL AND handled_at IS NULL"),
            postgresql_where=text("due_at IS NULL AND handled_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(64))
    outside_id: Mapped[str] = mapped_column(String(128))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]


class Delivery(StrEnum):
    """``dropped`` failed too, and a supervisor gave it up for good."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    DROPPED = "dropped"


class Undelivered(StrEnum):
    """Why a message is not with the customer: the desk says each in a sentence."""

    WAITS = "waits"
    """for the customer's next message: the channel lets us say no more before"""
    LATER = "later"
    """the platform was busy or out of reach; it is tried again"""
    REFUSED = "refused"
    """blocked, gone, or nothing this channel takes"""
    UNKNOWN = "unknown"
    """the answer to the send was lost: it may have arrived"""
    TRIED = "tried"
    """tried as often as is sensible"""
    EXPIRED = "expired"
    """the customer did not write for too long"""
    OFF = "off"
    """the channel is not switched on"""


class Outbox(Due, Base):
    """A message on its way to a customer. ``key`` makes writing it twice impossible."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_conversation_id_id", "conversation_id", "id"),
        Index(
            "ix_outbox_failed",
            "id",
            sqlite_where=text("state = 'failed'"),
            postgresql_where=text("state = 'failed'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(128), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), unique=True)
    state: Mapped[Delivery] = mapped_column(String(12), default=Delivery.QUEUED)
    parts_sent: Mapped[int] = mapped_column(default=0)
    outside_ids: Mapped[list[Any]] = mapped_column(default=list)
    reason: Mapped[Undelivered | None] = mapped_column(String(8))
    nudged_at: Mapped[datetime | None]
    """When the customer was told that this waits for his next message."""
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class FileKind(StrEnum):
    """How people are shown a file."""

    PHOTO = "photo"
    VOICE = "voice"
    VIDEO = "video"
    DOCUMENT = "document"


class FileState(StrEnum):
    FETCHING = "fetching"
    STORED = "stored"
    GONE = "gone"


class Gone(StrEnum):
    """Why a file never came: the desk says each in a sentence."""

    TOO_BIG = "too_big"
    NOT_ALLOWED = "not_allowed"
    EXPIRED = "expired"
    UNREACHABLE = "unreachable"


class Attachment(Due, Base):
    """A file beside a message. Its bytes lie in ``files.Files`` under ``sha256`` once ``stored``.

    While ``fetching`` the row falls due; ``reference`` is the channel's own name of the file.
    ``media_type`` is what the bytes are, ``size`` counts them (before: as the channel announces).
    """

    __tablename__ = "attachments"
    __table_args__ = (UniqueConstraint("message_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    position: Mapped[int]
    kind: Mapped[FileKind] = mapped_column(String(8))
    state: Mapped[FileState] = mapped_column(String(8))
    reference: Mapped[str | None]
    name: Mapped[str] = mapped_column(String(128))
    media_type: Mapped[str | None] = mapped_column(String(128))
    size: Mapped[int | None]
    seconds: Mapped[int | None]
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    reason: Mapped[Gone | None] = mapped_column(String(12))
    created_at: Mapped[datetime]


class SearchToken(Base):
    """Where a token occurs; see ``search.py``. A row per message and token."""

    __tablename__ = "search_tokens"
    __table_args__ = (Index("ix_search_tokens_token_message_id", "token", "message_id"),)

    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    token: Mapped[str] = mapped_column(String(48), primary_key=True)
