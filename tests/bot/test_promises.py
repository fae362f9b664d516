"""What falls due: warned of and broken once, by however many processes, whichever of them die."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from bot.promises import LEASE, PromiseLoop
from bot.settings import ROOT
from conversations import repository as record
from conversations.models import Conversation, Message, Outbox
from handoff.desk import repository as desk
from handoff.overdue import Overdue
from handoff.packet import Request
from store import clock
from store.engine import Database
from store.live import Live
from tests import rooms
from tests.rooms import Rooms
from tickets.events import SYSTEM, Actor
from tickets.lifecycle import Change
from tickets.models import ActorKind, Ticket, TicketEvent, Urgency, WaitingFor, What
from tickets.promises import repository
from tickets.promises.models import Promise, PromiseKind, PromiseState
from tickets.service import Complaint
from tickets.urgency import Verdict

Move = Callable[[datetime], None]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def house(database: Database, at: Move) -> Rooms:
    return rooms.build(database)


def loop_of(house: Rooms) -> PromiseLoop:
    live = Live(house.database)
    overdue = Overdue(house.tickets, house.handoffs, house.texts, live)
    return PromiseLoop(house.database, live, overdue)


def opened(house: Rooms, kind: str = "report_perishable", by: str = "visitor") -> int:
    """A ticket with its case, as the bot opens it; the ticket's id."""
    with house.database.write() as session:
        conversation = rooms.said(session, "螃蟹坏了", by=by)
        complaint = Complaint(f"in:{by}", kind, conversation.id, conversation.customer_id, "坏了")
        ticket = house.tickets.open(session, complaint).ticket
        verdict = Verdict(Urgency(ticket.urgency), ticket.urgency_rule)
        request = Request("ticket", "ticket", kind, verdict, ticket_id=ticket.id)
        house.handoffs.request(session, conversation, request, hold=False)
        return ticket.id


def told(house: Rooms) -> list[str]:
    """What customers were told about broken promises, in order."""
    with house.database.read() as session:
        return list(
            session.scalars(
                select(Message.text)
                .join(Outbox, Outbox.message_id == Message.id)
                .where(Outbox.key.like("promise:%"))
                .order_by(Message.id)
            )
        )


def test_a_broken_promise_moves_up_and_the_customer_hears_the_truth(house: Rooms, at: Move) -> None:
    ticket_id, loop = opened(house), loop_of(house)
    start = clock.now()
    assert loop.sweep() == 0
    at(start + 8 * MINUTE)
    loop.sweep()
    assert told(house) == []
    at(start + 10 * MINUTE)
    loop.sweep()
    loop.sweep()
    contact = (
        "我们答应今天 10:10 前有同事联系您，没有做到，真的对不起。\n"
        "这件事已经转给区域协调，由他们接着办，前面的情况他们都看得到。\n"
        "最晚今天 12:00，一定有同事联系您。"
    )
    assert contact in told(house)
    assert len(told(house)) == 2  # the other is the cause, promised for the same minute
    with house.database.read() as session:
        ticket = session.get_one(Ticket, ticket_id)
        case = house.handoffs.case(session, 1)
        broken = [b.promise for b in desk.broken_promises(session)]
        events = session.scalars(select(TicketEvent.what)).all()
    assert (ticket.team, case.team) == ("regional", "regional")
    assert case.contact_by == start + 2 * HOUR
    assert [p.kind for p in broken] == [PromiseKind.CAUSE, PromiseKind.CONTACT]
    assert Counter(events)[What.OVERDUE] == 2


def test_the_last_time_that_is_missed_names_no_other(house: Rooms, at: Move) -> None:
    opened(house)
    loop, start = loop_of(house), clock.now()
    at(start + 30 * HOUR)
    while loop.sweep():
        pass
    assert all("主管已经在盯这件事了" in words for words in told(house))
    with house.database.read() as session:
        assert session.get_one(Ticket, 1).team == "headquarters"


def test_an_unsolved_ticket_gets_hotter_and_english_is_told_in_english(
    house: Rooms, at: Move
) -> None:
    with house.database.write() as session:
        conversation = rooms.said(session, "my parcel is lost")
        conversation.language = "en"
        complaint = Complaint("in:1", "report_loss", conversation.id, 1, "lost")
        ticket_id = house.tickets.open(session, complaint).ticket.id
        house.tickets.clocks.keep(session, (PromiseKind.CONTACT,), ticket_id=ticket_id)
    at(clock.now() + 24 * HOUR)
    loop_of(house).sweep()
    assert told(house) == [
        "We promised you a solution by today 10:00. We did not manage it, and we are sorry.\n"
        "Regional coordination has it now and sees everything that was said before.\n"
        "You have our proposal by tomorrow 10:00 at the latest."
    ]
    with house.database.read() as session:
        ticket = session.get_one(Ticket, ticket_id)
        open_ones = [p for p in repository.of_ticket(session, ticket_id) if p.state == "open"]
    assert (ticket.urgency, ticket.urgency_rule) == (Urgency.RED, "promise_broken")
    # Red is solved within two hours; nobody is promised a first word once more.
    assert [(p.kind, p.by) for p in open_ones] == [("solution", clock.now() + 2 * HOUR)]


def test_the_owner_keeps_what_moves_up(house: Rooms, at: Move) -> None:
    ticket_id = opened(house)
    with house.database.write() as session:
        lin = rooms.person(session, "lin")
        ticket = session.get_one(Ticket, ticket_id)
        agent = Actor(ActorKind.STAFF, lin.id, lin.name)
        house.tickets.lifecycle.change(session, ticket, Change.ACCEPT, agent)
    at(clock.now() + 10 * MINUTE)
    loop_of(house).sweep()
    with house.database.read() as session:
        ticket = session.get_one(Ticket, ticket_id)
        assert (ticket.team, ticket.staff_id) == ("regional", lin.id)


def test_a_ticket_waits_no_longer_than_it_said(house: Rooms, at: Move) -> None:
    ticket_id = opened(house)
    with house.database.write() as session:
        ticket = session.get_one(Ticket, ticket_id)
        until = clock.now() + 5 * HOUR
        house.tickets.lifecycle.wait(session, ticket, SYSTEM, WaitingFor.DEPOT, until, "查件")
        house.tickets.clocks.keep(
            session, (PromiseKind.CONTACT, PromiseKind.CAUSE), ticket_id=ticket_id
        )
    loop = loop_of(house)
    at(until - MINUTE)
    assert loop.sweep() == 0
    at(until)
    assert loop.sweep() == 1
    assert loop.sweep() == 0
    with house.database.read() as session:
        assert session.get_one(Ticket, ticket_id).waiting_for is None
        (solution,) = [p for p in repository.of_ticket(session, ticket_id) if p.state == "open"]
    assert solution.by == until + 2 * HOUR


def test_the_end_of_a_wait_is_seen_once_by_whoever_works_on_it(house: Rooms, at: Move) -> None:
    ticket_id = opened(house)
    with house.database.write() as session:
        ticket = session.get_one(Ticket, ticket_id)
        until = clock.now() + HOUR
        house.tickets.lifecycle.wait(session, ticket, SYSTEM, WaitingFor.CUSTOMER, until, "照片")
    at(until)
    loops = [loop_of(house) for _ in range(2)]
    threads = [threading.Thread(target=loop.sweep) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with house.database.read() as session:
        resumed = session.scalars(select(TicketEvent).where(TicketEvent.what == What.RESUMED)).all()
        told = session.scalars(select(Message).where(Message.text == "waited")).all()
    assert [event.why for event in resumed] == ["time_is_over"]
    assert [(m.kind, m.audience) for m in told] == [("event", "staff")]


def test_one_that_cannot_be_looked_at_stops_no_other_and_comes_back(house: Rooms, at: Move) -> None:
    first, second = opened(house, by="one"), opened(house, by="two")

    def contact_of(ticket_id: int) -> Promise:
        with house.database.read() as session:
            return repository.of_ticket(session, ticket_id)[0]

    def now_a(kind: str) -> None:
        with house.database.write() as session:
            mine = Promise.id == contact.id
            session.execute(update(Promise).where(mine).values(kind=kind))

    contact = contact_of(first)
    now_a("of_later")
    at(clock.now() + 10 * MINUTE)
    loop = loop_of(house)
    loop.sweep()
    assert contact_of(first).state == PromiseState.OPEN
    assert contact_of(second).state == PromiseState.BROKEN
    now_a(PromiseKind.CONTACT)
    at(clock.now() + LEASE)
    loop.sweep()
    assert contact_of(first).state == PromiseState.BROKEN


def test_each_once_though_processes_are_killed(database: Database, address: str) -> None:
    """Real processes and the real clock: two on SQLite, four on PostgreSQL."""
    count, at_once = 60, 2 if database.is_sqlite else 4
    house = rooms.build(database)
    with clock.frozen(clock.now() - 11 * MINUTE):
        for number in range(count):
            opened(house, by=f"c{number}")
    dice = random.Random(7)
    workers: list[subprocess.Popen[str]] = []
    try:
        for _ in range(3):  # killed while they work, and started again
            workers = [sweeper(address) for _ in range(at_once)]
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0.02, 0.12))
            for worker in workers:
                worker.kill()
                worker.wait()
        with database.write() as session:  # what the dead held is not waited for
            session.execute(update(Promise).values(leased_until=None))
        workers = [sweeper(address) for _ in range(at_once)]
        assert [worker.wait(60) for worker in workers] == [0] * at_once
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    with database.read() as session:
        promises = session.scalars(select(Promise).where(Promise.step == 0)).all()
        overdue = session.scalars(select(TicketEvent).where(TicketEvent.what == What.OVERDUE)).all()
        sent = session.scalars(select(Outbox.key).where(Outbox.key.like("promise:%"))).all()
        talks = session.scalars(select(Conversation.id)).all()
        words = [len(record.messages(session, talk)) for talk in talks]
        anew = session.scalars(select(Promise).where(Promise.step == 1)).all()
    due = [p for p in promises if p.kind in (PromiseKind.CONTACT, PromiseKind.CAUSE)]
    assert len(due) == 2 * count
    assert {p.state for p in due} == {PromiseState.BROKEN}
    assert Counter((e.ticket_id, e.details["promise"]) for e in overdue) == Counter(
        {(p.ticket_id, p.kind): 1 for p in due}
    )
    assert sorted(sent) == sorted(f"promise:{p.id}" for p in due)
    assert words == [4] * count  # his own, the event of the case, and two apologies
    assert len(anew) == 2 * count


def sweeper(address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.sweeper", address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
