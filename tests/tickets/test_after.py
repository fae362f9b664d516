"""What customers answer to proposals, closings, follow-ups and surveys, through the real router."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.after import AfterLoop
from bot.rasa import Rasa
from bot.router import Router
from conversations import service as conversations
from conversations.models import Author, Conversation, Holder, Inbox, Message
from conversations.schemas import Inbound, Outbound
from handoff import repository as cases
from handoff.staff import SignedIn
from store import clock, ids
from store.engine import Database
from store.errors import PolicyError
from store.live import Live
from tests import rooms
from tests.rooms import Rooms
from tickets import repository
from tickets.after import policy as after_policy
from tickets.after.models import Ask, AskKind
from tickets.after.policy import Reading, score_in
from tickets.events import Actor
from tickets.lifecycle import Change
from tickets.models import ActorKind, Ticket, TicketState
from tickets.promises import repository as promises
from tickets.promises.models import PromiseState
from tickets.service import Complaint

Move = Callable[[datetime], None]
LI = Actor(ActorKind.STAFF, 1, "李雷")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOBODY = "http://127.0.0.1:9"
"""No bot answers here: what is no answer of ours meets an honest line about that."""


@dataclass(frozen=True)
class Talk:
    """A customer and his ticket."""

    house: Rooms
    router: Router
    loop: AfterLoop
    ticket_id: int
    language: str = "zh"

    def do(self, change: Change, why: str = "全额赔付 300 元") -> None:
        with self.house.database.write() as session:
            ticket = session.get_one(Ticket, self.ticket_id)
            self.house.tickets.lifecycle.change(session, ticket, change, LI, why)

    def received(self, text: str) -> Inbox:
        """A customer's message, stored."""
        with self.house.database.write() as session:
            inbound = Inbound("web", "page", "visitor", ids.new_key(), text)
            return conversations.receive(session, inbound)[0]

    def says(self, text: str) -> list[str]:
        """A customer's message on its way through the router; what he is told then."""
        row = self.received(text)
        asyncio.run(self.router.route(row))
        with self.house.database.read() as session:
            assert session.get_one(Inbox, row.id).handled_at is not None
            return [m.text for m in self.told(row.message_id)]

    def told(self, after: int = 0) -> list[Message]:
        with self.house.database.read() as session:
            return list(
                session.scalars(
                    select(Message)
                    .where(
                        Message.id > after,
                        Message.author != Author.CUSTOMER,
                        Message.audience == "everyone",
                    )
                    .order_by(Message.id)
                )
            )

    def buttons(self) -> list[str]:
        """What the buttons of the last message say."""
        return [button.say for button in conversations.buttons_of(self.told()[-1])]

    def someone_says(self, author: Author, text: str) -> None:
        with self.house.database.write() as session:
            talk = session.get_one(Conversation, self.ticket.conversation_id)
            conversations.post(session, talk, Outbound(ids.new_key(), text), author)

    def held_by(self, holder: Holder) -> None:
        with self.house.database.write() as session:
            session.get_one(Conversation, self.ticket.conversation_id).holder = holder

    @property
    def ticket(self) -> Ticket:
        with self.house.database.read() as session:
            return session.get_one(Ticket, self.ticket_id)

    @property
    def state(self) -> str:
        return str(self.ticket.state)

    @property
    def events(self) -> list[tuple[str, str | None]]:
        with self.house.database.read() as session:
            return [(e.what, e.why) for e in repository.events(session, self.ticket_id)]

    def asks(self, kind: AskKind) -> list[Ask]:
        with self.house.database.read() as session:
            return list(session.scalars(select(Ask).where(Ask.kind == kind).order_by(Ask.id)))


def talk_of(database: Database, words: str = "花瓶碎了", kind: str = "report_damage") -> Talk:
    house, live = rooms.build(database), Live(database)
    with database.write() as session:
        conversation = rooms.said(session, words)
        complaint = Complaint(
            "in:1", kind, conversation.id, conversation.customer_id, words, waybill_no="SF1"
        )
        ticket = house.tickets.open(session, complaint).ticket
        house.tickets.lifecycle.change(session, ticket, Change.ACCEPT, LI)
    router = Router(
        database, live, Rasa(NOBODY), house.handoffs, house.tickets, house.after, house.texts
    )
    loop = AfterLoop(database, live, house.after)
    return Talk(house, router, loop, ticket.id, "zh" if words[0] > "z" else "en")


@pytest.fixture
def talk(database: Database, at: Move) -> Talk:
    return talk_of(database)


@pytest.fixture
def proposed(talk: Talk) -> Talk:
    talk.do(Change.PROPOSE)
    return talk


@pytest.fixture
def closed(proposed: Talk) -> Talk:
    proposed.says("同意")
    proposed.do(Change.CLOSE, "300 元已到账")
    return proposed


@pytest.mark.parametrize("holder", [Holder.BOT, Holder.AGENT, Holder.WAITING])
@pytest.mark.parametrize("words", ["同意", "可以的，谢谢", "1", "１", "好的", "行吧。", "OK"])
def test_a_proposal_is_agreed_to_in_plain_words_whoever_holds_the_talk(
    proposed: Talk, holder: Holder, words: str
) -> None:
    proposed.held_by(holder)
    number = proposed.ticket.number
    (told,) = proposed.says(words)
    # A language of its own is heard in the words, and answered in.
    assert told.startswith(f"Good. We will settle case {number}" if words == "OK" else "好的，工单")
    assert proposed.state == TicketState.AGREED
    assert proposed.events[-1] == ("agreed", words)


@pytest.mark.parametrize(
    "words", ["I agree", "OK, thanks!", "that works for me", "1", "yes please"]
)
def test_in_english(database: Database, at: Move, words: str) -> None:
    talk = talk_of(database, "My vase is broken")
    talk.do(Change.PROPOSE, "300 yuan, paid today")
    assert talk.says(words)[0].startswith("Good. We will settle case")
    assert talk.state == TicketState.AGREED


def test_the_button_is_understood_whenever_it_comes(proposed: Talk, at: Move) -> None:
    press = proposed.buttons()[0]
    assert press == f"同意 {proposed.ticket.number}"
    proposed.someone_says(Author.AGENT, "您看一下方案")
    at(clock.now() + 2 * DAY)  # in a new episode
    proposed.says(press)
    assert proposed.state == TicketState.AGREED
    again = proposed.says(press)
    assert "又有了新进展" in again[0]
    assert [what for what, _ in proposed.events].count("agreed") == 1


@pytest.mark.parametrize("who", [Author.AGENT, Author.BOT])
def test_plain_words_after_something_else_was_said_are_not_ours(
    proposed: Talk, who: Author
) -> None:
    proposed.someone_says(who, "另外，明天上门取件可以吗？")
    proposed.says("可以")
    assert proposed.state == TicketState.PROPOSED


@pytest.mark.parametrize(
    "words", ["可以再多赔一点吗？", "同意，但是今天就要到账", "行不行再说", "我再想想", "2026"]
)
def test_what_is_no_plain_answer_changes_nothing(proposed: Talk, words: str) -> None:
    before = proposed.events
    proposed.says(words)
    assert (proposed.state, proposed.events) == (TicketState.PROPOSED, before)


def test_a_no_with_its_reason_is_declined_with_it(proposed: Talk, at: Move) -> None:
    (told,) = proposed.says("不同意，花瓶买的时候花了八百")
    assert told.startswith("工单")
    assert "再给您一个新的方案" in told
    assert proposed.events[-1] == ("declined", "不同意，花瓶买的时候花了八百")
    assert proposed.state == TicketState.ACCEPTED
    with proposed.house.database.read() as session:
        case = cases.open_case(session, proposed.ticket.conversation_id)
        open_ones = {p.kind for p in promises.of_ticket(session, 1) if p.state == PromiseState.OPEN}
    assert case is not None
    assert (case.reason, case.ticket_id) == ("not_solved", proposed.ticket_id)
    assert "solution" in open_ones


@pytest.mark.parametrize("words", ["2", "不合适，我来说说", "不", "没有", "没解决"])
def test_a_bare_no_is_asked_why_and_the_next_words_are_the_reason(
    proposed: Talk, words: str
) -> None:
    (why,) = proposed.says(words)
    assert "方便说说哪里不合适吗" in why
    assert proposed.state == TicketState.ACCEPTED
    (noted,) = proposed.says("花瓶买的时候花了八百")
    assert noted.startswith("好的，已经补充到工单")
    assert proposed.events[-1] == ("told", "花瓶买的时候花了八百")
    assert proposed.asks(AskKind.PROPOSAL)[0].remark == "花瓶买的时候花了八百"
    proposed.says("我还有一个件")  # not swallowed
    assert proposed.events[-1] == ("told", "花瓶买的时候花了八百")


def test_an_old_button_does_not_agree_to_a_new_proposal(proposed: Talk) -> None:
    old = proposed.buttons()[0]
    proposed.says("不行，太少了")
    proposed.do(Change.PROPOSE, "赔付 500 元")
    new = proposed.buttons()[0]
    assert new != old
    assert "又有了新进展" in proposed.says(old)[0]
    assert proposed.state == TicketState.PROPOSED
    proposed.says(new)
    assert proposed.state == TicketState.AGREED


def test_no_other_customer_answers(proposed: Talk) -> None:
    with proposed.house.database.write() as session:
        other = Inbound("web", "page", "stranger", "s1", proposed.buttons()[0])
        row, _ = conversations.receive(session, other)
    asyncio.run(proposed.router.route(row))
    assert proposed.state == TicketState.PROPOSED


@pytest.mark.parametrize("words", ["还是没解决，钱没到账", "没解决", "1"])
def test_a_closed_ticket_is_reopened_with_its_owner_and_clocks_anew(
    closed: Talk, at: Move, words: str
) -> None:
    at(clock.now() + 3 * DAY)
    closed.says(words)
    ticket = closed.ticket
    assert (ticket.state, ticket.staff_id) == (TicketState.ASSIGNED, 1)
    with closed.house.database.read() as session:
        open_ones = [p for p in promises.of_ticket(session, 1) if p.state == PromiseState.OPEN]
        case = cases.open_case(session, session.get_one(Conversation, 2).id)
    assert {p.kind for p in open_ones} >= {"contact", "solution"}
    assert all(p.made_at == clock.now() for p in open_ones)
    assert case is not None
    assert case.ticket_id == ticket.id


def test_by_its_number_at_any_time_within_the_window(closed: Talk, at: Move) -> None:
    closed.someone_says(Author.BOT, "还有什么可以帮您？")
    closed.says("没解决")
    assert closed.state == TicketState.CLOSED  # of what?
    at(clock.now() + 29 * DAY)
    closed.says(f"{closed.ticket.number.replace('-', '').lower()} 还没解决")
    assert closed.state == TicketState.ASSIGNED


def test_after_the_window_it_stays_closed(closed: Talk, at: Move) -> None:
    press = closed.buttons()[0]
    at(clock.now() + 31 * DAY)
    closed.says(press)
    assert closed.state == TicketState.CLOSED


def test_where_another_is_open_about_the_same_it_is_told_there(closed: Talk) -> None:
    with closed.house.database.write() as session:
        first = session.get_one(Ticket, 1)
        complaint = Complaint(
            "in:9", first.kind, first.conversation_id, first.customer_id, "又碎", waybill_no="SF1"
        )
        other = closed.house.tickets.open(session, complaint).ticket.id
    closed.says(f"没解决 {closed.ticket.number}")
    assert closed.state == TicketState.CLOSED
    with closed.house.database.read() as session:
        assert [e.what for e in repository.events(session, other)][-1] == "told"


def test_a_thank_you_after_closing_is_nobodys_answer(closed: Talk) -> None:
    before = closed.events
    closed.says("好的谢谢")
    assert closed.events == before


def test_who_says_it_is_solved_at_once_is_asked_for_nothing_but_a_score(
    closed: Talk, at: Move
) -> None:
    closed.says("解决了，谢谢")
    assert closed.state == TicketState.FOLLOWED_UP
    assert len(asked(closed)) == 1
    at(clock.now() + DAY)
    assert len(asked(closed)) == 1
    assert "打个分" in asked(closed)[0]


def asked(talk: Talk) -> list[str]:
    talk.loop.sweep()
    return [m.text for m in talk.told() if "打个分" in m.text or "回访" in m.text]


def test_a_hard_case_is_followed_up_some_hours_later_and_scored_after_its_yes(
    closed: Talk, at: Move
) -> None:
    start = clock.now()
    at(start + 4 * HOUR - MINUTE)
    assert asked(closed) == []
    at(start + 4 * HOUR)
    assert asked(closed) == [
        f"您好，回访一下工单 {closed.ticket.number}：问题真的解决了吗？"
        "没解决的话直接说，我们接着管。"
    ]
    assert asked(closed) == asked(closed)  # once
    assert closed.says("解决了，谢谢") == ["那就好，谢谢您告诉我们。以后有事随时找我们。"]
    assert closed.state == TicketState.FOLLOWED_UP
    assert len(asked(closed)) == 2
    assert "1 分最低" in asked(closed)[-1]
    assert closed.says("5") == ["谢谢您的评价！还有什么想说的，直接写在这里，我们会看。"]
    assert closed.says("师傅很有礼貌") == [
        "记下了，谢谢您，负责的同事会看到。还有要我办的事，直接说就行。"
    ]
    (score,) = closed.asks(AskKind.SCORE)
    assert (score.score, score.remark, score.staff_id, score.team, score.ticket_id) == (
        5, "师傅很有礼貌", 1, "second_line", closed.ticket_id,
    )  # fmt: skip
    assert not score.attention
    assert score.answered_at is not None
    assert score.asked_at is not None


def test_a_no_to_the_follow_up_reopens_and_it_is_asked_anew_after_the_next_closing(
    closed: Talk, at: Move
) -> None:
    at(clock.now() + 4 * HOUR)
    asked(closed)
    (why,) = closed.says("没有")
    assert "重新打开" in why
    assert (closed.state, closed.ticket.staff_id) == (TicketState.ASSIGNED, 1)
    for change in (Change.ACCEPT, Change.PROPOSE, Change.CLOSE):
        closed.do(change)
    at(clock.now() + DAY)
    assert len(asked(closed)) == 2
    assert len(closed.asks(AskKind.SCORE)) == 1


def test_silence_is_a_yes_and_asks_no_more(closed: Talk, at: Move) -> None:
    at(clock.now() + 4 * HOUR)
    asked(closed)
    at(clock.now() + 3 * DAY)
    closed.loop.sweep()
    assert closed.events[-1] == ("followed_up", "silent")
    at(clock.now() + 3 * DAY)
    assert len(asked(closed)) == 1
    (score,) = closed.asks(AskKind.SCORE)
    assert score.asked_at is None


def test_nobody_is_asked_at_night(closed: Talk, at: Move) -> None:
    nine = clock.now().replace(hour=12)  # 20:00 in Shanghai
    with closed.house.database.write() as session:
        for ask in session.scalars(select(Ask).where(Ask.due_at.is_not(None))):
            ask.due_at = nine + 3 * HOUR  # as if the service had been off until 23:00
    at(nine + 3 * HOUR)
    assert asked(closed) == []
    at(nine + 12 * HOUR)
    assert len(asked(closed)) == 1


def test_a_planned_question_keeps_to_decent_hours(database: Database, at: Move) -> None:
    at(clock.now().replace(hour=11))  # 19:00: four hours later is night
    talk = talk_of(database)
    talk.do(Change.PROPOSE)
    talk.do(Change.CLOSE, "已赔付")
    (ask,) = talk.asks(AskKind.FOLLOW_UP)
    assert ask.due_at == (clock.now() + DAY).replace(hour=0)  # 08:00


def test_an_easy_case_is_scored_at_once(database: Database, at: Move) -> None:
    talk = talk_of(database, "请问怎么还没到", "report_delay")
    for change in (Change.PROPOSE, Change.CLOSE):
        talk.do(change)
    assert talk.asks(AskKind.FOLLOW_UP) == []
    at(clock.now() + 5 * MINUTE)
    assert len(asked(talk)) == 1


def test_anger_or_having_been_reopened_makes_a_case_hard(database: Database, at: Move) -> None:
    talk = talk_of(database, "请问怎么还没到", "report_delay")
    with database.write() as session:
        session.get_one(Message, 1).payload = {"anger": 3}
    for change in (Change.PROPOSE, Change.CLOSE):
        talk.do(change)
    assert len(talk.asks(AskKind.FOLLOW_UP)) == 1
    talk.do(Change.REOPEN)
    with database.write() as session:
        session.get_one(Message, 1).payload = {}
    for change in (Change.ACCEPT, Change.PROPOSE, Change.CLOSE):
        talk.do(change)
    assert [a.due_at is not None for a in talk.asks(AskKind.FOLLOW_UP)] == [False, True]


@pytest.fixture
def surveyed(database: Database, at: Move) -> Talk:
    """A customer who has just been asked for his score."""
    talk = talk_of(database, "请问怎么还没到", "report_delay")
    for change in (Change.PROPOSE, Change.CLOSE):
        talk.do(change)
    at(clock.now() + 5 * MINUTE)
    talk.loop.sweep()
    return talk


@pytest.mark.parametrize(
    ("words", "score"),
    [
        ("4", 4),
        ("五分", 5),
        ("5分！", 5),
        ("３", 3),
        ("非常满意", 5),
        ("打分：4", 4),
        ("4 stars", 4),
    ],
)
def test_a_score_in_many_forms(surveyed: Talk, words: str, score: int) -> None:
    surveyed.says(words)
    assert surveyed.asks(AskKind.SCORE)[0].score == score


@pytest.mark.parametrize("words", ["7", "0", "100分", "六颗星"])
def test_a_score_that_is_none_is_asked_again_and_changes_nothing(
    surveyed: Talk, words: str
) -> None:
    assert surveyed.says(words) == ["麻烦您从 1 到 5 里选一个，5 分最满意。"]
    assert surveyed.asks(AskKind.SCORE)[0].score is None
    assert len(surveyed.buttons()) == 5
    surveyed.says("4")
    assert surveyed.asks(AskKind.SCORE)[0].score == 4


def test_words_in_place_of_a_score_are_the_bots_to_answer(surveyed: Talk) -> None:
    (told,) = surveyed.says("我还有一个包裹没到")
    assert "机器人" in told or "同事" in told  # the honest line of a house whose bot is down
    (score,) = surveyed.asks(AskKind.SCORE)
    assert (score.score, score.remark) == (None, None)


def test_twice_counts_once(surveyed: Talk) -> None:
    press = [button.say for button in conversations.buttons_of(surveyed.told()[-1])]
    surveyed.says(press[3])
    assert surveyed.says(press[0]) == ["您之前已经评过分了，我们记着呢，谢谢！"]
    assert surveyed.asks(AskKind.SCORE)[0].score == 4


def test_an_old_survey_takes_no_answer(surveyed: Talk, at: Move) -> None:
    press = surveyed.buttons()[4]
    at(clock.now() + 15 * DAY)
    assert "已经截止" in surveyed.says(press)[0]
    assert surveyed.asks(AskKind.SCORE)[0].score is None


def test_a_low_score_is_for_the_supervisor_and_offers_to_go_on(surveyed: Talk) -> None:
    (told,) = surveyed.says("1")
    assert "主管" in told
    (score,) = surveyed.asks(AskKind.SCORE)
    assert score.attention
    press = surveyed.buttons()
    surveyed.says("没人理我")
    assert surveyed.asks(AskKind.SCORE)[0].remark == "没人理我"
    surveyed.says(press[0])
    assert surveyed.state == TicketState.ASSIGNED


def test_a_later_matter_is_no_remark(surveyed: Talk, at: Move) -> None:
    surveyed.says("4")
    at(clock.now() + HOUR)
    surveyed.says("花瓶碎了")
    assert surveyed.asks(AskKind.SCORE)[0].remark is None


def resolved(talk: Talk, ticket_id: int | None) -> tuple[int, SignedIn]:
    with talk.house.database.write() as session:
        conversation = session.get_one(Conversation, talk.ticket.conversation_id)
        request = rooms.request(ticket_id=ticket_id)
        case_id = talk.house.handoffs.request(session, conversation, request).case.id
        person = rooms.person(session, ids.new_key()[:8])
        talk.house.handoffs.take(session, case_id, person)
    return case_id, person


def test_a_talk_without_a_ticket_is_scored_once(talk: Talk, at: Move) -> None:
    for _ in range(2):
        case_id, person = resolved(talk, None)
        with talk.house.database.write() as session:
            talk.house.handoffs.resolve(session, case_id, person, "done")
        at(clock.now() + 5 * MINUTE)
        assert len(asked(talk)) == 1
    (score,) = talk.asks(AskKind.SCORE)
    assert (score.ticket_id, score.staff_id) == (None, person.id - 1)
    assert talk.says("2")[0].startswith("对不起")
    assert talk.buttons() == ["转人工"]


@pytest.mark.parametrize("ticket_first", [True, False])
def test_ticket_and_talk_are_scored_once_after_the_later(
    database: Database, at: Move, ticket_first: bool
) -> None:
    talk = talk_of(database, "请问怎么还没到", "report_delay")
    case_id, person = resolved(talk, talk.ticket_id)

    def close() -> None:
        for change in (Change.PROPOSE, Change.CLOSE):
            talk.do(change)

    def resolve() -> None:
        with database.write() as session:
            talk.house.handoffs.resolve(session, case_id, person, "done")

    first, second = (close, resolve) if ticket_first else (resolve, close)
    first()
    at(clock.now() + HOUR)
    assert asked(talk) == []
    second()
    at(clock.now() + 5 * MINUTE)
    assert len(asked(talk)) == 1
    at(clock.now() + DAY)
    assert len(asked(talk)) == 1


def test_customers_known_to_a_program_are_asked_nothing(database: Database, at: Move) -> None:
    talk = talk_of(database)
    with database.write() as session:
        from conversations.models import Customer

        session.get_one(Customer, 1).channel = "api"
    for change in (Change.PROPOSE, Change.CLOSE):
        talk.do(change)
    before = len(talk.told())
    at(clock.now() + DAY)
    talk.loop.sweep()
    assert len(talk.told()) == before


def test_plain_words(database: Database, at: Move) -> None:
    reading = Reading(rooms.build(database).after._policy.words)
    for yes in (
        "同意",
        "好的，就这样吧，谢谢你们",
        "嗯嗯",
        "I accept your proposal",
        "Yes, please.",
    ):
        assert reading.agrees(yes), yes
    for other in ("不同意", "可以吗", "好贵", "not ok", "", "好的" * 40, "ok but tomorrow"):
        assert not reading.agrees(other), other
    for no in ("还没解决呢", "it is NOT solved", "I don't agree", "钱还没到账"):
        assert reading.unsolved(no), no
    assert not reading.unsolved("解决了")
    assert [score_in(t) for t in ("5", "十", "4/5", "好", "5 个包裹", "12345")] == [
        5, 10, 4, None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        (
            "report_loss,",
            "report_lost,",
            "line 8, follow_up.classes: .*'report_lost' is not",
        ),
        ("low: 2", "low: 5", "score.low: .*less than or equal to 4"),
        ("hours: 4", "hours: soon", "line 6, follow_up.hours"),
        ("urgency: [red", "urgency: [crimson", "'red', 'orange', 'yellow' or 'green'"),
        ("opened, assigned,", "openned,", "'openned' is not one of the news"),
    ],
)
def test_a_mistake_in_the_policy_is_named(
    database: Database, tmp_path: Path, was: str, now: str, says: str
) -> None:
    text = (rooms.POLICIES / "after.yml").read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "after.yml").write_text(text.replace(was, now), encoding="utf-8")
    texts = rooms.build(database).texts
    with pytest.raises(PolicyError, match=says):
        after_policy.from_file(
            tmp_path / "after.yml",
            rooms.AGREED.problems,
            texts.room("zh", "ticket.news"),
        )


def test_who_agrees_while_something_else_is_proposed_agrees_to_neither(proposed: Talk) -> None:
    agree, _ = proposed.buttons()
    row = proposed.received(agree)
    customer = threading.Thread(target=lambda: asyncio.run(proposed.router.route(row)))
    with proposed.house.database.write() as session:
        ticket = session.get_one(Ticket, proposed.ticket_id)
        proposed.house.tickets.lifecycle.change(session, ticket, Change.PROPOSE, LI, "赔付 5 元")
        customer.start()
        customer.join(0.5)  # as far as he comes beside it
    customer.join(20)
    assert proposed.state == TicketState.PROPOSED
    assert [ask.yes for ask in proposed.asks(AskKind.PROPOSAL)] == [None, None]
    over = proposed.house.texts.say("zh", "after.over", 0, number=proposed.ticket.number)
    assert proposed.told()[-1].text == over


def test_two_answers_to_one_question_at_the_same_moment_count_once(surveyed: Talk) -> None:
    five = surveyed.buttons()[-1]
    ready = threading.Barrier(2)

    def press(text: str) -> None:
        ready.wait()
        surveyed.says(text)

    both = [threading.Thread(target=press, args=(text,)) for text in (five, five)]
    for one in both:
        one.start()
    for one in both:
        one.join(20)
    (ask,) = surveyed.asks(AskKind.SCORE)
    assert ask.score == 5
    thanks = surveyed.house.texts.say("zh", "after.scored", 0)
    assert [m.text for m in surveyed.told()].count(thanks) == 1
