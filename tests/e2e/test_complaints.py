"""Each class of complaint to its end: the standard steps, in zh and en, by a clock that is set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from bot.channels.console.client import Line
from conversations.models import Holder
from parcels import service as parcels
from store import clock, ids
from tests.e2e import clocked, dialogues
from tests.e2e.clocked import Clocked
from tests.e2e.house import eventually
from tests.samples import PHOTO
from tickets import repository as tickets
from tickets.compensation import repository as grants
from tickets.models import Ticket, TicketState, What
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

    def owed_words(self) -> list[PromiseKind]:
        """Which words of a person he waits for."""
        return [
            kind
            for kind in (K.CONTACT, K.REPLY)
            if any(p.state == PromiseState.OPEN for p in self.promised(kind))
        ]

    def becomes_ticket(self, state: TicketState) -> None:
        eventually(lambda: self.ticket.state == state, f"a ticket that is {state}")

    def becomes(self, kind: PromiseKind, state: PromiseState) -> None:
        eventually(lambda: state in [p.state for p in self.promised(kind)], f"{kind} {state}")


@contextmanager
def customer(house: Clocked, language: str, name: str) -> Iterator[Customer]:
    line = house.line(f"{name} {language}", language)
    try:
        yield Customer(house, f"{name} {language}", language, line)
    finally:
        line.close()


@dataclass(frozen=True)
class Clerk:
    """Somebody at the desk: each press is a form of the page, in a session of that hour."""

    house: Clocked
    login: str

    def press(self, path: str, **form: str) -> str:
        staff = self.house.staff(self.login)
        try:
            return staff.press(path, **form)
        finally:
            staff.close()

    def does(self, who: Customer, change: str, why: str = "") -> None:
        self.press(f"/desk/tickets/{who.ticket.number}/change", change=change, why=why)

    def on(self, who: Customer, what: str, **form: str) -> None:
        """A form of the ticket's panel."""
        self.press(f"/desk/tickets/{who.ticket.number}/{what}", key=ids.new_key()[:20], **form)

    def proposes(self, who: Customer, words: str) -> None:
        self.does(who, "accept")
        self.does(who, "propose", words)
        who.hears("ticket.news.proposed", words=words)


AGREE = {"zh": "同意", "en": "I agree"}
SOLVED = {"zh": "解决了，谢谢", "en": "It is solved, thanks"}


def agreed_and_closed(clerk: Clerk, who: Customer, done: str) -> None:
    """The customer agrees in chat, what was agreed is done, and he hears it."""
    who.says(AGREE[who.language])
    who.becomes_ticket(TicketState.AGREED)
    clerk.does(who, "close", done)
    who.hears("ticket.news.closed", words=done)
    assert who.ticket.state == TicketState.CLOSED
    with who.house.database.read() as session:
        owed = [p for p in promises.of_ticket(session, who.ticket.id) if p.state == "open"]
    assert not owed, [str(p.kind) for p in owed]


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
        chen = Clerk(house, "chen")
        done = {"zh": "夜班专车 1 点前送到家", "en": "A car of its own brings it by 1:00"}[language]
        chen.proposes(she, done)
        she.becomes(K.CONTACT, PromiseState.KEPT)
        she.becomes(K.SOLUTION, PromiseState.KEPT)
        agreed_and_closed(chen, she, done)
        she.hears("compensation.news.coupon", yuan="10")  # 24 h and some minutes late


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
        house.later(minutes=5)
        lin = Clerk(house, "lin")
        found = {
            "zh": "护照在网点找到了，今天 18 点前专人送到",
            "en": "Found, brought to you by 18:00",
        }
        lin.proposes(he, found[language])
        assert he.ticket.staff_id
        agreed_and_closed(lin, he, found[language])
        house.later(hours=4)
        he.hears("after.ask.follow_up")
        he.says(SOLVED[language])
        he.becomes_ticket(TicketState.FOLLOWED_UP)
        he.hears("after.ask.score_ticket")
        he.says("5")
        he.hears("after.scored")


@LANGUAGES
def test_a_broken_vase_is_shown_answered_for_and_paid_in_a_day(
    house: Clocked, language: str
) -> None:
    house.tomorrow(10, 30)
    number = parcel(house, "delivered", "花瓶", "fragile", declared_value=Decimal(300))
    words = {
        "zh": f"{number} 的花瓶收到就碎了，外箱也压扁了",
        "en": f"The vase in {number} arrived broken and the box is crushed",
    }
    with customer(house, language, "vase") as she:
        answer = she.says(words[language])
        ticket = she.ticket
        assert (ticket.kind, ticket.urgency) == ("report_damage", "orange")
        (link,) = re.findall(r"https?://\S+/evidence/[\w?=&%-]+", answer)
        for name in ("vase.png", "box.png"):  # of the contents and of the outside
            picture = PHOTO + name.encode()
            sent = httpx.post(link, files={"file": (name, picture, "image/png")}, trust_env=False)
            assert sent.status_code == 303
        assert she.events().count(What.EVIDENCE) == 2
        lin, chen = Clerk(house, "lin"), Clerk(house, "chen")
        lin.does(she, "accept")
        lin.on(she, "liability", why="外箱压痕新，出库照片完好")
        assert she.owed(K.PAYOUT) == timedelta(days=1)
        lin.on(she, "grants", kind="damage", percent="100", seen="30000")
        she.hears("compensation.news.waiting", yuan="300")  # more than lin may give alone
        with house.database.read() as session:
            (grant,) = grants.of_ticket(session, she.ticket.id)
        chen.press(f"/desk/grants/{grant.id}/approve")
        she.hears("compensation.news.approved", yuan="300")
        she.becomes(K.PAYOUT, PromiseState.KEPT)
        she.hears("compensation.news.paid", yuan="300")
        lin.does(she, "propose", answer[:20])
        agreed_and_closed(lin, she, "300")


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
        chen = Clerk(house, "chen")
        redelivered = {"zh": "今晚 20 点前专人送到", "en": "Brought to you by 20:00 today"}[
            language
        ]
        chen.proposes(he, redelivered)
        agreed_and_closed(chen, he, redelivered)
        assert (he.ticket.kind, he.ticket.team) == ("report_delay", "headquarters")


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
            assert any(timedelta() < she.owed(kind) for kind in she.owed_words())
            house.later(hours=1, seconds=1)
            eventually(lambda: not she.owed_words(), "the promises of a word to break")
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
        lin = Clerk(house, "lin")
        lin.does(she, "accept")
        until = house.later(minutes=1) + timedelta(hours=2)
        local = until.astimezone(house.settings.zone).strftime("%Y-%m-%dT%H:%M")
        asks = {"zh": "请快递员核对签收照片", "en": "The courier looks up the photo of delivery"}
        lin.on(she, "wait", waiting_for="depot", until=local, why=asks[language])
        she.hears("ticket.news.waiting_depot")
        house.later(hours=2, seconds=1)
        eventually(lambda: she.ticket.waiting_for is None, "the end of the wait")
        found = {
            "zh": "放在了隔壁单元，今天 18 点前送到您手上",
            "en": "It lies next door; by 18:00",
        }
        lin.does(she, "propose", found[language])
        agreed_and_closed(lin, she, found[language])


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
        house.later(minutes=20)
        lin = Clerk(house, "lin")
        lin.does(he, "accept")
        lin.on(he, "courier-called", why="已当面道歉")
        he.becomes(K.COURIER_CALL, PromiseState.KEPT)
        calls = {"zh": "以后派送前先打电话", "en": "From now on he calls before he comes"}
        lin.does(he, "propose", calls[language])
        agreed_and_closed(lin, he, calls[language])
        he.hears("compensation.news.coupon", yuan="10")


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
        lin = Clerk(house, "lin")
        half = {"zh": "寄件人没有付，运费一人一半", "en": "The sender did not pay: half each"}
        lin.proposes(she, half[language])
        refuses = {"zh": "不同意，凭什么我出", "en": "I don't agree, why should I pay"}
        she.says(refuses[language])
        she.becomes_ticket(TicketState.ACCEPTED)
        assert she.owed(K.SOLUTION) <= timedelta(days=1)
        all_ours = {"zh": "运费我们承担", "en": "We bear the freight"}
        lin.does(she, "propose", all_ours[language])
        agreed_and_closed(lin, she, all_ours[language])


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
        lin = Clerk(house, "lin")
        lin.does(he, "accept")
        lin.on(he, "remedies", kind="redeliver")
        he.hears("compensation.news.ordered")  # nothing to pay
        again = {"zh": "今天取回重新送到您家", "en": "Fetched and brought to you today"}
        lin.does(he, "propose", again[language])
        agreed_and_closed(lin, he, again[language])
