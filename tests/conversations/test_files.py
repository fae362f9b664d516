"""The file store and the rows that name its files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import text

from bot.settings import ROOT
from conversations import attachments, files, jobs, repository
from conversations import service as conversations
from conversations.files import Files
from conversations.models import Attachment, FileKind, FileState, Kind, Message
from conversations.schemas import ANY, Capabilities, Inbound, Reference
from store import clock
from store.engine import Database
from store.errors import FileNotAllowed, FileTooBig, Invalid
from tests import rooms, samples


@pytest.fixture
def store() -> Files:
    return rooms.file_store()


def everything(store: Files) -> list[str]:
    folder = store.path("00").parent.parent
    return sorted(path.name for path in folder.glob("*/*") if path.parent.name != "marks")


def test_the_same_bytes_are_one_file(store: Files) -> None:
    first, second = store.keep(samples.PHOTO), store.keep(samples.PHOTO)
    assert first == second
    assert first.sha256 == sha256(samples.PHOTO).hexdigest()
    assert everything(store) == [first.sha256]
    assert store.path(first.sha256).read_bytes() == samples.PHOTO


@pytest.mark.parametrize(
    ("data", "media_type", "kind"),
    [
        (samples.PHOTO, "image/png", FileKind.PHOTO),
        (samples.VOICE, "audio/ogg", FileKind.VOICE),
        (samples.AMR, "audio/amr", FileKind.VOICE),
        (samples.VIDEO, "video/mp4", FileKind.VIDEO),
        (samples.PDF, "application/pdf", FileKind.DOCUMENT),
        ("运单号 SF1".encode(), "text/plain", FileKind.DOCUMENT),
        (samples.PAGE, "text/plain", FileKind.DOCUMENT),
        (samples.DRAWING, "text/plain", FileKind.DOCUMENT),
    ],
)
def test_a_file_is_what_its_content_says(
    store: Files, data: bytes, media_type: str, kind: FileKind
) -> None:
    assert store.keep(data).media_type == media_type
    assert files.kind_of(media_type) == kind


@pytest.mark.parametrize("data", [samples.PROGRAM, b"\x00\x01\x02", b"\x7fELF" + bytes(60)])
def test_what_is_not_taken_is_not_written(store: Files, data: bytes) -> None:
    with pytest.raises(FileNotAllowed):
        store.keep(data)
    assert everything(store) == []


def test_the_largest_file_fits_and_one_byte_more_does_not(store: Files) -> None:
    assert store.keep(b"x" * store.most).size == store.most
    with pytest.raises(FileTooBig):
        store.keep(b"x" * (store.most + 1))
    with pytest.raises(Invalid):
        store.keep(b"")


KILLED = """
import os, signal, sys
from pathlib import Path
from conversations.files import FileRules, Files
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
Files(Path(sys.argv[1]), FileRules(max_megabytes=1, allowed=("*",))).keep(b"half a file")
"""


def nothing(_: Sequence[str]) -> set[str]:
    return set()


def test_what_no_row_names_after_a_day_is_swept(database: Database, store: Files) -> None:
    sent, unsent, again = (store.keep(samples.picture(width)) for width in (1, 2, 3))
    received(database, Reference(FileKind.PHOTO, stored=sent))
    with clock.frozen(datetime.now(UTC)) as move:
        at = clock.now()
        move(at + timedelta(hours=23))
        jobs.sweep_files(database, store)
        store.keep(samples.picture(3))
        assert all(store.path(kept.sha256).exists() for kept in (sent, unsent, again))
        move(at + timedelta(hours=25))
        jobs.sweep_files(database, store)
        assert [store.path(f.sha256).exists() for f in (sent, unsent, again)] == [1, 0, 1]
        asked: list[str] = []
        store.sweep(lambda hashes: asked.extend(hashes) or set())  # type: ignore
        assert asked == []  # what is in use is not asked about again
        move(at + timedelta(days=3))
        jobs.sweep_files(database, store)
        assert [store.path(f.sha256).exists() for f in (sent, unsent, again)] == [1, 0, 0]


def test_a_file_that_is_kept_again_at_the_moment_of_the_sweep_stays(store: Files) -> None:
    kept = store.keep(samples.PHOTO)
    with clock.frozen(datetime.now(UTC) + timedelta(days=2)):

        def meanwhile(_: Sequence[str]) -> set[str]:
            store.keep(samples.PHOTO)
            return set()

        store.sweep(meanwhile)
        assert store.path(kept.sha256).read_bytes() == samples.PHOTO


def test_a_writer_that_is_killed_leaves_no_file_and_its_rest_is_swept(store: Files) -> None:
    folder = store.path("00").parent.parent
    dead = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=ROOT, check=False)
    assert dead.returncode == -signal.SIGKILL
    (rest,) = everything(store)
    assert (folder / "unfinished" / rest).exists()
    store.sweep(nothing)  # another writer may still be at it
    assert everything(store) == [rest]
    with clock.frozen(datetime.now(UTC) + timedelta(hours=2)):
        store.sweep(nothing)
    assert everything(store) == []
    assert store.keep(b"half a file").size == 11


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("bill.pdf", "bill.pdf"),
        ("../../etc/passwd", "etc passwd"),
        ("C:\\photos\\箱子.jpg", "C photos 箱子.jpg"),
        ("bill\u202efdp.exe", "billfdp.exe"),
        ("a\x00\r\nb.txt", "a b.txt"),
        ("half \ud83d.png", "half .png"),
        ("x" * 200 + ".pdf", "x" * 96 + ".pdf"),
        ("...", ""),
    ],
)
def test_a_name_can_be_shown_and_saved_under(name: str, kept: str) -> None:
    assert files.clean_name(name) == kept


def received(database: Database, *references: Reference) -> int:
    """A message with these files; its id."""
    with database.write() as session:
        inbound = Inbound(
            "web", "page", "ann", "1", "[图片]\n压坏了", Kind.IMAGE,
            attachments=references, label="[图片]",
        )  # fmt: skip
        row, _ = conversations.receive(session, inbound)
        return row.message_id


def test_files_are_stored_with_their_message_and_fall_due(
    database: Database, store: Files, at: Callable[[datetime], None]
) -> None:
    here = Reference(FileKind.DOCUMENT, name="here.png", stored=store.keep(samples.PHOTO))
    message_id = received(database, Reference(FileKind.PHOTO, "f1", seconds=3), here)
    with database.read() as session:
        wanted, stored = repository.attachments(session, [message_id])
        assert (wanted.state, wanted.due_at, wanted.reference) == (
            FileState.FETCHING, clock.now(), "f1",
        )  # fmt: skip
        assert (stored.state, stored.due_at, stored.kind) == (
            FileState.STORED, None, FileKind.PHOTO,
        )  # fmt: skip
        (line,) = conversations.lines(session, [session.get_one(Message, message_id)], {})
        assert [file.name for file in line.attachments] == ["", "here.png"]
        assert (line.text, line.words) == ("[图片]\n压坏了", "压坏了")


def test_a_message_with_a_file_is_no_mere_text(database: Database) -> None:
    voice = (Reference(FileKind.VOICE, "f1"),)
    with database.write() as session:
        inbound = Inbound("web", "page", "ann", "1", "听这个", attachments=voice)
        row, _ = conversations.receive(session, inbound)
        message = session.get_one(Message, row.message_id)
        assert message.kind == Kind.VOICE
        assert len(attachments.beside(session, [message])[message.id]) == 1


def test_a_files_bytes_decide_how_it_is_shown(database: Database, store: Files) -> None:
    message_id = received(database, Reference(FileKind.DOCUMENT, "f1", "photo as file.png"))
    with database.write() as session:
        (row,) = repository.attachments(session, [message_id])
        attachments.stored(row, store.keep(samples.PHOTO))
    with database.read() as session:
        message = session.get_one(Message, message_id)
        (file,) = attachments.beside(session, [message])[message_id]
        assert (file.kind, file.shown) == (FileKind.PHOTO, True)


def test_looking_for_work_and_for_a_messages_files_uses_an_index(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("the planner of PostgreSQL reads a small table whole")
    with database.read() as session:
        for query, index in (
            ("SELECT id FROM attachments WHERE due_at <= 'x' ORDER BY due_at LIMIT 4", "due_at"),
            ("SELECT * FROM attachments WHERE message_id IN (1, 2)", "message_id"),
            ("SELECT sha256 FROM attachments WHERE sha256 IN ('a', 'b')", "sha256"),
        ):
            plan = str(session.execute(text(f"EXPLAIN QUERY PLAN {query}")).all())
            assert f"{index}" in plan
            assert "SCAN" not in plan


def test_a_channel_carries_what_it_says() -> None:
    assert not Capabilities().carries("image/jpeg")
    assert Capabilities(files=ANY).carries("application/pdf", 50_000_000)
    some = Capabilities(files={"image/jpeg": 10})
    assert some.images
    assert some.carries("image/jpeg", 10)
    assert not some.carries("image/jpeg", 11)
    assert not some.carries("application/pdf", 1)


def test_two_rows_may_name_one_file(database: Database, store: Files) -> None:
    stored = store.keep(samples.PHOTO)
    twice = [Reference(FileKind.PHOTO, stored=stored)] * 2
    message_id = received(database, *twice)
    with database.read() as session:
        rows = repository.attachments(session, [message_id])
        assert [row.position for row in rows] == [0, 1]
        assert {row.sha256 for row in rows} == {stored.sha256}
        assert session.query(Attachment).count() == 2
        assert os.path.exists(store.path(stored.sha256))
