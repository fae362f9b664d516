"""Promises: made by the policy, paused, kept or broken, each once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from store import clock, policy_versions
from store.engine import Database
from store.errors import PolicyError
from tests import rooms
from tests.rooms import POLICIES, Rooms
from tickets.events import SYSTEM
from tickets.lifecycle import Change
from tickets.models import Ticket, Urgency, WaitingFor
from tickets.promises import repository
from tickets.promises.clocks import About, Clocks
from tickets.promises.models import Promise, PromiseKind, PromiseState
from tickets.service import Complaint
from tickets.urgency import Verdict

Move = Callable[[datetime], None]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def house(database: Database, at: Move) -> Rooms:
    return rooms.build(database)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


def opened(house: Rooms, session: Session, kind: str = "report_delay", **more: object) -> Ticket:
    conversation = rooms.said(session, "我的快递呢")
    facts: dict[str, object] = {"description": "还没到", "waybill_no": "SF1"}
    complaint = Complaint(
        idempotency_key="in:1",
        kind=kind,
        conversation_id=conversation.id,
        customer_id=conversation.customer_id,
        **(facts | more),  # type: ignore[arg-type]
    )
    return house.tickets.open(session, complaint).ticket


def promised(session: Session, ticket: Ticket) -> dict[str, Promise]:
    """The newest promise of each kind."""
    return {promise.kind: promise for promise in repository.of_ticket(session, ticket.id)}


def after(promise: Promise) -> timedelta:
    return promise.by - promise.made_at


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("report_delay", {"contact": 30, "next_step": 60, "cause": 10, "solution": 1440}),
        ("report_loss", {"contact": 20, "solution": 1440}),
        ("report_perishable", {"contact": 10, "cause": 10, "solution": 120}),
        (
            "report_courier_attitude",
            {"contact": 30, "next_step": 60, "courier_call": 60, "solution": 1440},
        ),
    ],
)
def test_each_class_is_promised_its_own(
    house: Rooms, session: Session, kind: str, expected: dict[str, int]
) -> None:
    found = promised(session, opened(house, session, kind))
    assert {name: after(p) / MINUTE for name, p in found.items()} == expected
    assert found["contact"].warn_at - found["contact"].made_at == after(found["contact"]) * 0.75


def test_a_courier_does_not_call_at_night(house: Rooms, session: Session, at: Move) -> None:
    at(datetime(2026, 3, 2, 12, 30, tzinfo=UTC))  # half past eight in the evening
    call = promised(session, opened(house, session, "report_courier_attitude"))["courier_call"]
    assert call.by == datetime(2026, 3, 3, 0, 30, tzinfo=UTC)


def test_the_ticket_knows_what_is_due_next(house: Rooms, session: Session) -> None:
    ticket = opened(house, session)
    cause = promised(session, ticket)["cause"]
    session.refresh(ticket)
    assert ticket.next_due_at == cause.by
    version = ticket.version
    house.tickets.clocks.keep(session, (PromiseKind.CAUSE,), ticket_id=ticket.id)
    session.refresh(ticket)
    assert ticket.next_due_at == promised(session, ticket)["contact"].by
    assert ticket.version == version


def test_while_the_customer_is_waited_for_our_time_stands_and_his_runs(
    house: Rooms, session: Session, at: Move
) -> None:
    ticket = opened(house, session, "report_loss")
    start = clock.now()
    at(start + 10 * HOUR)
    life = house.tickets.lifecycle
    until = clock.now() + 48 * HOUR
    life.wait(session, ticket, SYSTEM, WaitingFor.CUSTOMER, until, "照片")
    found = promised(session, ticket)
    assert found["solution"].left == 14 * HOUR
    assert found["solution"].due_at is None
    assert found["contact"].left is None
    at(start + 40 * HOUR)
    life.change(session, ticket, Change.RESUME, SYSTEM)
    solution = promised(session, ticket)["solution"]
    assert solution.by == start + 54 * HOUR
    assert solution.due_at == solution.warn_at == start + 48 * HOUR
    assert solution.left is None


def test_a_warning_is_not_given_twice_by_a_pause(house: Rooms, session: Session, at: Move) -> None:
    ticket = opened(house, session, "report_loss")
    start = clock.now()
    at(start + 19 * HOUR)
    solution = promised(session, ticket)["solution"]
    look = house.tickets.clocks.look(session, solution.id)
    assert look is not None
    assert not look.broken
    until = clock.now() + 48 * HOUR
    house.tickets.lifecycle.wait(session, ticket, SYSTEM, WaitingFor.DEPOT, until, "查件")
    at(start + 20 * HOUR)
    house.tickets.lifecycle.change(session, ticket, Change.RESUME, SYSTEM)
    assert solution.due_at == solution.by == start + 25 * HOUR


def test_a_ticket_that_waits_is_promised_without_a_running_clock(
    house: Rooms, session: Session
) -> None:
    ticket = opened(house, session, "report_delay")
    until = clock.now() + HOUR
    house.tickets.lifecycle.wait(session, ticket, SYSTEM, WaitingFor.BRANCH, until, "调监控")
    house.tickets.raise_urgency(session, ticket, Verdict(Urgency.RED, "injury_or_danger"))
    found = promised(session, ticket)
    assert found["solution"].left == 2 * HOUR
    assert found["contact"].due_at is not None


def test_more_urgent_means_nearer_and_never_later(house: Rooms, session: Session, at: Move) -> None:
    ticket = opened(house, session)
    first = promised(session, ticket)["contact"]
    at(clock.now() + 25 * MINUTE)
    house.tickets.raise_urgency(session, ticket, Verdict(Urgency.ORANGE, "third_contact"))
    found = promised(session, ticket)
    assert found["contact"].id == first.id  # twenty minutes from now would be later
    house.tickets.raise_urgency(session, ticket, Verdict(Urgency.RED, "injury_or_danger"))
    found = promised(session, ticket)
    assert found["solution"].by == clock.now() + 2 * HOUR
    states = [
        p.state for p in repository.of_ticket(session, ticket.id) if p.kind == PromiseKind.SOLUTION
    ]
    assert states == [PromiseState.WITHDRAWN, PromiseState.OPEN]


def test_what_is_proposed_declined_and_closed_ends_and_begins_clocks(
    house: Rooms, session: Session, at: Move
) -> None:
    ticket = opened(house, session)
    life = house.tickets.lifecycle
    life.change(session, ticket, Change.ACCEPT, SYSTEM)
    life.change(session, ticket, Change.PROPOSE, SYSTEM, "重发一件")
    assert promised(session, ticket)["solution"].state == PromiseState.KEPT
    at(clock.now() + HOUR)
    life.change(session, ticket, Change.DECLINE, SYSTEM, "不要重发")
    assert promised(session, ticket)["solution"].by == clock.now() + 24 * HOUR
    house.tickets.clocks.make(session, PromiseKind.PAYOUT, About.ticket(ticket))
    life.change(session, ticket, Change.PROPOSE, SYSTEM, "退款")
    life.change(session, ticket, Change.AGREE, SYSTEM)
    life.change(session, ticket, Change.CLOSE, SYSTEM, "退款")
    found = promised(session, ticket)
    assert found["payout"].state == PromiseState.OPEN
    assert {p.state for name, p in found.items() if name != "payout"} == {
        PromiseState.KEPT,
        PromiseState.WITHDRAWN,
    }
    life.change(session, ticket, Change.REOPEN, SYSTEM, "没收到")
    assert promised(session, ticket)["contact"].state == PromiseState.OPEN


def test_a_promise_is_warned_of_once_and_breaks_once_and_is_made_anew(
    house: Rooms, session: Session, at: Move
) -> None:
    ticket = opened(house, session, "report_perishable")
    contact, clocks = promised(session, ticket)["contact"], house.tickets.clocks
    start = contact.made_at
    at(start + 7 * MINUTE)
    assert clocks.look(session, contact.id) is None
    at(start + 8 * MINUTE)
    look = clocks.look(session, contact.id)
    assert look is not None
    assert not look.broken
    assert clocks.look(session, contact.id) is None
    at(start + 10 * MINUTE)
    look = clocks.look(session, contact.id)
    assert look is not None
    assert look.broken
    assert look.anew is not None
    assert (look.anew.by, look.anew.step) == (start + 2 * HOUR, 1)
    assert contact.attention
    assert clocks.look(session, contact.id) is None
    at(start + 3 * HOUR)
    look = clocks.look(session, look.anew.id)
    assert look is not None
    assert look.broken
    assert look.anew is None


def test_what_was_kept_a_moment_ago_does_not_break(
    house: Rooms, session: Session, at: Move
) -> None:
    contact = promised(session, opened(house, session))["contact"]
    at(contact.by - timedelta(seconds=1))
    assert house.tickets.clocks.end(session, contact, PromiseState.KEPT)
    at(contact.by)
    assert house.tickets.clocks.look(session, contact.id) is None
    assert not house.tickets.clocks.end(session, contact, PromiseState.WITHDRAWN)
    assert contact.state == PromiseState.KEPT


def test_the_customers_wait_begins_with_his_first_unanswered_words(
    house: Rooms, session: Session, at: Move
) -> None:
    conversation = rooms.said(session, "转人工")
    lin = rooms.person(session, "lin")
    case = house.handoffs.request(session, conversation, rooms.request(Urgency.RED)).case
    house.handoffs.take(session, case.id, lin)
    house.handoffs.heard(session, conversation, 1)  # a first word is promised: no second clock
    house.handoffs.reply(session, case.id, lin, "您好", "k1")
    start = clock.now()
    house.handoffs.heard(session, conversation, 1)
    at(start + 5 * MINUTE)
    house.handoffs.heard(session, conversation, 1)
    contact, reply = repository.made_to(session, [conversation.id])
    assert (contact.kind, contact.state) == (PromiseKind.CONTACT, PromiseState.KEPT)
    assert (reply.kind, reply.by) == (PromiseKind.REPLY, start + 10 * MINUTE)
    house.handoffs.reply(session, case.id, lin, "我查一下", "k2")
    assert reply.state == PromiseState.KEPT


@pytest.fixture
def changed(tmp_path: Path) -> Clocks:
    """The company has halved the time of a solution."""
    for name in ("promises.yml", "calendars.yml"):
        shutil.copy(POLICIES / name, tmp_path)
    file = tmp_path / "promises.yml"
    file.write_text(file.read_text().replace("[1440, 2880]}", "[720, 2880]}"))
    return rooms.build_clocks(tmp_path)


def test_a_change_of_policy_is_logged_and_leaves_open_tickets_alone(
    house: Rooms, session: Session, at: Move, changed: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    house.tickets.clocks.apply(session, ())
    ticket = opened(house, session, "report_loss")
    changed.apply(session, ())
    assert "promises.yml has changed" in caplog.text
    assert "[720, 2880]" in caplog.text
    changed.withdraw(session, (PromiseKind.SOLUTION,), ticket_id=ticket.id)
    anew = changed.make(session, PromiseKind.SOLUTION, About.ticket(ticket))
    assert anew is not None
    assert after(anew) == 24 * HOUR
    new = changed.make(session, PromiseKind.SOLUTION, About(ticket.conversation_id, Urgency.ORANGE))
    assert new is not None
    assert after(new) == 12 * HOUR


def test_a_change_of_policy_moves_open_tickets_when_it_is_asked_to(
    house: Rooms, session: Session, at: Move, changed: Clocks
) -> None:
    ticket = opened(house, session, "report_loss")
    start = clock.now()
    at(start + 2 * HOUR)
    assert changed.apply(session, repository.open_after(session, 0, 100)) == 2
    found = promised(session, ticket)
    assert found["solution"].by == start + 12 * HOUR
    assert found["contact"].by == start + 20 * MINUTE
    assert changed.apply(session, repository.open_after(session, 0, 100)) == 0


def test_a_policy_that_came_back_is_the_version_it_was(session: Session, at: Move) -> None:
    first = policy_versions.put_in_force(session, "x.yml", "a: 1")
    second = policy_versions.put_in_force(session, "x.yml", "a: 2")
    assert policy_versions.put_in_force(session, "x.yml", "a: 1") == first != second


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[10, 120]", "[120, 10]", r"line 17, promises.contact.rules.0.within: .*later than"),
        ("calendar: couriers", "calendar: courier", "promises.courier_call.calendar: .*branches"),
        ("[report_courier_attitude]", "[rude]", "not a class: .*report_courier_attitude"),
        ("urgency: [red]", "urgency: [purple]", "'red', 'orange', 'yellow' or 'green'"),
        ("[tell_supervisor]", "[shout]", "'escalate', 'raise_urgency', 'tell_supervisor'"),
        ("warn_at: 0.75", "warn_at: 1.5", "line 10, warn_at: .*less than 1"),
        ("  payout:", "  payouts:", "'contact', 'reply', .*'payout'"),
        ("      - {within: [30, 60]}\n", "", "the last rule must name only a time"),
        ("pauses: false", "pause: false", "promises.contact.pauses: Field required"),
    ],
)
def test_a_mistake_in_the_policy_is_told_with_its_line_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    shutil.copy(POLICIES / "calendars.yml", tmp_path)
    text = (POLICIES / "promises.yml").read_text()
    assert old in text
    (tmp_path / "promises.yml").write_text(text.replace(old, new, 1))
    with pytest.raises(PolicyError, match=complaint):
        rooms.build_clocks(tmp_path)
