"""The file store: bytes under the name of their SHA-256, in one folder, whoever they came from.

Writing the same bytes twice is writing them once, and a file is there whole or not at all: it is
written beside its place, synced, and renamed. A row that names a file is committed after that, so
whatever is killed between the two leaves at most a file that nothing names yet.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import filetype
from pydantic import Field

from conversations.models import FileKind
from conversations.schemas import Stored
from store import clock, policies
from store.errors import FileNotAllowed, FileTooBig, Invalid

UNKNOWN = "application/octet-stream"
MAX_NAME = 100
_KINDS = {"image": FileKind.PHOTO, "audio": FileKind.VOICE, "video": FileKind.VIDEO}
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\s]+')
_CONTROLS = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32)) + b"\x7f"


class FileRules(policies.Policy):
    """``policies/files.yml``. ``allowed`` are media types, ``*`` stands for anything in them."""

    max_megabytes: int = Field(ge=1, le=50)
    allowed: tuple[str, ...]

    @property
    def most(self) -> int:
        """The largest file, in bytes."""
        return self.max_megabytes * 1024 * 1024


class Files:
    """Keeps files below ``folder``. All replicas of a service must see the same folder."""

    def __init__(self, folder: Path, rules: FileRules) -> None:
        self._folder = folder
        self._unfinished = folder / "unfinished"
        self._rules = rules

    @property
    def most(self) -> int:
        return self._rules.most

    def keep(self, data: bytes) -> Stored:
        """Store bytes durably. FileTooBig or FileNotAllowed, and nothing is written."""
        self.check_size(len(data))
        media_type = sniff(data)
        if not any(fnmatchcase(media_type, allowed) for allowed in self._rules.allowed):
            raise FileNotAllowed("a kind of file that is not taken", media_type=media_type)
        found = Stored(hashlib.sha256(data).hexdigest(), media_type, len(data))
        path = self.path(found.sha256)
        if not path.exists():
            self._write(path, data)
        return found

    def check_size(self, size: int) -> None:
        """FileTooBig for more bytes than the company takes; Invalid for none."""
        if size > self.most:
            raise FileTooBig("file too big", limit=self.most)
        if size <= 0:
            raise Invalid("an empty file")

    def path(self, sha256: str) -> Path:
        """Where the bytes lie."""
        return self._folder / sha256[:2] / sha256

    def sweep(self, older_than: timedelta = timedelta(hours=1)) -> None:
        """Remove what writers left half written when they were killed."""
        before = (clock.now() - older_than).timestamp()
        for left in self._unfinished.glob("*"):
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < before:
                    left.unlink()

    def _write(self, path: Path, data: bytes) -> None:
        for folder in (self._unfinished, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._unfinished)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync(path.parent)  # the name too survives a power cut


def sniff(data: bytes) -> str:
    """The media type by content: what the sender calls it is not asked."""
    found = filetype.guess_mime(data)
    if found is not None:
        return str(found)
    if data.translate(None, _CONTROLS) == data:
        with suppress(UnicodeDecodeError):
            data.decode()
            return "text/plain"  # HTML and SVG too: they are shown as the text they are
    return UNKNOWN


def kind_of(media_type: str) -> FileKind:
    """How a file of this type is shown."""
    return _KINDS.get(media_type.partition("/")[0], FileKind.DOCUMENT)


def clean_name(name: str) -> str:
    """A name to show and to save under: no folders, no hidden letters, its ending kept."""
    kept = "".join(c for c in _NOT_IN_NAMES.sub(" ", name) if c.isprintable()).strip(" .")
    stem, dot, ending = kept.rpartition(".")
    if len(kept) > MAX_NAME and dot and len(ending) <= 10:
        return stem[: MAX_NAME - len(ending) - 1] + dot + ending
    return kept[:MAX_NAME]


def ending(media_type: str) -> str:
    """The usual ending of such a file's name, with its dot; empty if there is none."""
    known = filetype.get_type(mime=media_type)
    return f".{known.extension}" if known else ".txt" if media_type == "text/plain" else ""


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
