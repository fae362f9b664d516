"""What goes over the wire, both ways. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bot.channels.base import Part
from bot.channels.http.account import Account
from bot.channels.web.schemas import MAX_ROW
from conversations.models import FileKind
from conversations.schemas import Inbound, Reference
from conversations.service import clean
from conversations.texts import Texts
from store.errors import Invalid

LONGEST_NAME = 128


class _Body(BaseModel):
    """A field nobody knows is a mistake that is told."""

    model_config = ConfigDict(extra="forbid")


class Person(_Body):
    """``id`` is the app's own name for its customer: the same person, the same id."""

    id: Annotated[str, Field(pattern=r"^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,126}\S)?$")]
    name: str | None = None
    language: Literal["zh", "en"] | None = None


class FileLink(_Body):
    """A file that lies at the app's own host. ``size`` in bytes, ``seconds`` of sound or film."""

    url: Annotated[str, Field(max_length=2000)]
    kind: FileKind = FileKind.DOCUMENT
    name: str = ""
    size: Annotated[int | None, Field(ge=0, le=MAX_ROW)] = None
    seconds: Annotated[int | None, Field(ge=0, le=MAX_ROW)] = None


class Said(_Body):
    """A customer's message; its id is the webhook's."""

    customer: Person
    text: str = ""
    files: Annotated[tuple[FileLink, ...], Field(max_length=10)] = ()
    sent_at: AwareDatetime | None = None


class Receipt(_Body):
    """Everything up to ``message`` has reached this customer's device, or his eyes."""

    customer: Person
    message: Annotated[int, Field(ge=1, le=MAX_ROW)]
    state: Literal["delivered", "read"]


def to_inbound(said: Said, name: str, account: Account, texts: Texts) -> Inbound:
    """The message as it is stored. Invalid for a file that does not lie with the app."""
    language = said.customer.language or "zh"
    labels = [
        texts.say(language, f"http.kinds.{file.kind}", name=clean(file.name)[:LONGEST_NAME]).strip()
        for file in said.files
    ]
    label = "\n".join(labels)
    return Inbound(
        channel=account.channel,
        account=account.id,
        address=said.customer.id,
        outside_id=name,
        text=f"{label}\n{said.text}" if label else said.text,
        name=clean(said.customer.name or "")[:LONGEST_NAME] or None,
        language=said.customer.language,
        sent_at=said.sent_at,
        attachments=tuple(_reference(file, account) for file in said.files),
        label=label,
    )


def _reference(file: FileLink, account: Account) -> Reference:
    try:
        url = httpx.URL(file.url)
    except httpx.InvalidURL as error:
        raise Invalid("a file without an address") from error
    if not account.owns(url):
        raise Invalid("a file that does not lie at the callback's host")
    return Reference(file.kind, str(url), file.name, file.size, file.seconds)


def name_of(part: Part) -> str:
    """The webhook's id of a part: the same however often it is sent."""
    return f"msg_{part.message_id}_{part.index}"


def body_of(part: Part, at: datetime, link: str) -> bytes:
    """A part as the app gets it; ``link`` is where it fetches the file, if there is one."""
    body: dict[str, Any] = {
        "type": "message",
        "timestamp": at.isoformat(),
        "customer": {"id": part.address},
        "message": part.message_id,
        "part": part.index + 1,
        "parts": part.count,
        "text": part.text,
        "buttons": [{"title": button.title, "say": button.say} for button in part.buttons],
        "file": None,
    }
    if part.file is not None:
        body["file"] = {
            "url": link,
            "kind": part.file.kind,
            "name": part.file.file_name,
            "media_type": part.file.media_type,
            "size": part.file.size,
        }
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def outside_id(answer: bytes) -> str | None:
    """The app's own id for what it took, if its answer gives one."""
    try:
        found = json.loads(answer)
    except ValueError:
        return None
    given = found.get("id") if isinstance(found, dict) else None
    return str(given)[:LONGEST_NAME] if isinstance(given, str | int) else None
