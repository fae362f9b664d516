"""The file store: bytes under the name of their SHA-256, in one folder, whoever they came from.

Writing the same bytes twice is writing them once, and a file is there whole or not at all: it is
written beside its place, synced, and renamed. A row that names a file is committed after that, so
whatever is killed between the two leaves at most a file that nothing names yet. What is kept has a
mark for a day: the sweep looks at marks alone, however many files there are.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
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
UNNAMED = timedelta(days=1)
"""So long a file is kept that no row names: a row that comes later would find it gone."""
UNFINISHED = timedelta(hours=1)
MAX_NAME = 100
_KINDS = {"image": FileKind.PHOTO, "audio": FileKind.VOICE, "video": FileKind.VIDEO}
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\s]+')
_CONTROLS = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32)) + b"\x7f"


class FileRules(policies.Policy):
    """``policies/files.yml``. ``allowed`` are media types, ``*`` stands for anything in them."""

    max_megabytes: int = Field(ge=1, le=50)
    uploads_per_hour: int = Field(default=30, ge=1, le=1000)
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
        self._marks = folder / "marks"
        self._rules = rules

    @property
    def most(self) -> int:
        return self._rules.most

    @property
    def per_hour(self) -> int:
        """How many files one visitor of the page may upload in an hour."""
        return self._rules.uploads_per_hour

    def keep(self, data: bytes) -> Stored:
        """Store bytes durably. FileTooBig or FileNotAllowed, and nothing is written."""
        self.check_size(len(data))
        media_type = sniff(data)
        if not any(fnmatchcase(media_type, allowed) for allowed in self._rules.allowed):
            raise FileNotAllowed("a kind of file that is not taken", media_type=media_type)
        found = Stored(hashlib.sha256(data).hexdigest(), media_type, len(data))
        path = self.path(found.sha256)
        with self._lock(fcntl.LOCK_SH):
            self._mark(found.sha256)
            if not path.exists():
                self._write(path, data)
        return found

    def check_size(self, size: int) -> None:
        """FileTooBig for more bytes than the company takes; Invalid for none."""
        if size > self.most:
            raise FileTooBig(self.most)
        if size <= 0:
            raise Invalid("an empty file")

    def path(self, sha256: str) -> Path:
        """Where the bytes lie."""
        return self._folder / sha256[:2] / sha256

    def sweep(self, named: Callable[[Sequence[str]], Set[str]]) -> None:
        """Remove what writers left half written when they were killed, and what was kept UNNAMED
        ago and no row names; ``named`` says which of some SHA-256 rows do name."""
        for left in self._unfinished.glob("*"):
            if _older(left, UNFINISHED):
                left.unlink(missing_ok=True)
        marks = [mark for mark in self._marks.glob("*") if _older(mark, UNNAMED)]
        in_use = named([mark.name for mark in marks])
        for mark in marks:
            with self._lock(fcntl.LOCK_EX):
                if _older(mark, UNNAMED):  # not kept once more at this moment
                    if mark.name not in in_use:
                        self.path(mark.name).unlink(missing_ok=True)
                    mark.unlink()

    @contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        """Keeping goes on side by side, never while a file is removed. Ends with its process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, how)
            yield

    def _mark(self, sha256: str) -> None:
        self._marks.mkdir(exist_ok=True)
        mark = self._marks / sha256
        mark.touch()
        at = clock.now().timestamp()
        os.utime(mark, (at, at))

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


def _older(path: Path, age: timedelta) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < (clock.now() - age).timestamp()
    return False


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
