"""Files beside messages: to be fetched, stored, or gone. In the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from conversations import files, repository
from conversations.download import SHOWN
from conversations.models import Attachment, FileKind, FileState, Gone, Kind, Message
from conversations.schemas import Attached, Reference, Stored, Upload
from store import clock
from store.claims import release

_MESSAGES = {
    FileKind.PHOTO: Kind.IMAGE,
    FileKind.VOICE: Kind.VOICE,
    FileKind.VIDEO: Kind.FILE,
    FileKind.DOCUMENT: Kind.FILE,
}

WITH_FILES = frozenset(_MESSAGES.values())
"""Messages that may have files beside them."""


def kind_of(found: Sequence[Reference], otherwise: Kind = Kind.TEXT) -> Kind:
    """What a message with these files is: never a mere text, by which they are found again."""
    return _MESSAGES[found[0].kind] if found and otherwise == Kind.TEXT else otherwise


def references(uploads: Sequence[Upload]) -> tuple[Reference, ...]:
    """Files of ours as those of a customer are told."""
    return tuple(
        Reference(files.kind_of(file.stored.media_type), name=file.name, stored=file.stored)
        for file in uploads
    )


def attach(session: Session, message: Message, found: Sequence[Reference]) -> None:
    """Put files beside a message; those whose bytes are not here yet fall due."""
    at = clock.now()
    for position, file in enumerate(found):
        row = Attachment(
            message_id=message.id,
            position=position,
            kind=file.kind,
            state=FileState.FETCHING,
            reference=file.id,
            name=files.clean_name(file.name),
            size=file.size,
            seconds=file.seconds,
            created_at=at,
            due_at=at,
            attempts=0,
        )
        if file.stored is not None:
            stored(row, file.stored)
        session.add(row)


def stored(row: Attachment, found: Stored) -> None:
    """The bytes are here; how the file is shown follows from what they are."""
    row.state, row.kind = FileState.STORED, files.kind_of(found.media_type)
    row.sha256, row.media_type, row.size = found.sha256, found.media_type, found.size
    release(row, retry_at=None)


def gone(row: Attachment, reason: Gone, error: str | None = None) -> None:
    """The bytes will never come."""
    row.state, row.reason = FileState.GONE, reason
    release(row, retry_at=None, error=error)


def beside(session: Session, messages: Sequence[Message]) -> dict[int, tuple[Attached, ...]]:
    """The files beside messages, in order, by message id."""
    found: dict[int, tuple[Attached, ...]] = {}
    ids = [m.id for m in messages if m.kind in WITH_FILES]
    for row in repository.attachments(session, ids):
        found[row.message_id] = (*found.get(row.message_id, ()), _attached(row))
    return found


def by_id(session: Session, ids: Sequence[int]) -> tuple[Attached, ...]:
    """Files by their ids, in the order they came."""
    return tuple(_attached(row) for row in repository.attachments_by_id(session, ids))


def _attached(row: Attachment) -> Attached:
    return Attached(
        id=row.id,
        kind=row.kind,
        state=row.state,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        seconds=row.seconds,
        reason=row.reason,
        shown=row.media_type in SHOWN,
    )
