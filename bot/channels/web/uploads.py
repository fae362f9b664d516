"""Files that visitors send, in two steps: the bytes come and are kept, then a message names them.

An upload is no row: its id says what was kept, for whom and until when, under our seal. The same
bytes sent again are the same file, and what no message names in time is swept with all such files.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import timedelta

from fastapi import Request

from bot.channels.web.visitors import Visitor
from conversations.files import UNNAMED, Files
from conversations.schemas import Stored
from store import clock
from store.errors import FileTooBig, Invalid, UploadGone

PATH = "/chat/files"
"""The one path of the page whose requests may be as long as a file."""
SECONDS = 300.0
"""A file of 20 MB on a slow line takes its time."""
VALID = UNNAMED - timedelta(hours=4)
"""A message that names an upload is stored well before the sweep."""


class Uploads:
    """Reads, keeps and seals."""

    def __init__(self, files: Files, secret: str) -> None:
        self._files = files
        self._secret = secret.encode()

    def announced(self, request: Request) -> int:
        """How many bytes will come, at most. FileTooBig or Invalid if that alone decides."""
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            return self._files.most
        self._files.check_size(int(length))
        return int(length)

    async def read(self, request: Request) -> Stored:
        """The body as a file. FileTooBig before more is read, FileNotAllowed, or Invalid."""
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(SECONDS):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._files.most:
                        raise FileTooBig(self._files.most)
                    chunks.append(chunk)
        except TimeoutError as error:
            raise Invalid("an upload that does not end") from error
        return await asyncio.to_thread(self._files.keep, b"".join(chunks))

    def seal(self, visitor: Visitor, stored: Stored) -> str:
        """The upload's id: of use to this visitor alone."""
        until = int((clock.now() + VALID).timestamp())
        claim = f"{stored.sha256} {stored.media_type} {stored.size} {until}"
        return f"{claim} {self._seal(visitor, claim)}"

    def open(self, visitor: Visitor, number: str) -> Stored:
        """What was uploaded under this id; UploadGone if it is too old, forged or another's."""
        claim, _, seal = number.rpartition(" ")
        if not hmac.compare_digest(self._seal(visitor, claim).encode(), seal.encode()):
            raise UploadGone("not this visitor's")
        sha256, media_type, size, until = claim.split(" ")
        if int(until) < clock.now().timestamp():
            raise UploadGone("too old")
        return Stored(sha256, media_type, int(size))

    def _seal(self, visitor: Visitor, claim: str) -> str:
        words = f"{visitor.account}\0{visitor.address}\0{claim}"
        return hmac.new(self._secret, words.encode(), hashlib.sha256).hexdigest()
