"""The record: stored once, found again, in the customer's language."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from conversations import language, search
from conversations import service as conversations
from conversations.models import Author, Holder
from conversations.schemas import MAX_TEXT, Button, Inbound, Outbound
from store.engine import Database
from store.errors import Invalid, TooLong
from tests import rooms


@pytest.fixture
def session(database: Database, at: object) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


def inbound(text: str, number: str = "1") -> Inbound:
    return Inbound("web", "page", "visitor", f"m{number}", text)


def test_a_repeat_changes_nothing(session: Session) -> None:
    first, new = conversations.receive(session, inbound("你好"))
    again, anew = conversations.receive(session, inbound("别的话"))
    assert (new, anew, again.id) == (True, False, first.id)


@pytest.mark.parametrize("text", ["", "  \n ", "\x00\x01", "\u202e\u200b"])
def test_words_that_are_nothing_are_refused(session: Session, text: str) -> None:
    with pytest.raises(Invalid):
        conversations.receive(session, inbound(text))


def test_a_message_longer_than_we_keep_is_refused(session: Session) -> None:
    conversations.receive(session, inbound("长" * MAX_TEXT))
    with pytest.raises(TooLong):
        conversations.receive(session, inbound("长" * (MAX_TEXT + 1), "2"))


def test_control_and_direction_signs_are_dropped_and_emoji_stay() -> None:
    assert conversations.clean(" a\x00b\u202ec 👨‍👩‍👧\n") == "abc 👨‍👩‍👧"


def test_a_long_silence_begins_a_new_episode_unless_people_hold_it(session: Session) -> None:
    first = rooms.said(session, "你好", number="1")
    first.last_message_at -= timedelta(hours=25)
    second = rooms.said(session, "又是我", number="2")
    assert second.id != first.id
    second.holder = Holder.WAITING
    second.last_message_at -= timedelta(hours=25)
    assert rooms.said(session, "还在吗", number="3").id == second.id


def test_an_answer_is_written_once(session: Session) -> None:
    conversation = rooms.said(session, "你好")
    said = Outbound("in:1:0", "您好", (Button("查件", "查快递"),))
    message = conversations.post(session, conversation, said, Author.BOT)
    assert message is not None
    assert conversations.buttons_of(message) == said.buttons
    assert conversations.post(session, conversation, said, Author.BOT) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我的快递", "zh"),
        ("where is it", "en"),
        ("我的 package 呢", "zh"),
        ("SF1234567890123", "kept"),
        ("👍", "kept"),
        ("6789", "kept"),
        ("cw.zhang@example.com", "kept"),
        ("发到 cw@example.com", "zh"),
        ("send it to cw@example.com", "en"),
    ],
)
def test_language_is_the_messages_or_stays(text: str, expected: str) -> None:
    assert language.of(text, "kept") == expected


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("我的大闸蟹臭了", "闸蟹", True),
        ("我的大闸蟹臭了", "蟹闸", False),
        ("Where is my Parcel?", "parcel", True),
        ("单号ＳＦ１２３ 到了", "sf123", True),
        ("坏了", "坏", True),
        ("今天到上海，明天到海口", "上海口", False),
    ],
)
def test_search_finds_phrases_of_two_characters(
    session: Session, text: str, query: str, found: bool
) -> None:
    rooms.said(session, text)
    assert bool(conversations.find(session, query)) is found


def test_search_for_nothing_finds_nothing(session: Session) -> None:
    rooms.said(session, "你好")
    assert conversations.find(session, "？！") == []


@given(st.text(max_size=60))
def test_every_token_of_a_query_is_a_token_of_its_own_text(text: str) -> None:
    assert set(search.tokens(text, query=True)) <= set(search.tokens(text))
