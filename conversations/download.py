"""A stored file as an HTTP answer that can do nothing to the page that asks for it."""

from __future__ import annotations

from starlette.responses import FileResponse

from conversations.files import UNKNOWN, Files, ending
from conversations.models import Attachment
from store.errors import NotFound

SHOWN = frozenset({
    "image/jpeg", "image/png", "image/gif", "image/webp",
    "audio/ogg", "audio/mpeg", "audio/mp4", "audio/x-wav", "audio/aac",
    "video/mp4", "video/webm",
})  # fmt: skip
"""What browsers show by themselves and what runs no script; all else is saved, not opened."""

_HEADERS = {
    "Cache-Control": "private, max-age=600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def answer(files: Files, row: Attachment) -> FileResponse:
    """The bytes of ``row``, in ranges where asked. NotFound if they are not here.

    Who may see them has been asked before.
    """
    if row.sha256 is None or not (path := files.path(row.sha256)).exists():
        raise NotFound("file")
    shown = row.media_type in SHOWN
    return FileResponse(
        path,
        media_type=row.media_type if shown else UNKNOWN,
        filename=row.name or f"{row.kind}-{row.id}{ending(row.media_type or '')}",
        content_disposition_type="inline" if shown else "attachment",
        headers=_HEADERS,
    )
