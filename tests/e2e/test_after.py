"""From a complaint to its score in the whole house, in both languages, by a clock that is set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest
from sqlalchemy import select

from handoff import staff
from handoff.desk.parts import COOKIE
from handoff.models import Role, Staff
from tests.e2e import clocked
from tests.e2e.clocked import Clocked
from tests.e2e.house import eventually
from tests.e2e.test_complaints import LANGUAGES, Customer, customer, parcel
from tickets.after.models import Ask
from tickets.models import TicketState

WORDS = {
    "zh": {
        "broken": "{} 里面的花瓶碎了", "yes": "同意", "solved": "解决了，谢谢", "no": "还没解决",
        "why": "钱还没到账", "score": "5",
    },
    "en": {
        "broken": "The vase in {} is broken", "yes": "I agree", "solved": "It is solved, thanks",
        "no": "Not solved", "why": "The money has not come yet", "score": "5",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    with clocked.built(tmp_path_factory.mktemp("after"), datetime(2026, 3, 1, 12, 0)) as running:
        yield running


@pytest.fixture(scope="module")
def agent(house: Clocked) -> int:
    """Somebody of the desk."""
    with house.database.write() as session:
        return staff.add(
            session, login="after", name="李丽", role=Role.SUPERVISOR, team="second_line",
            password="correct horse battery",
        ).id  # fmt: skip


def does(house: Clocked, agent: int, who: Customer, change: str, why: str = "") -> None:
    """A form of the desk's ticket page, in a session of this hour."""
    with house.database.write() as session:
        secret = staff.begin_session(session, session.get_one(Staff, agent))
        csrf = staff.signed_in(session, secret).csrf
    answer = httpx.post(
        f"{house.settings.service_url}/desk/tickets/{who.ticket.number}/change",
        data={"change": change, "why": why, "csrf": csrf},
        cookies={COOKIE: secret},
    )
    assert (answer.status_code, answer.headers["location"]) == (
        303, f"/desk/tickets/{who.ticket.number}",
    )  # fmt: skip


def becomes(who: Customer, state: TicketState) -> None:
    eventually(lambda: who.ticket.state == state, f"the ticket is {state}")


def follow_ups(house: Clocked, who: Customer) -> list[Ask]:
    """Those that he was asked."""
    with house.database.read() as session:
        of = select(Ask).where(Ask.ticket_id == who.ticket.id, Ask.kind == "follow_up")
        return [ask for ask in session.scalars(of) if ask.asked_at is not None]


@LANGUAGES
def test_proposed_agreed_closed_followed_up_reopened_and_scored(
    house: Clocked, agent: int, language: str
) -> None:
    house.tomorrow(9)
    number = parcel(house, "delivered", "花瓶", "fragile")
    words = WORDS[language]
    with customer(house, language, "vase") as she:

        def closed_and_asked(times: int) -> None:
            does(house, agent, she, "close", "300 元 / 300 yuan")
            she.hears("ticket.news.closed")
            house.later(hours=4)
            eventually(lambda: len(follow_ups(house, she)) == times, "the follow-up")

        she.says(words["broken"].format(number))
        does(house, agent, she, "accept")
        does(house, agent, she, "propose", "300 元 / 300 yuan")
        she.hears("ticket.news.proposed")
        she.says(words["yes"])
        becomes(she, TicketState.AGREED)
        closed_and_asked(1)
        she.says(words["no"])
        becomes(she, TicketState.ASSIGNED)
        she.says(words["why"])
        assert she.events()[-1] == "told"
        does(house, agent, she, "accept")
        does(house, agent, she, "propose", "300 元 / 300 yuan")
        she.says(words["yes"])
        becomes(she, TicketState.AGREED)
        closed_and_asked(2)
        she.says(words["solved"])
        becomes(she, TicketState.FOLLOWED_UP)
        she.hears("after.ask.score_ticket")
        she.says(words["score"])
        with house.database.read() as session:
            ticket_id = she.ticket.id
            of = select(Ask).where(Ask.ticket_id == ticket_id, Ask.kind == "score")
            (score,) = session.scalars(of)
            assert (score.score, score.team) == (5, "second_line")
    page = httpx.get(f"{house.settings.service_url}/tickets/progress/{she.ticket.number}")
    assert page.status_code == 403  # nobody, and no digits
