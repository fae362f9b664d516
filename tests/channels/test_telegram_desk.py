"""Telegram as a small desk: topics in a group, people linked by a code, the record as the truth."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot import assembly, settings
from bot.channels.base import Unreachable
from bot.channels.telegram import switch_on
from bot.channels.telegram.channel import TelegramChannel
from bot.channels.telegram.check import check
from bot.channels.telegram.client import Client
from bot.channels.telegram.desk import Groups
from bot.channels.telegram.desk.small import SmallDesk
from bot.channels.telegram.desk.words import TopicWords
from bot.channels.telegram.pace import Pace
from bot.channels.telegram.webhook import PATH
from bot.settings import TelegramSettings
from conversations import service as conversations
from conversations.models import Author, Conversation, Holder, Message, Outbox
from conversations.schemas import Inbound, Outbound
from handoff import links
from handoff.models import Case, CaseState, Role, Topic, TopicLine, TopicProblem
from handoff.service import Handoffs
from handoff.staff import SignedIn
from store import clock
from store.engine import Database
from store.errors import SettingsError
from tests import rooms
from tests.channels.house import TEXTS, House, client, post, until
from tests.channels.telegram_forum import CHAT, GROUP, Forum
from tests.channels.telegram_peer import TOKEN, Peer, peer
from tickets.models import Urgency
from tickets.promises.models import Promise, PromiseKind

__all__ = ["peer"]
SECRET = "the-secret-of-these-deliveries"
LILI, WEI, STRANGER = 5_000_000_001, 5_000_000_002, 5_000_000_003
WEB_DESK = "https://desk.example.com"


class Small:
    """A service whose teams have a group; it can be killed and started again."""

    def __init__(self, database: Database, forum: Forum, groups: dict[str, int]) -> None:
        self.database = database
        self.forum = forum
        self._groups = Groups(groups)
        self._numbers = iter(range(1000, 9000))
        with database.write() as session:
            self.lili = rooms.person(session, "lili")
            self.wei = rooms.person(session, "wangwei")
            self.chief = rooms.person(session, "chen", Role.SUPERVISOR)
        self.start()

    def start(self) -> None:
        self.house = House(self.database)
        self.handoffs = Handoffs(
            TEXTS,
            rooms.build(self.database).tickets,
            self.house.channels.capabilities,
            self.house.live,
        )
        bot = Client(TOKEN, self.forum.peer.address)
        pace = Pace(lambda: 0.0, private=0.0, everywhere=0.0)
        words = TopicWords(TEXTS, "en", WEB_DESK)
        self.desk = SmallDesk.open(
            bot, self.database, self.house.live, self.handoffs, self._groups, words, pace
        )
        channel = TelegramChannel(
            bot, self.database, self.house.live, self.house.inbox.accept, TEXTS,
            secret=SECRET, webhook_url="https://desk.test", pace=pace, desk=self.desk,
        )  # fmt: skip
        self.house.channels.add(channel)
        self.http: httpx.AsyncClient = client(self.house.app())

    async def work(self) -> None:
        self._working = self.house.at_work()
        await self._working.__aenter__()
        self.desk.mirror.start()

    async def kill(self) -> None:
        await self.desk.mirror.stop()
        await self._working.__aexit__(None, None, None)
        await self.http.aclose()

    def customer_says(self, text: str, who: str = "visitor") -> int:
        with self.database.write() as session:
            inbound = Inbound("web", "page", who, f"{who}:{next(self._numbers)}", text)
            row, _ = conversations.receive(session, inbound)
            self.house.live.after_commit(session, "queue", "inbox")
            return row.conversation_id

    def hand_over(self, text: str = "我要找人工", who: str = "visitor", **more: Any) -> int:
        """A customer who waits; the case's id."""
        conversation_id = self.customer_says(text, who)
        with self.database.write() as session:
            conversation = session.get_one(Conversation, conversation_id)
            return self.handoffs.request(session, conversation, rooms.request(**more)).case.id

    def link(self, person: SignedIn, user: int) -> None:
        with self.database.write() as session:
            links.redeem(session, links.new_code(session, person.id), user)

    async def write(
        self, text: str | None, who: int = LILI, thread: int | None = None, **more: Any
    ) -> int:
        """Somebody writes in the (only) topic; the status Telegram sees."""
        thread = next(iter(self.forum.topics)) if thread is None else thread
        content: dict[str, Any] = {"text": text} if text is not None else {}
        content |= {"message_thread_id": thread, "is_topic_message": True} if thread else {}
        return await self.deliver(who, {"id": GROUP, "type": "supergroup"}, **(content | more))

    async def whisper(self, text: str, who: int = LILI) -> int:
        return await self.deliver(who, {"id": who, "type": "private"}, text=text)

    async def deliver(
        self, who: int, chat: dict[str, Any], kind: str = "message", **content: Any
    ) -> int:
        number = content.pop("message_id", None) or next(self._numbers)
        sender = {"id": who, "is_bot": False, "first_name": "X"}
        message = {"message_id": number, "date": 1772416800, "chat": chat, "from": sender}
        body = {"update_id": number, kind: message | content}
        return await post(self.http, PATH, body, {"X-Telegram-Bot-Api-Secret-Token": SECRET})

    async def settled(self) -> None:
        """Every topic shows the record."""
        self.house.live.wake("queue")
        await until(self._is_settled)

    def _is_settled(self) -> bool:
        with self.database.read() as session:
            cases = session.query(Case).filter(Case.state.in_(("waiting", "taken"))).all()
            waiting = {case.conversation_id for case in cases}
            rows = session.query(Topic).all()
            newest = {m.conversation_id: m.id for m in session.query(Message).order_by(Message.id)}
            return (
                waiting <= {row.conversation_id for row in rows}
                and not any(row.due_at for row in rows)
                and not session.query(TopicLine).filter(TopicLine.answer.is_not(None)).count()
                and all(
                    row.problem
                    or (row.open, row.shown)
                    == (row.conversation_id in waiting, newest[row.conversation_id])
                    for row in rows
                )
            )

    async def settled_without(self) -> None:
        """Some time has passed, and nothing was to do."""
        for _ in range(5):
            self.house.live.wake("queue")
            await asyncio.sleep(0.02)

    def rows(self) -> list[Topic]:
        with self.database.read() as session:
            return list(session.query(Topic).order_by(Topic.id))

    def case(self, case_id: int) -> Case:
        with self.database.read() as session:
            return session.get_one(Case, case_id)

    def promises(self) -> list[Promise]:
        """What people promised in words."""
        with self.database.read() as session:
            rows = session.query(Promise).filter(Promise.kind == PromiseKind.WORD)
            return list(rows.order_by(Promise.id))

    def said_to_customer(self) -> list[str]:
        with self.database.read() as session:
            rows = session.query(Message).join(Outbox, Outbox.message_id == Message.id)
            return [m.text for m in rows.filter(Message.author == Author.AGENT)]


@pytest.fixture
def forum(peer: Peer) -> Forum:
    return Forum(peer)


@pytest.fixture
async def small(
    database: Database, forum: Forum, at: Callable[[datetime], None]
) -> AsyncIterator[Small]:
    desk = Small(database, forum, {"*": GROUP})
    await desk.work()
    yield desk
    await desk.kill()


@pytest.fixture
async def taken(small: Small) -> Small:
    """Lili is linked and has taken the one case."""
    small.link(small.lili, LILI)
    small.hand_over()
    await small.settled()
    await small.write("/take")
    await small.settled()
    return small


# The record, shown


async def test_a_case_is_a_topic_with_its_packet_pinned(small: Small, forum: Forum) -> None:
    case_id = small.hand_over("SF1234567890123 三天没动了，我要找人工", colour=Urgency.RED)
    await small.settled()
    topic = forum.only
    assert topic.name.startswith("🔴 Guest ")
    (card,) = topic.texts
    assert topic.pinned == [card]
    for fact in ("🔴", "SF1234567890123 三天没动了", f"{WEB_DESK}/desk/cases/{case_id}", "/take"):
        assert fact in card
    (row,) = small.rows()
    assert (row.thread, row.open, row.pinned) == (next(iter(forum.topics)), True, True)


async def test_a_team_without_a_group_has_the_web_desk_alone(
    database: Database, forum: Forum, at: Callable[[datetime], None]
) -> None:
    desk = Small(database, forum, {"night": GROUP})
    await desk.work()
    desk.hand_over()
    desk.house.live.wake("queue")
    desk.hand_over(who="another", intent="escalate_threat")
    await desk.settled_without()
    assert desk.rows() == []
    await desk.kill()
    assert forum.topics == {}


async def test_what_comes_later_is_shown_together_and_once(small: Small, forum: Forum) -> None:
    small.hand_over()
    await small.settled()
    for number in range(5):
        small.customer_says(f"no {number}")
    await small.settled()
    await small.settled()
    posts = "\n".join(forum.only.texts[1:])
    assert posts.split("\n") == [f"Customer: no {number}" for number in range(5)]
    assert len(forum.topics) == 1


async def test_the_web_desk_is_seen_in_the_topic(small: Small, forum: Forum) -> None:
    case_id = small.hand_over()
    await small.settled()
    with small.database.write() as session:
        small.handoffs.take(session, case_id, small.wei)
        small.handoffs.reply(session, case_id, small.wei, "我来处理", "k1")
        small.handoffs.note(session, case_id, small.wei, "老客户")
        small.handoffs.resolve(session, case_id, small.wei, None)
    await small.settled()
    assert forum.only.texts[1].split("\n") == [
        "— Wangwei took the conversation",
        "Wangwei (web): 我来处理",
        "Note by Wangwei: 老客户",
        "— Wangwei marked it resolved",
    ]
    assert not forum.only.open


async def test_a_customer_who_comes_back_is_in_the_same_topic(taken: Small, forum: Forum) -> None:
    await taken.write("/resolve")
    await taken.settled()
    was = forum.only.open
    taken.hand_over("又坏了")
    await taken.settled()
    assert (was, forum.only.open) == (False, True)
    assert len(forum.only.pinned) == 2
    assert "又坏了" in forum.only.pinned[1]


async def test_a_hostile_text_is_words(small: Small, forum: Forum) -> None:
    small.hand_over("{name} %s <b>x</b> _y_ 📦" + "长" * 3000)
    await small.settled()
    assert "{name} %s <b>x</b> _y_ 📦" in forum.only.texts[0]
    await small.desk.mirror.stop()
    small.customer_says("啊" * 4000)
    small.customer_says("{0}" * 40)
    small.desk.mirror.start()
    await small.settled()
    assert all(len(text.encode("utf-16-le")) // 2 <= 4096 for text in forum.only.texts)
    assert WEB_DESK in forum.only.texts[1]


# People


async def test_somebody_not_linked_is_told_how_and_nothing_is_sent(
    small: Small, forum: Forum
) -> None:
    case_id = small.hand_over()
    await small.settled()
    for text in ("hello", "/take", "/note x"):
        assert await small.write(text, STRANGER) == 200
    await small.settled()
    assert "".join(forum.only.texts[1:]).count("/link CODE") == 3
    assert small.said_to_customer() == []
    assert small.case(case_id).state == CaseState.WAITING


async def test_a_code_links_once_and_for_a_quarter_of_an_hour(
    small: Small, peer: Peer, at: Callable[[datetime], None]
) -> None:
    def codes() -> tuple[str, str]:
        with small.database.write() as session:
            return tuple(links.new_code(session, p.id) for p in (small.lili, small.wei))  # type: ignore[return-value]

    def who(user: int) -> str | None:
        with small.database.read() as session:
            person = links.person(session, user)
            return person.login if person else None

    first, other = codes()
    assert await small.whisper("/link WRONG22222") == 200
    assert who(LILI) is None
    await small.whisper(f"/link {first.lower()}")
    await until(lambda: len(peer.chats.get(LILI, [])) == 2)
    assert "wrong" in peer.chats[LILI][0]
    assert peer.chats[LILI][1].startswith("Done, Lili")
    assert who(LILI) == "lili"
    await small.whisper(f"/link {first}", WEI)
    assert who(WEI) is None  # used
    at(clock.now() + timedelta(minutes=16))
    await small.whisper(f"/link {other}", WEI)
    assert who(WEI) is None  # too old
    _, fresh = codes()
    await small.whisper(f"/link {fresh}", LILI)
    assert who(LILI) == "wangwei"  # one Telegram user is one person
    assert small.house.record() == []


async def test_an_answer_in_the_topic_reaches_the_customer_and_is_not_echoed(
    taken: Small, forum: Forum
) -> None:
    before = len(forum.only.texts)
    await taken.write("您好，我来查", message_id=77)
    await taken.write("您好，我来查", message_id=77)  # Telegram delivers again
    await taken.settled()
    assert taken.said_to_customer() == ["您好，我来查"]
    assert len(forum.only.texts) == before
    with taken.database.read() as session:
        message = session.query(Message).filter(Message.author == Author.AGENT).one()
        assert message.staff_id == taken.lili.id
        assert session.query(Case).one().first_reply_at is not None
        assert session.query(Conversation).one().holder == Holder.AGENT


async def test_every_command_does_what_the_web_desks_button_does(
    taken: Small, forum: Forum
) -> None:
    await taken.write("/note@CourierBot 客户下午在家", message_id=70)
    await taken.write("/note@CourierBot 客户下午在家", message_id=70)
    await taken.write("/note")
    await taken.write("/nonsense now")
    await taken.settled()
    texts = "\n".join(forum.only.texts)
    assert "Write the note behind the command" in texts
    assert "There is no such command" in texts
    with taken.database.read() as session:
        (note,) = session.query(Message).filter(Message.kind == "note").all()
        assert (note.text, note.audience) == ("客户下午在家", "staff")
    await taken.write("/bot")
    await taken.settled()
    assert [taken.case(1).state, forum.only.open] == [CaseState.RETURNED, False]
    await taken.write("too late")
    await taken.settled()
    assert forum.only.texts[-1].startswith("This conversation has ended")
    assert taken.said_to_customer() == []
    taken.hand_over()
    await taken.settled()
    await taken.write("/take")
    await taken.write("/resolve 已补发")
    await taken.settled()
    assert (taken.case(2).state, taken.case(2).outcome) == (CaseState.RESOLVED, "已补发")


async def test_only_who_has_the_case_may_write_to_the_customer(taken: Small, forum: Forum) -> None:
    taken.link(taken.wei, WEI)
    taken.link(taken.chief, STRANGER)
    for text in ("hello", "/resolve", "/bot"):
        for who in (WEI, STRANGER):
            await taken.write(text, who)
    await taken.write("/take", WEI)
    await taken.settled()
    texts = "\n".join(forum.only.texts)
    assert texts.count("This customer is not yours") == 6
    assert texts.count("Lili has taken this customer already") == 1
    assert taken.case(1).state == CaseState.TAKEN
    assert taken.said_to_customer() == []


async def test_nobody_writes_before_he_has_taken(small: Small, forum: Forum) -> None:
    small.link(small.lili, LILI)
    small.hand_over()
    await small.settled()
    await small.write("hello")
    await small.settled()
    assert "Please send /take first" in forum.only.texts[-1]
    assert small.said_to_customer() == []


EARLY, LATE = "今天下午5点前给您退款。", "明天下午3点前给您退款。"


async def test_what_an_agent_promises_is_kept_in_the_ledger_if_he_wishes(
    taken: Small, forum: Forum
) -> None:
    await taken.write("/promise")
    await taken.settled()
    assert "no promise with a time" in forum.only.texts[-1]
    for _ in range(2):
        await taken.write(EARLY, message_id=77)
        await taken.settled()
    assert "This is a promise:" in forum.only.texts[-1]
    assert taken.promises() == []
    for _ in range(2):
        await taken.write("/promise")
        await taken.settled()
    (kept,) = taken.promises()
    with taken.database.read() as session:
        source = session.get_one(Message, kept.message_id)
    assert (kept.words, source.text, kept.staff_id) == (EARLY, EARLY, taken.lili.id)
    assert kept.by == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert "its time is watched" in forum.only.texts[-1]


async def test_words_that_put_off_a_promise_are_asked_about_and_sent_once_on_a_yes(
    taken: Small, forum: Forum
) -> None:
    await taken.write(EARLY)
    await taken.write("/promise")
    await taken.settled()
    for _ in range(2):  # Telegram delivers it again
        await taken.write(LATE, message_id=88)
    await taken.settled()
    question = forum.only.texts[-1]
    assert EARLY in question
    assert "today 17:00" in question
    assert "/send" in question
    assert taken.said_to_customer() == [EARLY]
    taken.link(taken.wei, WEI)
    await taken.write("/send", who=WEI)  # a colleague's yes is nobody's
    await taken.settled()
    assert taken.said_to_customer() == [EARLY]
    for _ in range(2):
        await taken.write("/send", message_id=99)
    await taken.settled()
    assert taken.said_to_customer() == [EARLY, LATE]
    await taken.write("/send")
    await taken.settled()
    assert "wait for a yes" in forum.only.texts[-1]
    assert taken.said_to_customer() == [EARLY, LATE]


async def test_whoever_writes_something_else_has_thought_better_of_it(
    taken: Small, forum: Forum
) -> None:
    for words in (EARLY, "/promise", LATE, "我再确认一下。", "/send"):
        await taken.write(words)
    await taken.settled()
    assert taken.said_to_customer() == [EARLY, "我再确认一下。"]


async def test_files_and_edits_are_not_sent_and_it_is_said(taken: Small, forum: Forum) -> None:
    photo = [{"file_id": "f", "file_unique_id": "f", "width": 1, "height": 1}]
    await taken.write(None, photo=photo)
    await taken.write("hello", message_id=88)
    edited: dict[str, Any] = {"message_id": 88, "edit_date": 1772416900, "kind": "edited_message"}
    for _ in range(2):
        await taken.write("hello!", **edited)
    await taken.write(
        None,
        pinned_message={"message_id": 1, "date": 0, "chat": {"id": GROUP, "type": "supergroup"}},
    )
    await taken.settled()
    texts = "\n".join(forum.only.texts)
    assert texts.count("Only words can be sent") == 1
    assert texts.count("Edits do not reach the customer") == 1
    assert taken.said_to_customer() == ["hello"]


async def test_nothing_said_in_a_group_is_a_customers(small: Small) -> None:
    small.hand_over()
    await small.settled()
    before = small.house.record()
    assert await small.write("in general", thread=0) == 200
    assert await small.write("in no topic of ours", thread=4242) == 200
    assert await small.write("in none", thread=2**40) == 200
    assert small.house.record() == before


async def test_an_answer_that_does_not_arrive_is_told_in_the_topic(
    taken: Small, forum: Forum
) -> None:
    async def blocked(_: Any) -> None:
        raise Unreachable("blocked")

    taken.house.web.send = blocked  # type: ignore[method-assign, assignment]
    await taken.write("您好")
    await until(lambda: "Did not reach the customer: 您好" in forum.only.texts[-1])
    await taken.settled()
    assert sum("Did not reach" in text for text in forum.only.texts) == 1


# Limits, failures, kills


async def test_more_than_a_group_carries_leads_to_the_web_desk(
    small: Small, forum: Forum, at: Callable[[datetime], None]
) -> None:
    small.hand_over()
    await small.settled()
    for number in range(30):
        small.customer_says(f"no {number}.")
        await until(
            lambda n=number: f"no {n}." in forum.only.texts[-1] or small.rows()[0].last_error  # type: ignore[misc]
        )
    sent = small.forum.peer.named("createForumTopic") + small.forum.peer.named("sendMessage")
    assert len(sent) + 1 == 20  # the pin counts too
    assert "Please continue on the web desk: https://desk.example.com" in forum.only.texts[-1]
    assert "no 29." not in "".join(forum.only.texts)
    at(clock.now() + timedelta(seconds=61))
    await small.settled()
    shown = "".join(forum.only.texts)
    assert [shown.count(f"Customer: no {number}.") for number in range(30)] == [1] * 30
    assert "no 29." in forum.only.texts[-1]
    assert WEB_DESK in forum.only.texts[-1]


async def test_a_wait_that_telegram_asks_for_is_kept(
    small: Small, forum: Forum, peer: Peer, at: Callable[[datetime], None]
) -> None:
    small.hand_over()
    await small.settled()
    forum.script.append(("sendMessage", "wait 40"))
    small.customer_says("hello?")
    small.house.live.wake("queue")
    await until(lambda: small.rows()[0].last_error)
    assert small.rows()[0].due_at == clock.now() + timedelta(seconds=40)
    calls = len(peer.calls)
    small.hand_over(who="another")
    small.house.live.wake("queue")
    await until(lambda: len(small.rows()) == 2 and small.rows()[1].last_error)
    assert len(peer.calls) == calls  # the wait is the group's
    at(clock.now() + timedelta(seconds=41))
    await small.settled()
    assert len(forum.topics) == 2


@pytest.mark.parametrize("method", ["createForumTopic", "sendMessage", "pinChatMessage"])
async def test_a_worker_killed_at_any_step_loses_nothing(
    small: Small, forum: Forum, peer: Peer, at: Callable[[datetime], None], method: str
) -> None:
    forum.script.append((method, "hang"))
    small.hand_over()
    small.house.live.wake("queue")
    await until(lambda: not forum.script)
    await small.desk.mirror.stop()
    small.desk.mirror.start()
    at(clock.now() + timedelta(minutes=3))
    await small.settled()
    (row,) = small.rows()
    assert row.thread is not None
    shown = forum.topics[row.thread]
    assert shown.pinned[-1] == shown.texts[-1]
    assert len(set(shown.texts)) == 1
    assert len(peer.named("createForumTopic")) == 1 + (method == "createForumTopic")


async def test_a_worker_killed_between_two_steps_makes_one_topic(
    small: Small, forum: Forum, peer: Peer
) -> None:
    small.hand_over()
    await small.settled()
    for _ in range(3):
        await small.desk.mirror.stop()
        small.desk.mirror.start()
        small.customer_says("still there?")
        await small.settled()
    assert len(peer.named("createForumTopic")) == 1


async def test_a_deleted_topic_is_said_and_the_next_case_gets_a_new_one(
    taken: Small, forum: Forum, caplog: pytest.LogCaptureFixture
) -> None:
    forum.delete(next(iter(forum.topics)))
    taken.customer_says("hello?")
    with caplog.at_level(logging.ERROR):
        await taken.settled()
    assert taken.rows()[0].problem == TopicProblem.DELETED
    assert "a topic was deleted in the group; its case goes on on the web desk" in caplog.text
    with taken.database.write() as session:
        taken.handoffs.resolve(session, 1, taken.lili, None)
    taken.hand_over("again")
    taken.house.live.wake("queue")
    await until(lambda: forum.topics)
    await taken.settled()
    assert "again" in forum.only.pinned[0]
    assert taken.rows()[0].problem is None


REFUSALS = {
    TopicProblem.NOT_FORUM: ("createForumTopic", 400, "Bad Request: the chat is not a forum"),
    TopicProblem.NO_RIGHTS: (
        "createForumTopic", 400, "Bad Request: not enough rights to create a topic"
    ),
    TopicProblem.NOT_THERE: (
        "createForumTopic", 403, "Forbidden: bot was kicked from the supergroup chat"
    ),
    TopicProblem.REFUSED: ("sendMessage", 400, "Bad Request: TEXT_IS_ODD"),
}  # fmt: skip


@pytest.mark.parametrize("problem", REFUSALS)
async def test_a_group_set_up_wrong_is_one_clear_sentence_until_it_is_mended(
    small: Small,
    forum: Forum,
    at: Callable[[datetime], None],
    caplog: pytest.LogCaptureFixture,
    problem: TopicProblem,
) -> None:
    method, status, words = REFUSALS[problem]
    forum.refusals[method] = (status, words)
    small.hand_over()
    small.house.live.wake("queue")
    await until(lambda: small.rows() and small.rows()[0].problem)
    assert small.rows()[0].problem == problem
    assert small.rows()[0].due_at == clock.now() + timedelta(minutes=10)
    at(clock.now() + timedelta(minutes=11))
    small.house.live.wake("queue")
    await until(lambda: (small.rows()[0].due_at or clock.now()) > clock.now())
    said = [r for r in caplog.records if r.name.endswith("mirror") and r.levelname == "ERROR"]
    assert len(said) == 1
    forum.refusals.clear()
    at(clock.now() + timedelta(minutes=11))
    await small.settled()
    assert small.rows()[0].problem is None
    assert len(forum.only.pinned) == 1


async def test_a_card_that_may_not_be_pinned_is_shown_all_the_same(
    small: Small, forum: Forum
) -> None:
    forum.refusals["pinChatMessage"] = (400, "Bad Request: not enough rights to pin a message")
    small.hand_over()
    await small.settled()
    assert len(forum.only.texts) == 1
    assert forum.only.pinned == []


async def test_the_check_tells_what_is_wrong_with_a_group(peer: Peer, forum: Forum) -> None:
    chosen = TelegramSettings(TOKEN, api=peer.address, desk={"*": GROUP})
    assert (await check(chosen))[0]
    forum.status = "member"
    works, sentence = await check(chosen)
    assert not works
    assert "make it an administrator who may manage topics" in sentence
    forum.is_forum = False
    assert "the group has no topics" in (await check(chosen))[1]
    forum.refusals["getChat"] = (400, "Bad Request: chat not found")
    assert "invite it, or correct COURIER_TELEGRAM_DESK" in (await check(chosen))[1]


async def test_a_bots_words_before_a_person_has_it_are_shown(small: Small, forum: Forum) -> None:
    small.hand_over()
    await small.settled()
    with small.database.write() as session:
        conversation = session.query(Conversation).one()
        conversations.post(session, conversation, Outbound("b:1", "在查了"), Author.BOT)
    await small.settled()
    assert forum.only.texts[-1] == "Bot: 在查了"


def test_groups_are_named_in_one_setting(tmp_path: Path) -> None:
    def load(desk: str, **more: str) -> settings.Settings:
        given = {"COURIER_HOME": str(tmp_path), "COURIER_TELEGRAM_TOKEN": TOKEN}
        return settings.load(given | {"COURIER_TELEGRAM_DESK": desk} | more)

    one = load("-1001234567890").telegram
    assert one is not None
    assert Groups(one.desk).of("night") == -1001234567890
    two = load("night=-1001234567890, first_line=-1009876543210").telegram
    assert two is not None
    assert [Groups(two.desk).of(team) for team in ("first_line", "regional")] == [
        -1009876543210,
        None,
    ]
    for wrong in ("1234", "night=-500", "night", "night=-100123;day=-1001"):
        with pytest.raises(SettingsError, match="COURIER_TELEGRAM_DESK"):
            load(wrong)
    with pytest.raises(SettingsError, match="COURIER_TELEGRAM_TOKEN is missing"):
        load("-1001234567890", COURIER_TELEGRAM_TOKEN="")
    with pytest.raises(SettingsError, match="zh or en"):
        load("", COURIER_TELEGRAM_DESK_LANGUAGE="fr")
    with pytest.raises(SettingsError, match="names the team day"):
        assembly.assemble(load("day=-1001234567890"))
    for public in ("desk.example.com", "https://", "https://desk.example.com/x"):
        with pytest.raises(SettingsError, match="COURIER_PUBLIC_URL"):
            load("", COURIER_PUBLIC_URL=public)


async def test_it_works_by_polling_as_the_service_starts_it(
    database: Database, forum: Forum, peer: Peer
) -> None:
    house = House(database)
    small = Small(database, forum, {"*": GROUP})
    small.link(small.lili, LILI)
    chosen = TelegramSettings(TOKEN, api=peer.address, desk={"*": GROUP})
    channel = switch_on(
        chosen, SECRET, database, house.live, house.inbox.accept, TEXTS, small.handoffs, WEB_DESK
    )
    house.channels.add(channel)
    app = house.app()
    async with house.at_work(), app.router.lifespan_context(app):
        case_id = small.hand_over()
        await until(lambda: forum.topics and forum.only.pinned)
        assert "🟢 普通" in forum.only.pinned[0]
        sender = {"id": LILI, "is_bot": False, "first_name": "X"}
        place = {"message_thread_id": next(iter(forum.topics)), "is_topic_message": True}
        for number, text in enumerate(("/take", "您好"), 500):
            message = {"message_id": number, "date": 1772416800, "chat": CHAT, "from": sender}
            await peer.arrives({"message": message | place | {"text": text}})
        await until(lambda: small.said_to_customer() == ["您好"])
        assert small.case(case_id).state == CaseState.TAKEN
        await until(lambda: "— Lili 接手了会话" in forum.only.texts)
    await small.http.aclose()
