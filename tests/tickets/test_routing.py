"""Routing: which team, by which rule; who of the staff can take it; what a policy may say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from conversations.models import Conversation
from parcels import service as parcels
from parcels.models import GoodsClass, Status
from parcels.schemas import ScanIn, ShipmentIn
from store.engine import Database
from store.errors import PolicyError
from tests import rooms
from tests.rooms import SHANGHAI, Rooms
from tickets import matter, repository
from tickets.lifecycle import Change
from tickets.matter import Matter
from tickets.models import Ticket, Urgency
from tickets.routing import Decision, Routing, Unfit
from tickets.service import Complaint
from tickets.urgency import Verdict

OURS = rooms.build_routing()
NOON = datetime(2026, 3, 2, 12, tzinfo=SHANGHAI)
PLAIN = Matter("ask_human", Urgency.GREEN, NOON)

CALENDARS = """
always: {week: {mon-sun: ["00:00-24:00"]}}
night: {week: {mon-sun: ["22:00-07:00"]}}
nine_to_five: {week: {mon-fri: ["09:00-17:00"]}}
new_york: {zone: America/New_York, week: {mon-sun: ["09:00-17:00"]}}
"""
TEAMS = """
teams:
  front: {{zh: 前台, en: Front, above: back}}
  back: {{zh: 后台, en: Back}}
  special: {{zh: 专组, en: Special, {special}}}
people: {{{people}}}
rules:
  - {{rule: special, team: special, {rule}}}
  - {{rule: rest, team: front}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Callable[..., Routing]:
    """The routing of a policy with one team and one rule beside the rest."""

    def read(special: str = "", rule: str = "", people: str = "") -> Routing:
        (tmp_path / "calendars.yml").write_text(CALENDARS)
        told = TEAMS.format(special=special, rule=rule, people=people)
        (tmp_path / "teams.yml").write_text(told)
        return rooms.build_routing(tmp_path)

    return read


@pytest.mark.parametrize(
    ("more", "team", "rule"),
    [
        ({}, "first_line", "simple_case"),
        ({"intent": "change_delivery_time"}, "first_line", "simple_case"),
        ({"intent": "report_delay", "urgency": "yellow"}, "second_line", "hard_case"),
        ({"intent": "report_loss", "urgency": "orange"}, "second_line", "urgent"),
        ({"urgency": "orange"}, "second_line", "urgent"),
        ({"urgency": "red"}, "second_line", "urgent"),
        ({"value": Decimal(1999)}, "first_line", "simple_case"),
        ({"value": Decimal(2000)}, "second_line", "high_value"),
        ({"intent": "escalate_threat", "urgency": "red"}, "headquarters", "threat"),
        (
            {"urgency": "red", "urgency_rule": "injury_or_danger"},
            "headquarters",
            "person_hurt",
        ),
        ({"intent": "report_delay", "incident_tickets": 19}, "second_line", "hard_case"),
        ({"intent": "report_delay", "incident_tickets": 20}, "headquarters", "mass_delay"),
        ({"language": "en"}, "first_line", "simple_case"),
    ],
)
def test_a_rule_of_ours_by_day(more: dict[str, object], team: str, rule: str) -> None:
    about = replace(PLAIN, **more)  # type: ignore[arg-type]
    assert OURS.decide(about) == Decision(team, rule)


@pytest.mark.parametrize(
    ("wall", "team"),
    [
        (time(21, 59, 59), "second_line"),
        (time(22, 0), "night"),
        (time(23, 30), "night"),
        (time(0, 0), "night"),
        (time(6, 59, 59), "night"),
        (time(7, 0), "second_line"),
    ],
)
def test_what_is_red_at_night_is_the_night_teams(wall: time, team: str) -> None:
    at = datetime.combine(NOON.date(), wall, SHANGHAI)
    assert OURS.decide(replace(PLAIN, urgency=Urgency.RED, at=at)).team == team
    # The same instant, told in another zone, is the same hour on the company's wall.
    abroad = at.astimezone(ZoneInfo("America/New_York"))
    assert OURS.decide(replace(PLAIN, urgency=Urgency.RED, at=abroad)).team == team


@pytest.mark.parametrize("colour", [Urgency.ORANGE, Urgency.YELLOW, Urgency.GREEN])
def test_only_red_wakes_the_night_team(colour: Urgency) -> None:
    at = datetime.combine(NOON.date(), time(23), SHANGHAI)
    assert OURS.decide(replace(PLAIN, urgency=colour, at=at)).team != "night"


@pytest.mark.parametrize("wall", [time(12), time(23)])
def test_headquarters_comes_before_the_night_team(wall: time) -> None:
    at = datetime.combine(NOON.date(), wall, SHANGHAI)
    about = replace(PLAIN, intent="escalate_threat", urgency=Urgency.RED, at=at)
    assert OURS.decide(about) == Decision("headquarters", "threat")


@pytest.mark.parametrize(
    ("rule", "fits", "fits_not"),
    [
        ("branches: [嘉兴]", {"places": ("上海", "嘉兴转运中心")}, {"places": ("上海",)}),
        ("branches: [嘉兴]", {"places": ("嘉兴",)}, {"places": ()}),
        ("languages: [en]", {"language": "en"}, {"language": "zh"}),
        ("goods: [medicine]", {"goods_class": GoodsClass.MEDICINE}, {}),
        ("value_from: 500", {"value": Decimal("500.00")}, {"value": Decimal("499.99")}),
        ("intents: [report_scam]", {"intent": "report_scam"}, {"intent": "report_loss"}),
        ("urgency: [red]", {"urgency": Urgency.RED}, {"urgency": Urgency.ORANGE}),
        ("urgency_rules: [valuables]", {"urgency_rule": "valuables"}, {}),
        ("incident_tickets: 3", {"incident_tickets": 3}, {"incident_tickets": 2}),
        (
            "languages: [en], value_from: 500",
            {"language": "en", "value": Decimal(500)},
            {"language": "en", "value": Decimal(1)},
        ),
    ],
)
def test_each_condition_of_a_rule(
    policy: Callable[..., Routing],
    rule: str,
    fits: dict[str, object],
    fits_not: dict[str, object],
) -> None:
    routing = policy(rule=rule)
    assert routing.decide(replace(PLAIN, **fits)) == Decision("special", "special")  # type: ignore[arg-type]
    assert routing.decide(replace(PLAIN, **fits_not)) == Decision("front", "rest")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("special", "more", "lacks"),
    [
        ("languages: [en]", {"language": "zh"}, Unfit.LANGUAGE),
        ("classes: [report_loss]", {"intent": "report_delay"}, Unfit.CLASS),
        ("goods: [fragile]", {"goods_class": GoodsClass.VALUABLE}, Unfit.GOODS),
        ("shift: night", {"at": NOON}, Unfit.OFF_SHIFT),
    ],
)
def test_a_team_gets_nothing_that_it_cannot_do(
    policy: Callable[..., Routing], special: str, more: dict[str, object], lacks: Unfit
) -> None:
    routing = policy(special=special)
    about = replace(PLAIN, **more)  # type: ignore[arg-type]
    assert routing.decide(about) == Decision("front", "rest")
    assert routing.unfit(about, login="lin", team="special", open_cases=0) == (lacks,)


@pytest.mark.parametrize(
    ("at", "team"),
    [
        (datetime(2026, 3, 2, 21, 59, tzinfo=SHANGHAI), "front"),  # 08:59 in New York
        (datetime(2026, 3, 2, 22, 0, tzinfo=SHANGHAI), "special"),
        (datetime(2026, 3, 3, 5, 59, tzinfo=SHANGHAI), "special"),
        (datetime(2026, 3, 3, 6, 0, tzinfo=SHANGHAI), "front"),
        # Daylight saving begins there on 8 March: an hour earlier by our wall.
        (datetime(2026, 3, 9, 20, 59, tzinfo=SHANGHAI), "front"),
        (datetime(2026, 3, 9, 21, 0, tzinfo=SHANGHAI), "special"),
    ],
)
def test_a_shift_has_its_own_time_zone(
    policy: Callable[..., Routing], at: datetime, team: str
) -> None:
    assert policy(special="shift: new_york").decide(replace(PLAIN, at=at)).team == team


def test_a_person_differs_from_his_team_where_the_policy_says_so(
    policy: Callable[..., Routing],
) -> None:
    people = "lin: {shift: always, open_cases: 2}"
    routing = policy(special="shift: night, languages: [en]", people=people)
    english = replace(PLAIN, language="en")
    of_team = routing.unfit(english, login="zhou", team="special", open_cases=9)
    assert of_team == (Unfit.OFF_SHIFT,)
    assert routing.unfit(english, login="lin", team="special", open_cases=1) == ()
    assert routing.unfit(english, login="lin", team="special", open_cases=2) == (Unfit.FULL,)
    assert routing.unfit(PLAIN, login="lin", team="special", open_cases=0) == (Unfit.LANGUAGE,)
    assert routing.works("lin", "special", NOON)
    assert not routing.works("zhou", "special", NOON)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"special": "shift: weekend"}, ("line 5", "'weekend' is not a calendar: always, n")),
        ({"special": "languages: [fr]"}, ("line 5", "'fr' is not a language: zh, en")),
        ({"special": "classes: [report_fire]"}, ("line 5", "'report_fire' is not an intent")),
        ({"special": "goods: [soup]"}, ("line 5", "'medicine', 'perishable'")),
        ({"special": "open_cases: 0"}, ("line 5", "greater than 0")),
        ({"special": "above: heaven"}, ("'heaven' is not one of front, back, special",)),
        ({"special": "above: special"}, ("'special' is above itself",)),
        ({"rule": "colour: red"}, ("line 8", "colour", "not permitted")),
        ({"rule": "urgency: [pink]"}, ("line 8", "'red', 'orange', 'yellow'")),
        ({"rule": "value_from: -1"}, ("line 8", "greater than or equal to 0")),
        ({"people": "lin: {shift: never}"}, ("line 6", "'never' is not a calendar")),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(
    policy: Callable[..., Routing], given: dict[str, str], told: tuple[str, ...]
) -> None:
    with pytest.raises(PolicyError) as error:
        policy(**given)
    for words in ("teams.yml", *told):
        assert words in str(error.value)


def test_the_last_rule_takes_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "calendars.yml").write_text(CALENDARS)
    (tmp_path / "teams.yml").write_text(
        "teams: {a: {zh: 甲, en: A}}\nrules:\n  - {rule: x, team: a, languages: [zh]}\n"
    )
    with pytest.raises(PolicyError, match="the last rule must name only a team"):
        rooms.build_routing(tmp_path)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


@pytest.fixture
def house(database: Database, at: object) -> Rooms:
    return rooms.build(database)


def shipped(session: Session, **more: object) -> None:
    facts = {
        "waybill_no": "SF1234567890123",
        "origin": "广州",
        "destination": "南京",
        "scans": [
            ScanIn(
                event_id="1",
                at=NOON.replace(hour=9),
                status=Status.IN_TRANSIT,
                place="嘉兴转运中心",
                next_place="苏州转运中心",
            )
        ],
    }
    parcels.store_shipment(session, ShipmentIn(**(facts | more)))  # type: ignore[arg-type]


def opened(
    house: Rooms, session: Session, key: str = "in:1", by: str = "visitor", **more: object
) -> Ticket:
    talk = rooms.said(session, "你好", by=by, number=key)
    facts: dict[str, object] = {"kind": "report_delay", "description": "还没到"}
    facts |= {"waybill_no": "SF1234567890123"} | more
    return house.tickets.open(
        session,
        Complaint(
            idempotency_key=key,
            conversation_id=talk.id,
            customer_id=talk.customer_id,
            **facts,  # type: ignore[arg-type]
        ),
    ).ticket


@pytest.mark.parametrize(
    ("amount", "declared", "value"),
    [
        ("300 元", None, 300),
        ("三千块", None, 3000),
        ("$35.50", None, Decimal("35.5")),
        ("300", Decimal(5000), 5000),
        ("9,800", Decimal(5000), 9800),
        ("不知道", None, 0),
    ],
)
def test_what_is_known_of_a_parcel_counts(
    session: Session, at: object, amount: str, declared: Decimal | None, value: Decimal
) -> None:
    shipped(session, declared_value=declared, goods_class="valuable")
    talk: Conversation = rooms.said(session, "my parcel is late")
    about = matter.of(
        session,
        talk,
        "report_loss",
        Verdict(Urgency.ORANGE, "loss_damage_or_scam"),
        waybill_no="SF1234567890123",
        facts={"amount": amount},
    )
    assert set(about.places) == {"广州", "南京", "嘉兴转运中心", "苏州转运中心"}
    assert (about.value, about.language) == (value, "en")
    assert about.goods_class == GoodsClass.VALUABLE


def test_the_rule_is_kept_in_the_ticket_and_its_event(house: Rooms, session: Session) -> None:
    ticket = opened(house, session)
    assert (ticket.team, ticket.team_rule) == ("second_line", "hard_case")
    (event,) = repository.events(session, ticket.id)
    assert (event.details["team"], event.details["rule"]) == ("second_line", "hard_case")


def test_a_threat_in_a_later_message_moves_the_ticket_up_and_its_owner_keeps_it(
    house: Rooms, session: Session
) -> None:
    ticket = opened(house, session)
    lin = rooms.person(session, "lin")
    house.tickets.lifecycle.change(session, ticket, Change.ACCEPT, lin.actor)
    again = opened(house, session, "in:2", threat=True)
    assert again.id == ticket.id
    assert (again.team, again.team_rule, again.staff_id) == ("headquarters", "threat", lin.id)
    moved = repository.events(session, ticket.id)[-1]
    assert (moved.what, moved.why) == ("assigned", "threat")
    calmer = opened(house, session, "in:3")
    assert (calmer.team, calmer.team_rule) == ("headquarters", "threat")


def test_a_colleague_who_chooses_a_team_is_the_reason(house: Rooms, session: Session) -> None:
    ticket = opened(house, session)
    lin = rooms.person(session, "lin")
    house.tickets.lifecycle.assign(session, ticket, lin.actor, team="regional", why="两地查件")
    assert (ticket.team, ticket.team_rule) == ("regional", "by_hand")
