"""Tickets: opened once, joined, coloured by rule, promised a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from store.engine import Database
from tests import rooms
from tickets.models import Urgency
from tickets.promises import repository as promises
from tickets.service import Complaint, Opened, canonical_number

Open = Callable[..., Opened]


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


@pytest.fixture
def open_ticket(session: Session, database: Database, at: object) -> Open:
    tickets = rooms.build(database).tickets
    conversation = rooms.said(session, "我的快递呢")

    def opened(key: str = "in:1", kind: str = "report_delay", **more: object) -> Opened:
        facts: dict[str, object] = {"description": "还没到", "waybill_no": "SF1"}
        return tickets.open(
            session,
            Complaint(
                idempotency_key=key,
                kind=kind,
                conversation_id=conversation.id,
                customer_id=conversation.customer_id,
                **(facts | more),  # type: ignore[arg-type]
            ),
        )

    return opened


def test_numbers_count_up_within_the_day(open_ticket: Open) -> None:
    first = open_ticket("in:1", waybill_no="SF1").ticket.number
    second = open_ticket("in:2", waybill_no="SF2").ticket.number
    assert (first, second) == ("CS260302-0001", "CS260302-0002")


def test_the_same_message_opens_one_ticket(open_ticket: Open) -> None:
    assert open_ticket("in:1").ticket.id == open_ticket("in:1").ticket.id
    assert open_ticket("in:1").ticket.contacts == 1


def test_a_second_message_joins_and_the_third_contact_raises(open_ticket: Open) -> None:
    first = open_ticket("in:1")
    assert (first.ticket.urgency, first.joined) == (Urgency.YELLOW, False)
    second = open_ticket("in:2")
    assert second.joined
    assert second.ticket.id == first.ticket.id
    assert second.ticket.urgency == Urgency.YELLOW
    third = open_ticket("in:3")
    assert third.ticket.urgency == Urgency.ORANGE
    assert third.ticket.urgency_rule == "third_contact"
    assert third.ticket.contacts == 3


def test_another_class_about_the_same_parcel_is_another_ticket(open_ticket: Open) -> None:
    assert open_ticket("in:1").ticket.id != open_ticket("in:2", "report_damage").ticket.id


@pytest.mark.parametrize(
    ("kind", "more", "colour", "rule"),
    [
        ("report_delay", {}, Urgency.YELLOW, "problem_reported"),
        ("report_loss", {}, Urgency.ORANGE, "loss_damage_or_scam"),
        ("report_perishable", {}, Urgency.RED, "perishable_reported"),
        (
            "report_delay",
            {"goods_class": "document"},
            Urgency.RED,
            "medicine_perishable_or_document_at_risk",
        ),
        ("report_delay", {"goods_class": "valuable"}, Urgency.ORANGE, "valuables"),
        ("report_delay", {"threat": True}, Urgency.RED, "threat_of_regulator_media_lawyer"),
        ("report_delay", {"anger": 3}, Urgency.ORANGE, "strong_anger"),
        (
            "report_damage",
            {"description": "电池起火把手烫伤了"},
            Urgency.RED,
            "injury_or_danger",
        ),
    ],
)
def test_colour_and_the_rule_that_gave_it(
    open_ticket: Open, kind: str, more: dict[str, object], colour: Urgency, rule: str
) -> None:
    ticket = open_ticket("in:1", kind, **more).ticket
    assert (ticket.urgency, ticket.urgency_rule) == (colour, rule)


def test_a_threat_keeps_the_class_below_it_and_goes_to_headquarters(open_ticket: Open) -> None:
    ticket = open_ticket("in:1", "report_loss", threat=True).ticket
    assert (ticket.kind, ticket.team) == ("report_loss", "headquarters")


def test_promises_follow_the_colour(open_ticket: Open, session: Session) -> None:
    opened = open_ticket("in:1", "report_perishable")
    assert opened.contact_by - opened.ticket.created_at == timedelta(minutes=10)
    assert opened.solution_by is not None
    assert opened.solution_by - opened.ticket.created_at == timedelta(hours=2)
    kept = promises.made_to(session, [opened.ticket.conversation_id])
    assert [p.kind for p in kept] == ["contact", "cause", "solution"]


def test_a_red_case_at_half_past_eleven_goes_to_the_night_team(
    open_ticket: Open, at: Callable[[datetime], None]
) -> None:
    assert open_ticket("in:1", "report_perishable", waybill_no="A1").ticket.team == "second_line"
    at(datetime(2026, 3, 2, 15, 30, tzinfo=UTC))  # 23:30 in Shanghai
    assert open_ticket("in:2", "report_perishable", waybill_no="A2").ticket.team == "night"


@pytest.mark.parametrize("typed", ["CS261121-0042", "cs2611210042", " cs 261121-0042 "])
def test_a_ticket_number_is_read_in_any_case_with_or_without_dash(typed: str) -> None:
    assert canonical_number(typed) == "CS261121-0042"


@pytest.mark.parametrize("typed", ["", "CS26-1", "SF1234567890123", "CS261121-42"])
def test_what_is_no_ticket_number_is_none(typed: str) -> None:
    assert canonical_number(typed) is None
