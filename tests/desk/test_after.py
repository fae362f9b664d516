"""What customers answered after the solution, as the desk shows it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from conversations.models import Conversation
from store import clock
from tests.desk.world import Browser, World
from tickets.after import repository
from tickets.after.models import Ask
from tickets.lifecycle import Change
from tickets.service import Complaint

pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


def scored(world: World, score: int = 1, remark: str = "没人理我") -> tuple[str, int]:
    """A ticket that was closed and scored, and the case it was talked about in."""
    talk = world.say("customer-1", "花瓶碎了", name="林小姐")
    with world.database.write() as session:
        customer = session.get_one(Conversation, talk).customer_id
        complaint = Complaint("t:1", "report_damage", talk, customer, "花瓶碎了")
        ticket = world.tickets.open(session, complaint).ticket
        number, ticket_id = ticket.number, ticket.id
    case_id = world.hand_over(talk, ticket_id=ticket_id)
    lili = world.signed_in("lili")
    assert lili.call(f"/api/cases/{case_id}/take").status_code == 200
    for change in (Change.PROPOSE, Change.CLOSE):
        lili.press(f"/desk/tickets/{number}/change", change=change, why="300 元已到账")
    lili.call(f"/api/cases/{case_id}/resolve", {"outcome": "solved"})
    with world.database.write() as session:
        (ask,) = (a for a in repository.after_ticket(session, ticket_id) if a.kind == "score")
        ask.asked_at = ask.answered_at = clock.now()
        ask.score, ask.remark, ask.attention = score, remark, score <= 2
    return number, case_id


def test_the_ticket_and_the_case_show_what_was_asked_and_answered(world: World, at: object) -> None:
    number, case_id = scored(world)
    lili = world.signed_in("lili")
    for path in (f"/desk/tickets/{number}", f"/desk/cases/{case_id}"):
        page = lili.get(path).text
        assert "回访和评分" in page, path
        assert "1 / 5 分" in page
        assert "没人理我" in page
    assert "14:00 会问" in lili.get(f"/desk/tickets/{number}").text  # the follow-up


def test_a_low_score_stands_in_the_supervisors_list_until_it_is_seen(
    world: World, at: object
) -> None:
    number, _ = scored(world)
    chen, lili = world.signed_in("chen"), world.signed_in("lili")
    listed = chen.get("/desk/scores").text
    for word in (number, "林小姐", "没人理我", "李丽", "1 / 5 分"):
        assert word in listed
    assert 'href="/desk/scores"' in chen.get("/desk").text
    assert 'href="/desk/scores"' not in lili.get("/desk").text
    with world.database.read() as session:
        (ask,) = session.query(Ask).filter(Ask.attention)
    chen.press(f"/desk/scores/{ask.id}/seen")
    assert number not in chen.get("/desk/scores").text
    with world.database.read() as session:
        assert session.get_one(Ask, ask.id).seen_by == 3


def test_a_good_score_needs_no_supervisor(world: World, at: object) -> None:
    number, _ = scored(world, 5, "很好")
    assert number not in world.signed_in("chen").get("/desk/scores").text


def test_long_lists_go_on(world: World, at: object) -> None:
    scored(world)
    with world.database.write() as session:
        (first,) = session.query(Ask).filter(Ask.attention)
        for n in range(45):
            session.add(
                Ask(
                    key=f"k{n}", kind="score", customer_id=first.customer_id,
                    conversation_id=first.conversation_id, team="first_line",
                    created_at=clock.now(), asked_at=clock.now(), attempts=0, score=1,
                    answered_at=clock.now() + timedelta(minutes=n), attention=True,
                )
            )  # fmt: skip
    chen: Browser = world.signed_in("chen")
    page = chen.get("/desk/scores").text
    assert page.count('class="letter"') == 40
    assert "before=" in page
    assert chen.get(f"/desk/scores?before={first.id + 3}").text.count('class="letter"') == 3
