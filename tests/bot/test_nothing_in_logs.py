"""What is known of a customer stands in no line of the log, however much is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import IntegrityError

from bot import app, settings
from bot.assembly import Service
from bot.progress.view import PATH, path_of
from bot.rasa import Rasa
from bot.router import Router
from conversations import service as conversations
from conversations.models import Conversation, Customer, Message
from conversations.schemas import Inbound
from parcels import keys, service
from parcels.models import Scope
from parcels.schemas import ShipmentIn
from store import clock, ids
from store.engine import Database
from store.orders import Receipt, Result
from tests.tickets.money import CHEN, CODE, LI
from tickets.after.models import Ask, AskKind
from tickets.compensation.models import Kind, Payout
from tickets.compensation.service import Wish
from tickets.lifecycle import Change
from tickets.models import Ticket
from tickets.service import Complaint

NAME, PHONE, ADDRESS, ACCOUNT = "欧阳锋", "13812347654", "白驼山路 88 号", "6222021234567890"
SAID = f"我叫{NAME}，电话 {PHONE}，住{ADDRESS}，花瓶碎了"
NUMBER = "SF1234567890123"


class Flow:
    """A customer, and the whole service."""

    def __init__(self, database: Database, home: Path, address: str) -> None:
        given = settings.load({"COURIER_HOME": str(home), "COURIER_DATABASE": address})
        self.web = TestClient(
            app.create(given), base_url="http://desk.test", follow_redirects=False
        )
        self.database = database
        self.house: Service = self.web.app.state.service  # type: ignore[attr-defined]
        skills = self.house.skills
        self.router = Router(
            database, self.house.live, Rasa("http://127.0.0.1:9"), skills.handoffs, skills.tickets,
            self.house.after, self.house.texts,
        )  # fmt: skip
        self.visitor = ids.new_key()

    def says(self, words: str) -> int:
        """His conversation."""
        with self.database.write() as session:
            inbound = Inbound("web", "page", self.visitor, ids.new_key(), words, name=NAME)
            row, _ = conversations.receive(session, inbound)
        asyncio.run(self.router.route(row))
        return row.conversation_id

    def opened(self) -> int:
        """His ticket, which Li has."""
        talk_id, skills = self.says(SAID), self.house.skills
        with self.database.write() as session:
            parcel = ShipmentIn(
                waybill_no=NUMBER, declared_value=Decimal(100), freight=Decimal(12),
                recipient_name=NAME, recipient_phone=PHONE, recipient_address=ADDRESS,
            )  # fmt: skip
            service.store_shipment(session, parcel)
            talk = session.get_one(Conversation, talk_id)
            facts: dict[str, object] = {"phone": PHONE, "place": ADDRESS}
            complaint = Complaint(
                "in:x", "report_damage", talk.id, talk.customer_id, SAID, waybill_no=NUMBER,
                facts=facts,
            )  # fmt: skip
            ticket = skills.tickets.open(session, complaint).ticket
            skills.tickets.lifecycle.change(session, ticket, Change.ACCEPT, LI)
            return ticket.id

    def paid(self, ticket_id: int) -> None:
        money = self.house.money
        with self.database.write() as session:
            ticket = session.get_one(Ticket, ticket_id)
            money.compensation.settle_liability(session, ticket, LI, f"{NAME}的件压坏了")
            wish = Wish(Kind.DAMAGE)
            grant = money.compensation.grant(
                session, ticket, LI, wish, team="first_line", key="g", why=SAID
            )
            money.compensation.approve(session, grant.id, CHEN, SAID)
        with self.database.write() as session:
            payout = session.query(Payout).one()
            money.payouts.heard(
                session, payout, Receipt(result=Result.ACCEPTED, receipt="R", way=ACCOUNT)
            )

    def coupon(self) -> str:
        """The code of one for a rude courier."""
        skills = self.house.skills
        with self.database.write() as session:
            talk = session.query(Conversation).one()
            complaint = Complaint(
                "in:y", "report_courier_attitude", talk.id, talk.customer_id, SAID
            )
            ticket = skills.tickets.open(session, complaint).ticket
            for change in (Change.ACCEPT, Change.PROPOSE, Change.AGREE, Change.CLOSE):
                skills.tickets.lifecycle.change(session, ticket, change, LI, SAID)
            key = keys.add(session, "shop", [Scope.COUPONS_REDEEM])
            told = session.query(Message).order_by(Message.id)
            (code,) = {found for message in told for found in CODE.findall(message.text)}
        headers = {"Idempotency-Key": "1", "Authorization": f"Bearer {key}"}
        for typed, status in ((code, 200), (code[:-1] + "U", 404)):
            headers["Idempotency-Key"] += "1"
            answer = self.web.post("/api/coupons/redeem", json={"code": typed}, headers=headers)
            assert answer.status_code == status
        return str(code)

    def cared_for(self, ticket_id: int, at: Callable[[datetime], None]) -> None:
        """Proposed, agreed, closed, followed up, reopened, closed, scored."""
        life = self.house.skills.tickets.lifecycle

        def do(*changes: Change) -> None:
            with self.database.write() as session:
                for change in changes:
                    life.change(session, session.get_one(Ticket, ticket_id), change, LI, SAID)

        do(Change.PROPOSE)
        self.says("同意")
        do(Change.CLOSE)
        at(clock.now() + timedelta(hours=30))
        self.house.asks.sweep()
        self.says(f"没解决，打我电话 {PHONE}")
        do(Change.ACCEPT, Change.PROPOSE, Change.CLOSE)
        at(clock.now() + timedelta(hours=30))
        self.house.asks.sweep()
        self.says("解决了")
        at(clock.now() + timedelta(hours=12))
        self.house.asks.sweep()
        self.says("1")
        self.says(f"{NAME}很不满意")
        with self.database.read() as session:
            scored = session.query(Ask).filter_by(kind=AskKind.SCORE, ticket_id=ticket_id).one()
            assert scored.score == 1

    def watched(self, ticket_id: int) -> None:
        """The page of the ticket, with wrong digits and right ones."""
        with self.database.read() as session:
            number = session.get_one(Ticket, ticket_id).number
        for digits in ("0000", PHONE[-4:]):
            self.web.post(PATH, data={"number": number, "digits": digits})
        assert self.web.get(path_of(number)).status_code == 200


def test_a_whole_compensation_and_after_care(
    address: str,
    database: Database,
    tmp_path: Path,
    at: Callable[[datetime], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    flow = Flow(database, tmp_path, address)
    ticket = flow.opened()
    flow.paid(ticket)
    code = flow.coupon()
    flow.cared_for(ticket, at)
    flow.watched(ticket)
    lines = [logging.Formatter().format(record) for record in caplog.records]
    assert len(lines) > 10
    for secret in (NAME, PHONE, ADDRESS, ACCOUNT, code, code.replace("-", ""), flow.visitor, SAID):
        assert [line for line in lines if secret in line] == []


def test_an_error_of_the_database_does_not_tell_what_was_written(database: Database) -> None:
    def customer() -> Customer:
        return Customer(
            id=1, channel="web", account="page", address="a", name=NAME, language="zh",
            created_at=clock.now(),
        )  # fmt: skip

    with database.write() as session:
        session.add(customer())
    with pytest.raises(IntegrityError) as failed, database.write() as session:
        session.add(customer())
    assert NAME not in str(failed.value)
