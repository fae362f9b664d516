"""Each class of complaint to its end: the standard steps, in zh and en, by a clock that is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from bot.channels.console.client import Line
from conversations.models import Holder
from parcels import service as parcels
from store import clock
from tests.e2e import clocked, dialogues
from tests.e2e.clocked import Clocked
from tests.e2e.house import eventually
from tickets import repository as tickets
from tickets.models import Ticket, What
from tickets.promises import repository as promises
from tickets.promises.models import Promise, PromiseKind, PromiseState

LANGUAGES = pytest.mark.parametrize("language", ["zh", "en"])
K = PromiseKind


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    with clocked.built(tmp_path_factory.mktemp("clocked"), datetime(2026, 3, 1, 12, 0)) as running:
        yield running


@dataclass
class Customer:
    """Somebody at the console, and what the house has of his newest ticket."""

    house: Clocked
    name: str
    language: str
    line: Line
    cursor: int | None = None

    def says(self, words: str) -> str:
        """Say something; all that is answered."""
        self.cursor, answers = dialogues.turn_of(self.line, words, self.cursor)
        return "\n".join(answer["text"] for answer in answers)

    def hears(self, key: str, **facts: str) -> str:
        """Wait until a policy text was said to him, after whatever he has read."""

        def found() -> str | None:
            for text in reversed(self.house.known(self.name).said()):
                if dialogues.said(text, self.language, key) and all(
                    fact in text for fact in facts.values()
                ):
                    return text
            return None

        return eventually(found, f"{key} {facts or ''}")

    @property
    def ticket(self) -> Ticket:
        known = self.house.known(self.name)
        assert known.tickets, "\n".join(known.said())
        with self.house.database.read() as session:
            found = tickets.by_number(session, known.tickets[-1].number)
            assert found is not None
            return found

    def events(self) -> list[str]:
        with self.house.database.read() as session:
            return [event.what for event in tickets.events(session, self.ticket.id)]

    def promised(self, kind: PromiseKind) -> list[Promise]:
        with self.house.database.read() as session:
            made = promises.of_ticket(session, self.ticket.id)
            return [promise for promise in made if promise.kind == kind]

    def owed(self, kind: PromiseKind) -> timedelta:
        """How long from now until the open promise of a kind runs out."""
        (promise,) = [p for p in self.promised(kind) if p.state == PromiseState.OPEN]
        return promise.by - clock.now()

    def becomes(self, kind: PromiseKind, state: PromiseState) -> None:
        eventually(lambda: state in [p.state for p in self.promised(kind)], f"{kind} {state}")


@contextmanager
def customer(house: Clocked, language: str, name: str) -> Iterator[Customer]:
    line = house.line(f"{name} {language}", language)
    try:
        yield Customer(house, f"{name} {language}", language, line)
    finally:
        line.close()


def parcel(
    house: Clocked, state: str, goods: str, goods_class: str = "general", **more: object
) -> str:
    given = dialogues.shipment({"goods": goods, "class": goods_class, "state": state})
    with house.database.write() as session:
        parcels.store_shipment(session, given.model_copy(update=more))
    return given.waybill_no


@LANGUAGES
def test_a_crab_that_is_stuck_at_half_past_eleven_reaches_the_night_team(
    house: Clocked, language: str
) -> None:
    house.tomorrow(23, 30)
    number = parcel(house, "late", "大闸蟹", "perishable")
    words = {
        "zh": f"我的大闸蟹 {number} 卡在路上一天了，再不送就全死了！",
        "en": f"My live crabs {number} are stuck on the road since yesterday, they are dying!",
    }
    with customer(house, language, "crab") as she:
        answer = she.says(words[language])
        ticket = she.ticket
        assert (ticket.kind, ticket.urgency, ticket.team) == ("report_perishable", "red", "night")
        assert ticket.number in answer
        assert she.owed(K.CONTACT) == she.owed(K.CAUSE) == timedelta(minutes=10)
        assert she.owed(K.SOLUTION) == timedelta(hours=2)
        assert house.known(she.name).holder == Holder.WAITING
        house.later(minutes=10, seconds=1)
        she.becomes(K.CONTACT, PromiseState.BROKEN)
        eventually(lambda: she.ticket.team == "headquarters", "headquarters")
        she.hears("promise.broken.contact")
        assert she.owed(K.CONTACT) == timedelta(minutes=110) - timedelta(seconds=1)


@LANGUAGES
def test_a_passport_that_is_missing_is_red_and_its_solution_due_in_two_hours(
    house: Clocked, language: str
) -> None:
    house.tomorrow(10)
    number = parcel(house, "delivered", "护照", "document")
    words = {
        "zh": f"{number} 里面是我的护照，信封是空的，护照不见了！",
        "en": f"My passport is missing, the envelope {number} was empty!",
    }
    with customer(house, language, "passport") as he:
        he.says(words[language])
        ticket = he.ticket
        assert (ticket.kind, ticket.urgency, ticket.team) == ("report_loss", "red", "second_line")
        assert he.owed(K.SOLUTION) == timedelta(hours=2)


@LANGUAGES
def test_a_regulator_threat_reaches_headquarters_and_keeps_its_class(
    house: Clocked, language: str
) -> None:
    house.tomorrow(15)
    number = parcel(house, "late", "书")
    words = {
        "zh": f"{number} 晚了三天还没到，再不处理我就去邮政管理局 12305 投诉你们",
        "en": f"{number} is three days late, I am reporting you to the postal regulator",
    }
    with customer(house, language, "regulator") as he:
        he.says(words[language])
        ticket = he.ticket
        assert (ticket.kind, ticket.urgency) == ("report_delay", "red")
        assert ticket.team == "headquarters"
        assert he.owed(K.CONTACT) == timedelta(minutes=10)


@LANGUAGES
def test_three_contacts_about_one_delay_raise_it(house: Clocked, language: str) -> None:
    house.tomorrow(9)
    number = parcel(house, "late", "连衣裙")
    words = {
        "zh": ["{} 怎么还没到，晚了一天了", "{} 还是没动啊，都晚了", "{} 到底什么时候到，一直延误"],
        "en": [
            "{} is a day late and still not here",
            "{} still has not moved, it is late",
            "{} is still delayed, why is it so late",
        ],
    }
    with customer(house, language, "three") as she:
        colours = []
        for said in words[language]:
            she.says(said.format(number))
            colours.append(str(she.ticket.urgency))
            house.later(hours=1)
        assert colours == ["yellow", "yellow", "orange"]
        assert she.ticket.contacts == 3
        assert she.events().count(What.CONTACT) == 2


@LANGUAGES
def test_shown_delivered_and_not_received_is_loss_with_a_person_and_a_solution_in_a_day(
    house: Clocked, language: str
) -> None:
    house.tomorrow(11)
    number = parcel(house, "delivered", "运动服")
    words = {
        "zh": f"{number} 显示已签收，可是我根本没收到，也没人给我打电话",
        "en": f"{number} says delivered but I never received it and nobody called me",
    }
    with customer(house, language, "not received") as she:
        answer = she.says(words[language])
        ticket = she.ticket
        assert (ticket.kind, ticket.urgency, ticket.team) == (
            "report_loss",
            "orange",
            "second_line",
        )
        assert ticket.number in answer
        assert she.owed(K.CONTACT) == timedelta(minutes=20)
        assert she.owed(K.SOLUTION) == timedelta(days=1)


@LANGUAGES
def test_a_rude_courier_calls_within_an_hour_himself(house: Clocked, language: str) -> None:
    house.tomorrow(14)
    number = parcel(house, "delivered", "鞋")
    words = {
        "zh": f"{number} 的快递员在电话里骂我，态度太差了",
        "en": f"The courier of {number} swore at me on the phone, so rude",
    }
    with customer(house, language, "rude") as he:
        answer = he.says(words[language])
        ticket = he.ticket
        assert (ticket.kind, ticket.urgency) == ("report_courier_attitude", "yellow")
        assert dialogues.said(answer, language, "report.feel.report_courier_attitude")
        assert he.owed(K.COURIER_CALL) == timedelta(hours=1)


@LANGUAGES
def test_freight_collect_refused_is_a_dispute_with_the_amount(
    house: Clocked, language: str
) -> None:
    house.tomorrow(16)
    number = parcel(house, "out", "茶叶")
    words = {
        "zh": f"{number} 快递员要我付到付运费，寄件人说他已经付过了，我不付",
        "en": f"The courier wants freight collect for {number}, the sender said he paid, I refuse",
    }
    money = {"zh": "28块", "en": "28 yuan"}
    with customer(house, language, "collect") as she:
        asked = she.says(words[language])
        assert dialogues.said(asked, language, "report.ask.amount")
        she.says(money[language])
        ticket = she.ticket
        assert (ticket.kind, ticket.urgency) == ("dispute_payment", "yellow")
        assert ticket.facts["amount"]
        assert she.owed(K.NEXT_STEP) == timedelta(hours=1)


@LANGUAGES
def test_a_wrong_address_is_taken_up_as_misdelivery(house: Clocked, language: str) -> None:
    house.tomorrow(13)
    number = parcel(house, "delivered", "书")
    words = {
        "zh": f"{number} 送错地址了，放到隔壁小区去了",
        "en": f"{number} was delivered to the wrong address, it is at the neighbouring estate",
    }
    with customer(house, language, "wrong address") as he:
        he.says(words[language])
        ticket = he.ticket
        assert (ticket.kind, ticket.urgency, ticket.team) == (
            "report_misdelivery",
            "yellow",
            "second_line",
        )
        assert he.owed(K.CONTACT) == timedelta(minutes=30)
