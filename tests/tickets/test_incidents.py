"""Tickets that rise together: proposed once, confirmed by a person, told once, ended."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.settings import ROOT
from conversations import repository as record
from handoff.models import Case
from parcels import incidents as road
from parcels import notices
from parcels.incidents import Report
from parcels.models import Status
from parcels.notice_models import Notice
from parcels.road_models import Incident, IncidentKind, Scope
from store import clock
from store.engine import Database
from store.errors import PolicyError
from tests import rooms
from tests.tickets.incidents_house import BEIJING, JINAN, TIANJIN, House
from tickets import repository as tickets
from tickets.events import SYSTEM, Actor
from tickets.incidents import policy, repository
from tickets.incidents.models import IncidentTicket, ProposalState
from tickets.lifecycle import Change
from tickets.models import ActorKind, Ticket, TicketEvent, WaitingFor, What
from tickets.promises import repository as promises
from tickets.promises.models import Promise, PromiseKind, PromiseState
from tickets.service import Complaint

Move = Callable[[datetime], None]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def house(database: Database, at: Move) -> House:
    return House(database)


def kept(house: House, ticket_id: int, kind: PromiseKind) -> Promise:
    """The newest promise of a kind."""
    with house.database.read() as session:
        found = promises.of_ticket(session, ticket_id)
    return next(p for p in reversed(found) if p.kind == kind)


def test_five_at_one_hub_are_proposed_once_and_it_grows(house: House) -> None:
    house.many(4, to=None)
    house.settle()
    assert house.proposals() == []
    house.complain(to=None)
    house.settle()
    (rise,) = house.proposals()
    assert (rise.scope, rise.place, rise.concerns) == (Scope.HUB, JINAN, "delay")
    house.complain(to=None)
    house.settle()
    assert len(house.proposals()) == 1
    assert house.members(rise.id) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("where", "scope", "places"),
    [
        ([(JINAN, BEIJING)] * 5, Scope.ROUTE, (JINAN, BEIJING)),
        ([(JINAN, BEIJING)] * 3 + [(JINAN, TIANJIN)] * 3, Scope.HUB, (JINAN, "")),
        ([(JINAN, None)] * 5, Scope.HUB, (JINAN, "")),
    ],
)
def test_the_narrowest_place_that_has_them_all_is_proposed(
    house: House, where: list[tuple[str, str | None]], scope: Scope, places: tuple[str, str]
) -> None:
    for place, to in where:
        house.complain(place, to)
    house.settle()
    (rise,) = house.proposals()
    assert (rise.scope, rise.place, rise.to_place) == (scope, *places)


def test_damage_at_a_branch_is_counted_apart_from_delay(house: House) -> None:
    for _ in range(4):
        house.complain("嘉兴南湖网点", None, status=Status.OUT_FOR_DELIVERY)
    for _ in range(5):
        house.complain("嘉兴南湖网点", None, kind="report_damage", status=Status.OUT_FOR_DELIVERY)
    house.settle()
    (rise,) = house.proposals()
    assert (rise.scope, rise.place, rise.concerns) == (Scope.BRANCH, "嘉兴南湖网点", "damage")
    assert house.members(rise.id) == [5, 6, 7, 8, 9]
    incident_id = house.confirm()
    with house.database.read() as session:
        damage = session.get_one(Incident, incident_id)
        assert (damage.concerns, road.listed(session, 5)[0]) == ("damage", [damage])
    # It explains complaints, and holds no parcel up.
    delayed = house.complain("嘉兴南湖网点", None, status=Status.OUT_FOR_DELIVERY)
    with house.database.read() as session:
        assert repository.incident_of(session, delayed) is None


def test_what_is_usual_there_is_no_rise(house: House, at: Move) -> None:
    start = clock.now()
    for day in range(28):  # five in every two hours of four weeks would be 1,680; 700 are 2.1
        at(start + day * timedelta(days=1))
        house.many(25, to=None)
    at(start + timedelta(days=28) - HOUR)
    before = len(house.proposals())
    house.many(6, to=None)
    house.settle()
    assert len(house.proposals()) == before  # 6 are fewer than 3 times 2.1
    house.many(1, to=None)
    house.settle()
    assert len(house.proposals()) == before + 1


def test_what_is_dismissed_is_not_proposed_again_for_the_same_rise(house: House, at: Move) -> None:
    start = clock.now()
    house.many(5)
    house.settle()
    with house.database.write() as session:
        assert house.rooms.incidents.dismiss(session, 1, 3)
        assert not house.rooms.incidents.dismiss(session, 1, 3)
    for hour in range(1, 5):  # the rise goes on, never two hours without one
        at(start + hour * HOUR)
        house.many(3)
        house.settle()
    (rise,) = house.proposals()
    assert rise.state == ProposalState.DISMISSED
    assert house.told() == []
    at(start + 9 * HOUR)
    house.many(15)
    house.settle()
    assert [p.state for p in house.proposals()] == [ProposalState.DISMISSED, ProposalState.OPEN]


def test_confirming_joins_the_tickets_and_tells_each_customer_once(house: House, at: Move) -> None:
    ids = house.many(4)
    ids += [house.complain(by="bob"), house.complain(by="bob")]
    house.settle()
    incident_id = house.confirm()
    for _ in range(3):
        house.settle()
    told = house.told()
    assert len(told) == 5  # Bob has two tickets and hears of both at once
    numbers = "、".join(house.ticket(n).number for n in ids[4:])
    assert told[-1] == (
        f"您的工单 {numbers} 查到原因了：{JINAN} → {BEIJING}，天气恶劣，车辆暂时走不了。\n"
        "预计今天 16:00 恢复，最晚今天 18:00 给您处理结果。不用您再催，有变化我们马上告诉您。"
    )
    for ticket_id in ids:
        assert kept(house, ticket_id, PromiseKind.CAUSE).state == PromiseState.KEPT
        solution = kept(house, ticket_id, PromiseKind.SOLUTION)
        assert (solution.by, solution.state) == (clock.now() + 8 * HOUR, PromiseState.OPEN)
        assert house.ticket(ticket_id).team == "second_line"
        with house.database.read() as session:
            assert tickets.events(session, ticket_id)[-1].what == What.INCIDENT
    with house.database.read() as session:
        assert session.get_one(Incident, incident_id).key == "proposal:1"


def test_a_ticket_that_waits_keeps_its_clock_stopped(house: House) -> None:
    ids = house.many(5)
    with house.database.write() as session:
        ticket = session.get_one(Ticket, ids[0])
        until = clock.now() + 48 * HOUR
        house.rooms.tickets.lifecycle.wait(session, ticket, SYSTEM, WaitingFor.DEPOT, until, "查件")
    house.settle()
    house.confirm()
    house.settle()
    assert kept(house, ids[0], PromiseKind.SOLUTION).left == 8 * HOUR


def test_new_tickets_join_while_it_lasts(house: House) -> None:
    house.many(5)
    house.settle()
    house.confirm()
    house.settle()
    late = house.complain()
    elsewhere = house.complain("上海转运中心", "杭州转运中心")
    house.settle()
    assert len(house.told()) == 6
    assert kept(house, late, PromiseKind.SOLUTION).by == clock.now() + 8 * HOUR
    assert kept(house, elsewhere, PromiseKind.SOLUTION).by == clock.now() + 24 * HOUR
    assert len(house.proposals()) == 1


def test_a_number_that_is_told_later_joins_too(house: House) -> None:
    house.many(5)
    house.settle()
    house.confirm()
    with house.database.write() as session:
        number = house.parcel(session)
        talk = rooms.said(session, "还没到", by="late")
        complaint = Complaint("in:late", "report_delay", talk.id, talk.customer_id, "还没到")
        ticket = house.rooms.tickets.open(session, complaint).ticket
        house.rooms.tickets.told(session, ticket, number, waybill_no=number)
        ticket_id = ticket.id
    house.settle()
    assert kept(house, ticket_id, PromiseKind.SOLUTION).by == clock.now() + 8 * HOUR


def test_another_time_and_the_end_are_told_and_clocks_go_on(house: House, at: Move) -> None:
    (ticket_id, *others) = house.many(5)
    house.settle()
    incident_id = house.confirm()
    house.settle()
    start = clock.now()
    with house.database.write() as session:
        assert house.rooms.incidents.prolong(session, incident_id, start + 10 * HOUR)
    house.settle()
    assert len(house.told()) == 10
    assert "恢复时间改为今天 20:00" in house.told()[-1]
    assert kept(house, ticket_id, PromiseKind.SOLUTION).by == start + 12 * HOUR
    with house.database.write() as session:
        life = house.rooms.tickets.lifecycle
        solved = session.get_one(Ticket, others[0])
        life.change(session, solved, Change.CANCEL, SYSTEM, "重复")
    at(start + 4 * HOUR)
    with house.database.write() as session:
        assert house.rooms.incidents.end(session, incident_id, 3)
        assert not house.rooms.incidents.end(session, incident_id, 3)
    house.settle()
    assert sum("已经恢复了" in words for words in house.told()) == 4
    solution = kept(house, ticket_id, PromiseKind.SOLUTION)
    assert (solution.by, solution.state) == (start + 6 * HOUR, PromiseState.OPEN)
    after = house.complain()
    house.settle()
    assert kept(house, after, PromiseKind.SOLUTION).by == clock.now() + 24 * HOUR


def test_ended_before_its_customers_were_told_nobody_hears_of_it(house: House) -> None:
    house.many(5)
    house.settle()
    incident_id = house.confirm()
    with house.database.write() as session:
        house.rooms.incidents.end(session, incident_id, 3)
    house.settle()
    assert house.told() == []


def test_an_end_that_comes_late_puts_nothing_off(house: House, at: Move) -> None:
    (ticket_id, *_) = house.many(5)
    house.settle()
    incident_id = house.confirm()
    house.settle()
    start = clock.now()
    at(start + 7 * HOUR)
    with house.database.write() as session:
        house.rooms.incidents.end(session, incident_id, 3)
    house.settle()
    assert kept(house, ticket_id, PromiseKind.SOLUTION).by == start + 8 * HOUR


def test_a_mass_delay_is_headquarters_at_once_and_owners_keep_theirs(house: House) -> None:
    owned = house.complain(case=True)
    lin = Actor(ActorKind.STAFF, 7, "林晓")
    with house.database.write() as session:
        ticket = session.get_one(Ticket, owned)
        house.rooms.tickets.lifecycle.change(session, ticket, Change.ACCEPT, lin)
    house.many(18)
    house.settle()
    incident_id = house.confirm()
    house.settle()
    assert house.ticket(owned).team == "second_line"
    last = house.complain()  # the twentieth
    house.settle()
    for ticket_id in (owned, 5, last):
        ticket = house.ticket(ticket_id)
        assert (ticket.team, ticket.team_rule) == ("headquarters", "mass_delay")
    assert house.ticket(owned).staff_id == 7
    with house.database.read() as session:
        assert session.get_one(Incident, incident_id).alarm_at == clock.now()
        case = session.scalar(select(Case))
        assert case is not None
        assert (case.team, case.team_rule) == ("headquarters", "mass_delay")
    assert sum("查到原因了" in words for words in house.told()) == 20


def test_what_a_supervisor_enters_himself_gathers_the_tickets_there(house: House) -> None:
    here, elsewhere = house.complain(), house.complain("上海转运中心", "杭州转运中心")
    other = house.complain(kind="report_damage")
    now = clock.now()
    report = Report(IncidentKind.ROAD, Scope.CITY, "济南", None, now, now + HOUR)
    with house.database.write() as session:
        for _ in range(2):
            house.rooms.incidents.enter(session, "by-hand", report, 3)
    house.settle()
    assert len(house.told()) == 1
    assert kept(house, here, PromiseKind.SOLUTION).by == now + 3 * HOUR
    for ticket_id in (elsewhere, other):
        assert kept(house, ticket_id, PromiseKind.SOLUTION).by == now + 24 * HOUR


def test_who_has_a_ticket_is_not_told_of_his_parcel_too(house: House) -> None:
    """One notice to each customer, although he follows the parcel that is held up."""
    for _ in range(5):
        house.complain(by="ann")
    with house.database.write() as session:
        first = session.get_one(Ticket, 1)
        neighbour = rooms.said(session, "你好", by="neighbour").customer_id
        assert first.waybill_no is not None
        for customer in (first.customer_id, neighbour):
            notices.follow(session, customer, first.waybill_no)
    house.settle()
    house.confirm()
    house.settle()
    assert len(house.told()) == 1
    with house.database.read() as session:
        waiting = {n.customer_id: n.due_at is not None for n in session.scalars(select(Notice))}
    assert waiting == {first.customer_id: False, neighbour: True}


def sweeper(address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.tickets.incidents_worker", address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_killed_at_any_moment_each_customer_hears_once(database: Database, address: str) -> None:
    """Real processes and the real clock: two on SQLite, four on PostgreSQL."""
    house = House(database)
    count, at_once = 60, 2 if database.is_sqlite else 4
    house.many(count)
    dice = random.Random(11)
    workers: list[subprocess.Popen[str]] = []

    def run(kill: bool) -> None:
        workers[:] = [sweeper(address) for _ in range(at_once)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        if kill:
            time.sleep(dice.uniform(0.05, 0.25))
            for worker in workers:
                worker.kill()
        for worker in workers:
            worker.wait(60)
        with database.write() as session:  # what the dead held is not waited for
            session.execute(update(IncidentTicket).values(leased_until=None))

    try:
        run(kill=False)
        (rise,) = house.proposals()
        assert len(house.members(rise.id)) == count
        house.confirm(rise.id)
        for _ in range(3):
            run(kill=True)
        run(kill=False)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    told = [words for words in house.told() if "查到原因了" in words]
    assert len(told) == len(set(told)) == count
    with database.read() as session:
        events = session.scalars(
            select(TicketEvent.ticket_id).where(TicketEvent.what == What.INCIDENT)
        ).all()
        joined = session.scalars(
            select(Promise).where(
                Promise.kind == PromiseKind.SOLUTION, Promise.state == PromiseState.OPEN
            )
        ).all()
    assert sorted(events) == list(range(1, count + 1))
    assert len({promise.by for promise in joined}) == 1
    assert len(joined) == count


def test_english_is_told_in_english(house: House) -> None:
    house.many(4)
    with house.database.write() as session:
        talk = rooms.said(session, "my parcel is late", by="ann")
        assert talk.language == "en"
    house.complain(by="ann")
    with house.database.write() as session:
        latest = record.latest_conversation(session, talk.customer_id)
        assert latest is not None
        latest.language = "en"
    house.settle()
    house.confirm()
    house.settle()
    assert (
        f"We have found the cause of your case CS260302-0005. {JINAN} → {BEIJING}: "
        in house.told()[-1]
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tickets: 5", "tickets: 1", ("line 4", "greater than or equal to 2")),
        ("[report_damage]", "[report_fire]", ("line 8", "'report_fire' is not a class: claim_c")),
        ("[report_damage]", "[report_loss]", ("line 8", "report_loss is in two groups")),
        ("  delay:", "  late:", ("line 8", "the group 'delay' is missing")),
        ("times_usual: 3", "times_usual: 0", ("line 5", "greater than 0")),
    ],
)
def test_a_mistake_in_the_policy_is_named(
    tmp_path: Path, old: str, new: str, told: tuple[str, ...]
) -> None:
    text = (rooms.POLICIES / "incidents.yml").read_text()
    assert old in text
    path = tmp_path / "incidents.yml"
    path.write_text(text.replace(old, new, 1))
    classes = rooms.AGREED.problems
    with pytest.raises(PolicyError) as error:
        policy.from_file(path, classes)
    for words in ("incidents.yml", *told):
        assert words in str(error.value)
