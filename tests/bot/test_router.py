"""Who answers, where no bot is needed for it."""

from __future__ import annotations

import pytest

from bot.rasa import Rasa
from bot.router import Router
from conversations import service as conversations
from conversations.models import (
    Author,
    Conversation,
    FileKind,
    Holder,
    Inbox,
    Kind,
    Message,
    Outbox,
)
from conversations.schemas import Inbound, Reference
from store.engine import Database
from store.live import Live
from tests import rooms

NOBODY = "http://127.0.0.1:9"
"""No bot answers here: who asks it meets an honest line and a person."""


async def answered(database: Database, text: str, label: str, holder: Holder) -> list[str]:
    """What a customer who sends a photo is told."""
    parts = rooms.build(database)
    router = Router(
        database, Live(database), Rasa(NOBODY), parts.handoffs, parts.tickets, parts.after,
        parts.texts,
    )  # fmt: skip
    photo = (Reference(FileKind.PHOTO, "f1"),)
    with database.write() as session:
        row, _ = conversations.receive(
            session,
            Inbound("web", "page", "ann", "1", text, Kind.IMAGE, attachments=photo, label=label),
        )
        session.get_one(Conversation, row.conversation_id).holder = holder
    await router.route(row)
    with database.read() as session:
        assert session.get_one(Inbox, row.id).handled_at is not None
        assert session.query(Outbox).count() == session.query(Message).count() - 1
        said = session.query(Message).filter(Message.author == Author.SYSTEM)
        return [message.text for message in said]


async def test_a_file_without_words_is_acknowledged_without_the_bot(database: Database) -> None:
    (told,) = await answered(database, "[图片]", "[图片]", Holder.BOT)
    assert told.startswith("收到您发来的文件")


@pytest.mark.parametrize("holder", [Holder.AGENT, Holder.WAITING])
async def test_a_file_for_people_is_left_to_them(database: Database, holder: Holder) -> None:
    assert await answered(database, "[图片]", "[图片]", holder) == []
