"""The customer hears of each step, once, in his language; of the house's own he hears nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from conversations import service as conversations
from conversations.models import Conversation, FileKind, Inbox, Message, Outbox
from conversations.schemas import Inbound, Reference, Stored
from store import clock
from store.engine import Database
from tests import rooms
from tickets import evidence, relations, repository
from tickets.events import CUSTOMER, Actor
from tickets.lifecycle import Change
from tickets.models import ActorKind, Ticket, WaitingFor
from tickets.service import Complaint, Tickets

LI = Actor(ActorKind.STAFF, 1, "李雷")


@pytest.fixture
def session(database: Database, at: object) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


@pytest.fixture
def tickets(database: Database) -> Tickets:
    return rooms.build(database).tickets


def opened(session: Session, tickets: Tickets, words: str = "花瓶碎了", **more: object) -> Ticket:
    conversation = rooms.said(session, words, number=str(len(more)))
    facts: dict[str, object] = {
        "idempotency_key": f"in:{more}",
        "kind": "report_damage",
        "conversation_id": conversation.id,
        "customer_id": conversation.customer_id,
        "description": words,
        "waybill_no": "SF1",
    }
    return tickets.open(session, Complaint(**(facts | more))).ticket  # type: ignore[arg-type]


def told(session: Session) -> list[str]:
    rows = session.execute(
        select(Outbox.key, Message.text).join(Message, Message.id == Outbox.message_id)
    ).all()
    assert all(key.startswith("ticket:") for key, _ in rows)
    return [words for _, words in rows]


def test_each_step_in_chinese(session: Session, tickets: Tickets) -> None:
    ticket, life = opened(session, tickets), tickets.lifecycle
    life.assign(session, ticket, LI, team="second_line")
    life.assign(session, ticket, LI, team="second_line", to=LI, why="他在班上")
    life.change(session, ticket, Change.ACCEPT, LI)
    life.comment(session, ticket, LI, "客户脾气大")
    until = clock.now() + timedelta(hours=2)
    life.wait(session, ticket, LI, WaitingFor.CUSTOMER, until, "请补一张外包装的照片")
    life.wait(session, ticket, LI, WaitingFor.DEPOT, until, "查监控")
    life.change(session, ticket, Change.PROPOSE, LI, "全额赔付 300 元")
    life.change(session, ticket, Change.AGREE, CUSTOMER)
    life.change(session, ticket, Change.CLOSE, LI, "300 元已到账")
    life.change(session, ticket, Change.FOLLOW_UP, LI)
    life.change(session, ticket, Change.REOPEN, CUSTOMER, "没到账")
    number = ticket.number
    link = f"\n随时看进度：https://desk.test/tickets/progress/{number}"
    assert told(session) == [
        f"您的工单 {number} 已经交给二线疑难处理跟进，我们会一直管到底。{link}",
        f"您的工单 {number} 现在由李雷（二线疑难处理）负责，"
        f"前面的情况都已经转过去了，不用您再讲一遍。{link}",
        f"李雷已经接手您的工单 {number}，正在处理，有进展第一时间告诉您。{link}",
        f"工单 {number} 还差您这边一步：请补一张外包装的照片\n"
        "麻烦您在今天 12:00 前回复，收到后我们马上继续。",
        f"工单 {number} 正在等网点核实，我们盯着，最晚今天 12:00 给您消息。",
        f"工单 {number} 有方案了：全额赔付 300 元\n"
        "您看这样行吗？同意或者有别的想法，直接在这里回复就好。",
        f"好的，工单 {number} 就按您同意的方案办，我们这就去安排。",
        f"工单 {number} 已经办结：300 元已到账\n要是问题还没解决，直接在这里告诉我们，我们接着管。",
        f"工单 {number} 已经重新打开，我们接着处理，不用您从头再讲。{link}",
    ]


def test_in_english_where_he_wrote_last(session: Session, tickets: Tickets) -> None:
    ticket = opened(session, tickets, "My vase is broken")
    tickets.lifecycle.change(session, ticket, Change.CANCEL, LI, "entered twice")
    (words,) = told(session)
    assert words.startswith(f"Case {ticket.number} is cancelled.")
    assert "entered twice" not in words


def test_what_he_has_been_told_otherwise_is_not_said_twice(
    session: Session, tickets: Tickets
) -> None:
    ticket = opened(session, tickets)
    tickets.lifecycle.change(session, ticket, Change.ACCEPT, LI, told=True)
    assert told(session) == []


def test_a_merged_ticket_is_told_where_it_went_on(session: Session, tickets: Tickets) -> None:
    one = opened(session, tickets)
    other = opened(session, tickets, kind="report_loss")
    relations.merge(session, tickets.lifecycle, other, one, LI)
    assert told(session) == [
        f"工单 {other.number} 和 {one.number} 说的是同一件事，已经合在 {one.number} 里一起处理。"
    ]


def test_taking_the_case_takes_the_ticket_on(session: Session, database: Database) -> None:
    built = rooms.build(database)
    ticket = opened(session, built.tickets)
    conversation = session.get_one(Conversation, ticket.conversation_id)
    placed = built.handoffs.request(session, conversation, rooms.request(ticket_id=ticket.id))
    lili = rooms.person(session, "lili")
    built.handoffs.take(session, placed.case.id, lili)
    assert [ticket.state, ticket.staff_id] == ["accepted", lili.id]
    words = session.scalars(select(Message.text).where(Message.author == "system")).all()
    assert sum("Lili" in text for text in words) == 1


def photo(session: Session, number: str) -> Inbox:
    stored = Stored("a" * 64, "image/png", 8)
    row, _ = conversations.receive(
        session,
        Inbound(
            "web", "page", "visitor", number, "",
            attachments=(Reference(FileKind.PHOTO, name="vase.png", stored=stored),),
        ),
    )  # fmt: skip
    return row


def test_photos_become_evidence_of_the_open_ticket(session: Session, tickets: Tickets) -> None:
    rooms.said(session, "花瓶碎了", number="first")
    row = photo(session, "p1")  # before the ticket is there
    assert evidence.gather(session, tickets.lifecycle, row.conversation_id) is None
    ticket = opened(session, tickets)
    tickets.lifecycle.wait(
        session, ticket, LI, WaitingFor.CUSTOMER, clock.now() + timedelta(hours=1), "照片"
    )
    photo(session, "p2")
    for _ in range(2):
        evidence.gather(session, tickets.lifecycle, row.conversation_id)
    assert len(repository.file_ids(session, ticket.id)) == 2
    events = [(e.what, e.details) for e in repository.events(session, ticket.id)][-2:]
    assert events == [("resumed", {}), ("evidence", {"files": 2})]
