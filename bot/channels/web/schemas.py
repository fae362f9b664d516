"""Shapes on the wire between the page and us."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.channels.reading import Progress, State, Words
from conversations.models import FileState
from store.errors import Invalid, TooLong

MAX_BODY = 64_000
"""Bytes of a request: a message of the longest kind is 16,000 bytes, escaped 24,000."""

MAX_FILES = 6
"""Beside one message."""

MAX_ID = 2**63 - 1
MAX_ROW = 2**31 - 1
"""The largest id a table has; PostgreSQL refuses to look for more."""

MAX_USER = 120
"""Characters of a site's own id of its customer; a customer's name holds 128."""


class _Body(BaseModel):
    model_config = ConfigDict(strict=True)


class Sent(_Body):
    """A file of a message: the id of its upload, and the name it has at the customer's."""

    id: Annotated[str, Field(max_length=400)]
    name: Annotated[str, Field(max_length=400)] = ""


class Said(_Body):
    """A customer's message; ``id`` is made by the page and makes sending it again harmless.
    ``point``: where he is, latitude and longitude in degrees."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,40}$")]
    text: str = ""
    files: Annotated[list[Sent], Field(max_length=MAX_FILES)] = []
    point: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None


class Receipt(_Body):
    """Everything up to the message ``up_to`` has reached the visitor's device; what he has seen
    goes up to ``read``."""

    up_to: Annotated[int, Field(ge=0, le=MAX_ID)]
    read: Annotated[int, Field(ge=0, le=MAX_ID)] = 0


class Identity(_Body):
    """Who a site says its visitor is; ``hmac`` are the hexadecimal digits it signs that with."""

    user: Annotated[str, Field(max_length=MAX_USER, pattern=r"^[^\x00-\x1f\x7f]+$")]
    hmac: Annotated[str, Field(max_length=64)]


AnyBody = TypeVar("AnyBody", bound=BaseModel)


async def read(request: Request, shape: type[AnyBody]) -> AnyBody:
    """The JSON body; Invalid if it is no such object, TooLong above MAX_BODY bytes."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Invalid("not JSON")
    return parse(await body(request), shape)


async def body(request: Request) -> bytes:
    """TooLong above MAX_BODY bytes, before more of it is read."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BODY:
            raise TooLong("body too long", limit=MAX_BODY)
    return bytes(found)


def parse(body: bytes, shape: type[AnyBody]) -> AnyBody:
    """Read by hand: a framework's own answer to bad JSON repeats the input."""
    try:
        return shape.model_validate(json.loads(body))
    except (ValidationError, ValueError, RecursionError) as error:
        raise Invalid("not the expected JSON object") from error


def message_id(text: str | None) -> int | None:
    """A message's id in an address or header; Invalid for anything else than a whole number."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > MAX_ID:
        raise Invalid("no message id")
    return int(text[:20])


def message(words: Words, own_prefix: str) -> dict[str, Any]:
    """A message for the page; ``client_id`` is the id the page gave to the visitor's own words."""
    own = words.outside_id or ""
    return {
        "id": words.id,
        "client_id": own.removeprefix(own_prefix) if own.startswith(own_prefix) else None,
        "author": words.author,
        "name": words.name,
        "text": words.text,
        "buttons": [{"title": b.title, "say": b.say} for b in words.buttons],
        "files": [
            {
                "kind": file.kind if file.shown else "document",
                "name": file.name,
                "size": file.size,
                "address": f"/chat/files/{file.id}" if file.state == FileState.STORED else None,
            }
            for file in words.files
        ],
        "at": words.at.isoformat(),
    }


def state(value: State, progress: Progress) -> dict[str, Any]:
    return {
        "holder": value.holder,
        "typing": value.typing,
        "agent": value.agent,
        "place": value.place,
        "contact_by": value.contact_by.isoformat() if value.contact_by else None,
        "delivered": progress.delivered,
        "read": progress.read,
    }
