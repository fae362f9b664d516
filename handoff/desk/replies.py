"""What an agent sends: words and perhaps a file, from a page's form or from a program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from conversations.models import Message
from conversations.schemas import Upload
from handoff.desk.edge import form_of, words_of
from handoff.desk.parts import Desk, changing, looking
from handoff.promising import confirmation
from handoff.staff import SignedIn
from store import ids
from store.errors import Invalid

TAKES_FILES = re.compile(r"/(desk|api)/cases/[0-9]+/reply")
"""The paths whose requests may be as long as a file."""


class Reply(BaseModel):
    """``key`` names the send: the same key twice sends once. ``csrf`` comes with a form."""

    text: str = ""
    key: Annotated[str, Field(max_length=64)] | None = None
    csrf: str = ""
    confirmed: Annotated[str, Field(max_length=64)] = ""
    """``confirmation`` of the very words that put off a promise: they are sent all the same."""


@dataclass(frozen=True, slots=True)
class Read:
    """A reply with its files: their names and bytes."""

    reply: Reply
    files: tuple[tuple[str, bytes], ...] = ()


async def read(desk: Desk, request: Request) -> Read:
    """The body, read only for somebody who is signed in. Invalid for neither a form nor JSON,
    FileTooBig or TooLong before more is read."""
    await run_in_threadpool(_look, desk, request)
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return Read(Reply.model_validate_json(await words_of(request)))
        async with form_of(request, desk.files.most) as form:
            words = {name: value for name, value in form.items() if isinstance(value, str)}
            sent = [value for value in form.getlist("file") if isinstance(value, UploadFile)]
            files = [(file.filename or "", await file.read()) for file in sent if file.size]
        return Read(Reply.model_validate(words), tuple(files))
    except ValidationError as error:
        raise Invalid("not a reply") from error


def send(
    desk: Desk, request: Request, case_id: int, given: Read
) -> tuple[SignedIn, Message | None]:
    """Keep the files and queue the reply; no message for a repeat."""
    reply = given.reply
    with desk.database.read() as session:
        changing(session, request, reply.csrf)
    files = tuple(Upload(name, desk.files.keep(data)) for name, data in given.files)
    with desk.database.write() as session:
        person = changing(session, request, reply.csrf)
        key = reply.key or ids.new_key()
        confirmed = reply.confirmed == confirmation(reply.text)
        return person, desk.handoffs.reply(
            session, case_id, person, reply.text, key, files, confirmed=confirmed
        )


def _look(desk: Desk, request: Request) -> None:
    with desk.database.read() as session:
        looking(session, request)
