"""Updates of Telegram as what they mean: no network, no database."""

from __future__ import annotations

from typing import Any

import pytest
from telegram import Update

from bot.channels.telegram.convert import (
    UNREADABLE,
    Pressed,
    Received,
    Renamed,
    button_id,
    read,
)
from conversations.models import FileKind, Kind
from tests.channels.house import TEXTS
from tests.channels.test_telegram import message, press

FILE = {"file_id": "f", "file_unique_id": "u"}
MEDIA: dict[str, tuple[dict[str, Any], Kind, str, FileKind]] = {
    "audio": ({"audio": {**FILE, "duration": 1, "mime_type": "audio/mpeg"}},
              Kind.VOICE, "[audio]", FileKind.VOICE),
    "round video": ({"video_note": {**FILE, "duration": 1, "length": 1}},
                    Kind.FILE, "[video]", FileKind.VIDEO),
    "animation": ({"animation": {**FILE, "duration": 1, "width": 1, "height": 1},
                   "document": {**FILE}}, Kind.FILE, "[animation]", FileKind.VIDEO),
    "nameless file": ({"document": {**FILE}}, Kind.FILE, "[file] ", FileKind.DOCUMENT),
}  # fmt: skip


def meant(**kind: Any) -> Received | Pressed | Renamed | None:
    return read(Update.de_json({"update_id": 1, **kind}, None), "7", TEXTS)


def received(**content: Any) -> Received:
    found = meant(message={**message(5), **content})
    assert isinstance(found, Received)
    return found


@pytest.mark.parametrize("name", MEDIA)
def test_a_file_has_kind_label_and_reference(name: str) -> None:
    content, kind, text, shown_as = MEDIA[name]
    found = received(**content)
    assert (found.inbound.kind, found.inbound.text) == (kind, text)
    assert found.polite is not None
    (file,) = found.inbound.attachments
    assert (file.kind, file.id) == (shown_as, "f")
    assert file.seconds == (None if name == "nameless file" else 1)
    assert found.inbound.label == text


def test_a_message_is_told_apart_by_chat_and_number() -> None:
    inbound = received(text="hello").inbound
    assert (inbound.channel, inbound.account) == ("telegram", "7")
    assert (inbound.address, inbound.outside_id) == ("1001", "1001:5")
    assert inbound.sent_at is not None
    assert inbound.sent_at.isoformat() == "2026-03-02T02:00:00+00:00"


@pytest.mark.parametrize(
    ("code", "language"),
    [("zh-hans", "zh"), ("zh", "zh"), ("en", "en"), ("de", "en"), (None, "zh")],
)
def test_the_language_is_that_of_the_customers_app(code: str | None, language: str) -> None:
    user = {"id": 1, "is_bot": False, "first_name": "x"} | ({"language_code": code} if code else {})
    assert received(text="1", **{"from": user}).inbound.language == language


def test_a_name_fits_the_record_and_hides_nothing() -> None:
    user = {"id": 1, "is_bot": False, "first_name": "\u202eevil\x00", "last_name": "x" * 300}
    name = received(text="1", **{"from": user}).inbound.name
    assert name is not None
    assert name.startswith("evil x")
    assert len(name) == 128


def test_a_groups_nameless_admin_is_called_by_the_group() -> None:
    group = message(5, -500, text="hello")
    group["sender_chat"] = group["chat"]
    del group["from"]
    found = meant(message=group)
    assert isinstance(found, Received)
    assert (found.inbound.name, found.inbound.address) == ("G", "-500")


@pytest.mark.parametrize(
    "kind",
    [
        {"channel_post": message(1, text="news")},
        {"message": message(1, pinned_message=message(2, text="x"))},
        {"message": message(1, left_chat_member={"id": 1, "is_bot": False, "first_name": "x"})},
        {"edited_message": message(1, text="no date of the edit")},
        {"callback_query": {**press("x"), "data": None}},
        {"callback_query": press("../../etc/passwd")},
        {"callback_query": press("12.5 OR 1=1")},
    ],
)
def test_what_concerns_nobody_is_left(kind: dict[str, Any]) -> None:
    assert meant(**kind) is None


@pytest.mark.parametrize("chat", [{"id": "words", "type": "private"}, {"type": "private"}, 7])
def test_a_message_of_nowhere_cannot_be_read(chat: object) -> None:
    with pytest.raises(UNREADABLE):
        meant(message={**message(1, text="hello"), "chat": chat})


def test_a_button_is_found_again_and_fits() -> None:
    largest = button_id(2**31 - 1, 99)
    assert len(largest.encode()) <= 64
    found = meant(callback_query=press(largest))
    assert isinstance(found, Pressed)
    assert (found.message_id, found.number, found.address) == (2**31 - 1, 99, "1001")


def test_a_button_under_a_message_too_old_to_be_shown_still_counts() -> None:
    old = {**press(button_id(4, 1)), "message": {"chat": {"id": 1001, "type": "private"},
           "message_id": 50, "date": 0}}  # fmt: skip
    found = meant(callback_query=old)
    assert isinstance(found, Pressed)
    assert found.address == "1001"
