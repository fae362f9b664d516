"""A ticket's life: what may follow what, who may do it, and that nothing is lost silently."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from store import clock
from store.engine import Database
from store.errors import Forbidden, Invalid, NotYours, Outdated, OutOfOrder, TooLong
from tests import rooms
from tickets import relations, repository
from tickets.events import CUSTOMER, SYSTEM, Actor, Events
from tickets.lifecycle import ALLOWED, MAY, MOST_WORDS, TELLS, Change, Lifecycle
from tickets.models import (
    FINISHED,
    ActorKind,
    Ticket,
    TicketEvent,
    TicketState,
    Urgency,
    WaitingFor,
    What,
)
from tickets.service import Complaint, Tickets

LI = Actor(ActorKind.STAFF, 1, "李雷")
HAN = Actor(ActorKind.STAFF, 2, "韩梅梅")
CHEN = Actor(ActorKind.STAFF, 3, "陈主管", supervisor=True)
PROGRAM = Actor(ActorKind.API, 7, "crm")
HOUR = timedelta(hours=1)


@pytest.fixture
def session(database: Database, at: object) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


@pytest.fixture
def tickets(database: Database) -> Tickets:
    return rooms.build(database).tickets


def opened(session: Session, tickets: Tickets, key: str = "in:1", **more: object) -> Ticket:
    conversation = rooms.said(session, "碎了", by=str(more.pop("by", "visitor")))
    facts: dict[str, object] = {
        "idempotency_key": key,
        "kind": "report_damage",
        "conversation_id": conversation.id,
        "customer_id": conversation.customer_id,
        "description": "花瓶碎了",
        "waybill_no": "SF1",
    }
    return tickets.open(session, Complaint(**(facts | more))).ticket  # type: ignore[arg-type]


def do(
    life: Lifecycle, session: Session, ticket: Ticket, change: Change, actor: Actor = SYSTEM
) -> TicketEvent:
    match change:
        case Change.ASSIGN:
            return life.assign(session, ticket, actor, team="second_line", to=LI)
        case Change.WAIT:
            until = clock.now() + HOUR
            return life.wait(session, ticket, actor, WaitingFor.DEPOT, until, "等网点回话")
        case _:
            return life.change(session, ticket, change, actor, "因为")


def whats(session: Session, ticket: Ticket) -> list[str]:
    return [event.what for event in repository.events(session, ticket.id)]


def test_the_whole_way_and_every_step_is_an_event(session: Session, tickets: Tickets) -> None:
    ticket, life = opened(session, tickets), tickets.lifecycle
    life.assign(session, ticket, CHEN, team="second_line", to=LI)
    assert (ticket.state, ticket.team, ticket.staff_id) == (TicketState.ASSIGNED, "second_line", 1)
    for change in (Change.ACCEPT, Change.PROPOSE):
        life.change(session, ticket, change, LI, "赔付 300 元")
    life.change(session, ticket, Change.AGREE, CUSTOMER)
    life.change(session, ticket, Change.CLOSE, LI, "已到账")
    assert ticket.closed_at == clock.now()
    life.change(session, ticket, Change.FOLLOW_UP, SYSTEM)
    assert whats(session, ticket) == [
        "opened", "assigned", "accepted", "proposed", "agreed", "closed", "followed_up",
    ]  # fmt: skip
    proposed = repository.events(session, ticket.id)[3]
    assert (proposed.actor, proposed.staff_id, proposed.actor_name) == ("staff", 1, "李雷")
    assert (proposed.why, proposed.at) == ("赔付 300 元", clock.now())
    assert proposed.details == {"from": "accepted", "to": "proposed"}
    life.change(session, ticket, Change.REOPEN, CUSTOMER, "钱没到")
    assert [ticket.state, ticket.staff_id, ticket.closed_at] == [TicketState.ASSIGNED, 1, None]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.sampled_from(list(Change)), max_size=14))
def test_any_order_of_changes_follows_the_table(database: Database, steps: list[Change]) -> None:
    tickets = rooms.build(database).tickets
    life = tickets.lifecycle
    with database.write() as session:
        ticket = opened(session, tickets)
        for change in steps:
            before, version, count = ticket.state, ticket.version, len(whats(session, ticket))
            waiting = ticket.waiting_for
            to = ALLOWED[TicketState(before)].get(change)
            if to is None or (change == Change.RESUME and waiting is None):
                with pytest.raises(OutOfOrder):
                    do(life, session, ticket, change)
                session.flush()
                assert (ticket.state, ticket.version) == (before, version)
                assert len(whats(session, ticket)) == count
                continue
            event = do(life, session, ticket, change)
            expected = to
            if change == Change.REOPEN and ticket.staff_id is None:
                expected = TicketState.RECEIVED
            assert (ticket.state, event.what) == (expected, TELLS[change])
            assert whats(session, ticket)[-1] == TELLS[change]
            assert (ticket.closed_at is not None) == (ticket.state in FINISHED)
            if change not in (Change.WAIT, Change.ASSIGN):
                assert ticket.waiting_for is None
        session.rollback()


def test_waiting_pauses_and_what_moves_the_ticket_on_ends_it(
    session: Session, tickets: Tickets
) -> None:
    ticket, life = opened(session, tickets), tickets.lifecycle
    until = clock.now() + HOUR
    life.wait(session, ticket, LI, WaitingFor.BRANCH, until, "调监控")
    assert (ticket.waiting_for, ticket.waiting_until) == (WaitingFor.BRANCH, until)
    assert ticket.waiting_why == "调监控"
    life.change(session, ticket, Change.ACCEPT, LI)
    assert whats(session, ticket)[-3:] == ["waiting", "resumed", "accepted"]
    assert ticket.waiting_for is None
    with pytest.raises(Invalid):
        life.wait(session, ticket, LI, WaitingFor.DEPOT, clock.now(), "晚了")
    with pytest.raises(Invalid):
        life.wait(session, ticket, LI, WaitingFor.DEPOT, until, " ")


def test_a_customer_who_writes_ends_the_wait_for_him(session: Session, tickets: Tickets) -> None:
    ticket, life = opened(session, tickets), tickets.lifecycle
    until = clock.now() + HOUR
    life.wait(session, ticket, LI, WaitingFor.DEPOT, until, "查货")
    tickets.told(session, ticket, "是蓝色的")
    assert whats(session, ticket)[-1] == "told"
    life.wait(session, ticket, LI, WaitingFor.CUSTOMER, until, "要照片")
    opened(session, tickets, "in:2")
    assert ticket.waiting_for is None
    assert whats(session, ticket)[-2:] == ["contact", "resumed"]


def test_who_may_do_what(session: Session, tickets: Tickets) -> None:
    ticket, life = opened(session, tickets), tickets.lifecycle
    life.change(session, ticket, Change.ACCEPT, LI)
    with pytest.raises(NotYours):
        do(life, session, ticket, Change.PROPOSE, HAN)
    assert life.allowed(ticket, HAN) == ()
    do(life, session, ticket, Change.PROPOSE, CHEN)  # a supervisor may
    for change in Change:
        if change not in MAY[ActorKind.CUSTOMER]:
            with pytest.raises(Forbidden):
                do(life, session, ticket, change, CUSTOMER)
        with pytest.raises(Forbidden):
            do(life, session, ticket, change, PROGRAM)
    assert life.allowed(ticket, CUSTOMER) == (Change.AGREE, Change.DECLINE, Change.CANCEL)
    assert ticket.state == TicketState.PROPOSED


def test_words_where_they_are_needed(session: Session, tickets: Tickets) -> None:
    ticket, life = opened(session, tickets), tickets.lifecycle
    with pytest.raises(Invalid):
        life.change(session, ticket, Change.CANCEL, LI)
    with pytest.raises(TooLong):
        life.change(session, ticket, Change.CANCEL, LI, "长" * (MOST_WORDS + 1))
    with pytest.raises(Invalid):
        life.comment(session, ticket, LI, "  ")
    first = life.comment(session, ticket, PROGRAM, "已报备", key="api:7:a")
    assert life.comment(session, ticket, PROGRAM, "已报备", key="api:7:a").id == first.id
    assert (first.api_key_id, first.staff_id) == (7, None)


def test_the_last_writer_is_told(session: Session, tickets: Tickets) -> None:
    ticket, life = opened(session, tickets), tickets.lifecycle
    seen = ticket.version
    life.change(session, ticket, Change.ACCEPT, LI, version=seen)
    assert ticket.version > seen
    with pytest.raises(Outdated) as told:
        life.change(session, ticket, Change.CANCEL, CHEN, "重复", version=seen)
    assert told.value.facts == {"number": ticket.number}
    assert (ticket.state, told.value.status) == (TicketState.ACCEPTED, 409)


def test_two_who_write_at_once_do_not_overwrite_each_other(database: Database) -> None:
    tickets = rooms.build(database).tickets
    with database.write() as session:
        ticket = opened(session, tickets)
        number, version = ticket.number, ticket.version
    told: list[str] = []
    ready = threading.Barrier(2)

    def write(actor: Actor) -> None:
        ready.wait(10)
        try:
            with database.write() as session:
                found = repository.by_number(session, number)
                assert found is not None
                tickets.lifecycle.change(session, found, Change.ACCEPT, actor, version=version)
                told.append("done")
        except Outdated:
            told.append("outdated")

    _side_by_side([lambda: write(LI), lambda: write(HAN)])
    assert sorted(told) == ["done", "outdated"]
    with database.read() as session:
        found = repository.by_number(session, number)
        assert found is not None
        assert whats(session, found).count("accepted") == 1


def test_many_who_complain_at_once_open_one_ticket(database: Database) -> None:
    tickets = rooms.build(database).tickets
    ready = threading.Barrier(6)

    def complain(n: int) -> None:
        with database.write() as session:
            rooms.said(session, "碎了", by=f"v{n}")
        ready.wait(10)
        with database.write() as session:
            opened(session, tickets, f"in:{n}", by=f"v{n}")

    _side_by_side([lambda n=n: complain(n) for n in range(6)])  # type: ignore[misc]
    with database.read() as session:
        (ticket,) = session.scalars(select(Ticket)).all()
        assert ticket.contacts == 6
        assert whats(session, ticket).count("contact") == 5


def test_the_database_itself_keeps_a_second_open_ticket_out(
    session: Session, tickets: Tickets
) -> None:
    ticket = opened(session, tickets)
    rest = {c.name: getattr(ticket, c.name) for c in Ticket.__table__.columns if c.name != "id"}
    session.add(Ticket(**(rest | {"number": "CS260302-9999", "idempotency_key": "else"})))
    with pytest.raises(DBAPIError):
        session.flush()
    session.rollback()


@pytest.mark.parametrize(
    "change",
    [
        update(TicketEvent).values(why="schöner"),
        delete(TicketEvent),
        text("UPDATE ticket_events SET at = CURRENT_TIMESTAMP"),
    ],
    ids=["update", "delete", "sql"],
)
def test_events_are_never_changed(database: Database, change: object) -> None:
    with database.write() as session:
        opened(session, rooms.build(database).tickets)
    with pytest.raises(DBAPIError, match="never changed"), database.write() as session:
        session.execute(change)  # type: ignore[call-overload]
    with database.read() as session:
        (event,) = session.scalars(select(TicketEvent)).all()
        assert event.why == "loss_damage_or_scam"


def test_hooks_are_called_in_the_transaction_after_each_event(
    session: Session, database: Database
) -> None:
    heard: list[tuple[str, str, str]] = []
    events = Events(
        lambda _, ticket, event: heard.append((ticket.number, event.what, ticket.state))
    )
    built = rooms.build(database).tickets
    tickets = Tickets(built.urgency, built.routing, built.clocks, built.zone, Lifecycle(events))
    ticket = opened(session, tickets)
    tickets.lifecycle.change(session, ticket, Change.ACCEPT, LI)
    assert heard == [
        (ticket.number, "opened", "received"),
        (ticket.number, "accepted", "accepted"),
    ]


def test_merging_takes_everything_along(session: Session, tickets: Tickets) -> None:
    ticket = opened(session, tickets, facts={"amount": "300"})
    other = opened(session, tickets, "in:2", kind="report_delay", threat=True)
    assert other.urgency == Urgency.RED
    into = relations.merge(session, tickets.lifecycle, other, ticket, LI, version=other.version)
    assert (into.id, into.contacts, into.urgency) == (ticket.id, 2, Urgency.RED)
    assert other.state == TicketState.CANCELLED
    found = repository.merged_into(session, other.id)
    assert found is not None
    assert found.id == ticket.id
    assert (whats(session, other)[-1], whats(session, ticket)[-1]) == (What.MERGED, What.MERGED)
    with pytest.raises(OutOfOrder):
        relations.merge(session, tickets.lifecycle, ticket, other, LI)


def test_strangers_matters_are_not_merged(session: Session, tickets: Tickets) -> None:
    mine = opened(session, tickets)
    other = opened(session, tickets, "in:2", by="else", waybill_no="SF2")
    for wrong in (other, mine):
        with pytest.raises(Invalid):
            relations.merge(session, tickets.lifecycle, mine, wrong, CHEN)
    relations.link(session, tickets.lifecycle, mine, other, CHEN)
    assert whats(session, other)[-1] == "linked"


def test_a_number_learned_later_joins_the_open_ticket_about_it(
    session: Session, tickets: Tickets
) -> None:
    first = opened(session, tickets)
    second = opened(session, tickets, "in:2", kind="report_loss", waybill_no=None)
    third = opened(session, tickets, "in:3", waybill_no=None)
    assert tickets.told(session, second, "单号 SF1", waybill_no="SF1").waybill_no == "SF1"
    assert tickets.told(session, third, "单号 SF1", waybill_no="SF1").id == first.id
    assert third.state == TicketState.CANCELLED
    theirs = opened(session, tickets, "in:4", by="else", waybill_no=None)
    assert tickets.learn_waybill(session, theirs, "SF1").id == theirs.id
    assert (theirs.waybill_no, theirs.facts) == (None, {"waybill_no": "SF1"})
    assert whats(session, theirs)[-1] == "linked"


def test_a_second_matter_gets_a_ticket_of_its_own(session: Session, tickets: Tickets) -> None:
    ticket = opened(session, tickets)

    def split(kind: str) -> Ticket:
        return tickets.split(session, ticket, LI, kind=kind, description="快递员还骂人", key="k1")

    new = split("report_courier_attitude")
    assert (new.kind, new.waybill_no, new.state) == (
        "report_courier_attitude", "SF1", TicketState.RECEIVED,
    )  # fmt: skip
    assert split("report_courier_attitude").id == new.id
    assert whats(session, ticket)[-1] == "split"
    relations.link(session, tickets.lifecycle, ticket, new, LI)
    assert len(repository.links(session, ticket.id)) == 1


def test_a_finished_ticket_is_not_joined(
    session: Session, tickets: Tickets, at: Callable[[datetime], None]
) -> None:
    ticket = opened(session, tickets)
    tickets.lifecycle.change(session, ticket, Change.CANCEL, CUSTOMER, "不用了")
    assert opened(session, tickets, "in:2").id != ticket.id


def _side_by_side(jobs: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
