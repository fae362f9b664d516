"""What a channel is: it takes messages in by its own routes and sends messages out.

A channel never decides who may speak and never answers by itself. Inbound: check the signature,
convert (pure), call ``Accept``, acknowledge. Outbound: ``send`` is called by the outbox with one
part that already fits the channel's capabilities.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from fastapi import APIRouter
from sqlalchemy.orm import Session

from conversations import files
from conversations.models import FileKind, Inbox, Undelivered
from conversations.schemas import Button, Capabilities, Inbound
from store.errors import CourierError


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receipt of a stored message. ``new`` is false for a repeat, which changed nothing."""

    inbox_id: int
    message_id: int
    conversation_id: int
    new: bool


Accept = Callable[[Inbound], Awaitable[Accepted]]
"""Stores a message durably; when it returns the channel may acknowledge."""


Keep = Callable[[Session, Inbound], tuple[Inbox, bool]]
"""The same inside a transaction of the channel's own; ``False`` for a repeat."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent: it lies at ``path`` until it is. ``id`` is its number in the record."""

    id: int
    kind: FileKind
    name: str
    media_type: str
    size: int
    path: Path

    @property
    def file_name(self) -> str:
        """The name to send it under: its own, or one made of its kind."""
        return self.name or f"{self.kind}{files.ending(self.media_type)}"


@dataclass(frozen=True, slots=True)
class Part:
    """One send: ``key`` is stable over retries, ``index`` of ``count`` parts of a message.

    A part is words (with ``buttons``), or else it is a ``file``.
    """

    key: str
    account: str
    address: str
    conversation_id: int
    message_id: int
    text: str
    buttons: tuple[Button, ...]
    index: int
    count: int
    file: File | None = None


class SendFailed(CourierError):
    """A send (or fetch) that did not succeed; which kind decides what happens next. ``reason`` is
    what people are told once it is given up."""

    code = "send_failed"
    reason = Undelivered.REFUSED


class Unreachable(SendFailed):
    """Permanent: blocked, gone, refused. The message is given up visibly at once."""


class TryLater(SendFailed):
    """Certainly not sent; ``after`` says how long the platform wants us to wait."""

    reason = Undelivered.TRIED

    def __init__(self, message: str, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class NeedsCustomer(SendFailed):
    """Certainly not sent, and not before the customer writes again: the reply quota is spent."""

    reason = Undelivered.EXPIRED


class UnknownResult(SendFailed):
    """It may have arrived. Repeated only where the channel drops repeats itself."""

    reason = Undelivered.UNKNOWN


class Channel(Protocol):
    """The protocol every channel keeps; ``tests/channels/contract.py`` is its test suite."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def router(self) -> APIRouter:
        """The channel's own routes."""
        ...

    async def send(self, part: Part) -> str | None:
        """Send one part; the platform's id for it, if it gives one. Raises a SendFailed."""
        ...


@runtime_checkable
class Nudging(Protocol):
    """A channel that can tell a customer, beside its quota, that something waits for his words."""

    async def nudge(self, address: str, text: str) -> None:
        """Tell him, if the company switched that on; ``text`` is what waits. Raises a SendFailed;
        it is not tried again."""
        ...


@runtime_checkable
class Fetching(Protocol):
    """A channel whose customers send files."""

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        """The bytes of a customer's file, by the channel's own name for it.

        FileTooBig above ``most`` bytes, Unreachable if the platform has it no more; any other
        SendFailed is tried again.
        """
        ...
