"""Dead letters: dealt with once, by one update, and the transcript says by whom."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from conversations import letters
from conversations.models import Delivery, Inbox, Message, Outbox
from store.errors import NotFound
from tests.desk.world import World


def listed(world: World, **given: str) -> list[int]:
    with world.database.read() as session:
        return [row.id for row, *_ in letters.undelivered(session, limit=9, **given)]  # type: ignore[arg-type]


def events(world: World) -> list[tuple[str, int | None]]:
    with world.database.read() as session:
        found = session.query(Message).filter(Message.kind == "event").order_by(Message.id)
        return [(m.text, m.staff_id) for m in found if m.text not in ("waiting", "taken")]


def test_what_failed_is_listed_newest_first_and_by_channel(world: World) -> None:
    web = world.waiting("a")
    wechat = world.hand_over(world.say("b", "快点", channel="wechat"))
    first, second = world.undelivered(web), world.undelivered(wechat)
    assert listed(world) == [second, first]
    assert listed(world, channel="web") == [first]
    assert listed(world, channel="fax") == []
    world.unanswered(web)
    with world.database.read() as session:
        assert letters.channels(session) == {"web": 2, "wechat": 1}
        assert [m.text for _, m, *_ in letters.unanswered(session, limit=9)] == ["在吗"]


def test_resending_twice_sends_once_and_names_who_did_it(world: World) -> None:
    letter = world.undelivered(world.waiting())
    for _ in range(2):
        with world.database.write() as session:
            letters.resend(session, letter, 3)
    with world.database.read() as session:
        row = session.get_one(Outbox, letter)
        assert (row.state, row.attempts, row.last_error) == (Delivery.QUEUED, 0, None)
        assert row.due_at is not None
    assert events(world) == [("resent", 3)]
    assert listed(world) == []


def test_what_was_given_up_for_good_is_not_sent_again(world: World) -> None:
    letter = world.undelivered(world.waiting())
    with world.database.write() as session:
        assert letters.drop(session, letter, 3) is not None
        assert letters.resend(session, letter, 3) is None
    with world.database.read() as session:
        row = session.get_one(Outbox, letter)
        assert (row.state, row.due_at) == (Delivery.DROPPED, None)
    assert events(world) == [("dropped", 3)]


def test_a_message_without_an_answer_is_asked_again_or_left(world: World) -> None:
    case = world.waiting()
    first, second = world.unanswered(case), world.unanswered(case)
    with world.database.write() as session:
        assert letters.ask_again(session, first, 3) is not None
        assert letters.ask_again(session, first, 3) is None
        assert letters.leave(session, second, 3) is not None
        row = session.get_one(Inbox, first)
        # The next claim is the second attempt: an answer given before is looked for.
        assert (row.attempts, row.handled_at) == (1, None)
        assert session.get_one(Inbox, second).handled_at is not None
        assert letters.unanswered(session, limit=9) == []
    assert events(world) == [("asked_again", 3), ("left", 3)]


def test_a_letter_that_does_not_exist_is_not_found(world: World) -> None:
    for deal in (letters.resend, letters.drop, letters.ask_again, letters.leave):
        with world.database.write() as session, pytest.raises(NotFound):
            deal(session, 4711, 3)


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_looking_for_letters_does_not_read_the_whole_table(world: World) -> None:
    with world.database.read() as session:
        for table, dead in (
            ("outbox", "state = 'failed'"),
            ("inbox", "due_at IS NULL AND handled_at IS NULL"),
        ):
            plan = session.execute(
                text(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {dead} ORDER BY id DESC")
            )
            assert f"ix_{table}_{'failed' if table == 'outbox' else 'given_up'}" in str(plan.all())


def test_a_supervisor_sees_reason_and_words_and_sends_again(world: World) -> None:
    chen = world.signed_in("chen")
    assert "都送到了" in chen.get("/desk/undelivered").text
    case = world.waiting()
    letter = world.undelivered(case, "您的快件今晚送到 <b>")
    page = chen.get("/desk/undelivered?channel=web").text
    for words in ("您的快件今晚送到 &lt;b&gt;", "对方平台不收", "43004 require subscribe", "网页"):
        assert words in page
    sent = chen.press(f"/desk/undelivered/messages/{letter}/resend")
    assert sent.status_code == 200
    assert "\\u5df2\\u91cd\\u65b0\\u53d1\\u9001" in sent.headers["hx-trigger"]
    assert "今晚送到" not in sent.text
    again = chen.press(f"/desk/undelivered/messages/{letter}/resend")
    assert "\\u5904\\u7406\\u8fc7" in again.headers["hx-trigger"]
    assert "陈主管 重发了一条没送到的消息" in chen.get(f"/desk/cases/{case}").text
    assert chen.press("/desk/undelivered/messages/4711/drop").status_code == 404
    assert chen.get("/desk/undelivered?before=0").status_code == 422
