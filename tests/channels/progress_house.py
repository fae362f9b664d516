"""A ticket with its parcel, and the page that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from bot.channels.http.links import Links
from bot.channels.web.limits import Limits
from bot.channels.web.page import Page
from bot.progress.acts import Progress
from bot.progress.routes import router
from bot.progress.view import path_of
from bot.settings import ROOT
from conversations.models import Customer
from handoff.models import Role
from parcels import change_rules, service
from parcels.schemas import ShipmentIn
from store import ids
from store.engine import Database
from store.errors import CourierError
from store.live import Live
from tests import rooms
from tests.channels.house import House
from tests.rooms import Rooms
from tickets.events import Actor
from tickets.lifecycle import Change
from tickets.models import ActorKind, Ticket
from tickets.service import Complaint

NUMBER = "SF1234567890123"
SECRETS = ("13812347654", "+86-13900001234", "张三丰", "客户脾气大", "内部")


@dataclass(frozen=True)
class Desk:
    """The page's own parts and a ticket."""

    house: Rooms
    app: FastAPI
    links: Links
    number: str

    @property
    def path(self) -> str:
        return path_of(self.number)

    @property
    def link(self) -> str:
        return self.links.to(self.path)

    def browser(self, host: str = "10.0.0.1", language: str = "zh-CN") -> TestClient:
        return TestClient(
            self.app,
            base_url="http://desk.test",
            client=(host, 50000),
            follow_redirects=False,
            headers={"accept-language": language},
        )

    def do(self, change: Change, why: str = "全额赔付 300 元") -> None:
        with self.house.database.write() as session:
            ticket = session.query(Ticket).filter(Ticket.number == self.number).one()
            self.house.tickets.lifecycle.change(session, ticket, change, LI, why)

    def comment(self, words: str) -> None:
        with self.house.database.write() as session:
            ticket = session.query(Ticket).filter(Ticket.number == self.number).one()
            self.house.tickets.lifecycle.comment(session, ticket, LI, words)

    @property
    def ticket(self) -> Ticket:
        with self.house.database.read() as session:
            return session.query(Ticket).filter(Ticket.number == self.number).one()


LI = Actor(ActorKind.STAFF, 1, "李雷")


def built(
    database: Database, *, limits: Limits | None = None, phone: str | None = None,
    waybill_no: str | None = NUMBER, extra: Callable[[FastAPI], None] | None = None,
) -> Desk:  # fmt: skip
    """A ticket that 李雷 works on; ``phone`` is one its customer gave."""
    house = rooms.build(database)
    with database.write() as session:
        service.store_shipment(
            session,
            ShipmentIn(
                waybill_no=NUMBER, recipient_name="张三丰", recipient_phone="138 1234 7654",
                sender_phone="+86-13900001234",
            ),
        )  # fmt: skip
        rooms.person(session, "li", Role.AGENT)
        talk = rooms.said(session, "花瓶碎了", by="owner")
        facts: dict[str, object] = {"phone": phone} if phone else {}
        complaint = Complaint(
            "in:1", "report_damage", talk.id, talk.customer_id, "花瓶碎了，外箱也破了",
            waybill_no=waybill_no, facts=facts,
        )  # fmt: skip
        ticket = house.tickets.open(session, complaint).ticket
        house.tickets.lifecycle.change(session, ticket, Change.ACCEPT, LI)
        number = ticket.number
    links = Links("", "the secret of this test", timedelta(days=7))
    page = House(database)
    app = page.app()
    app.include_router(
        router(
            Progress(
                database=database,
                live=Live(database),
                texts=house.texts,
                tickets=house.tickets,
                handoffs=house.handoffs,
                after=house.after,
                rules=change_rules.from_file(ROOT / "policies" / "changes.yml").identity,
                links=links,
                upload=lambda number: f"/evidence/{number}",
                page=Page(house.texts, 1 << 20),
                limits=limits or Limits(),
                secure_cookies=False,
            )
        )
    )
    if extra:
        extra(app)

    @app.exception_handler(CourierError)
    async def sorry(_: Request, error: CourierError) -> JSONResponse:
        return JSONResponse({"error": error.code}, error.status)

    return Desk(house, app, links, number)


def owner_of(desk: Desk, address: str) -> None:
    """The ticket's customer is the visitor at this address."""
    with desk.house.database.write() as session:
        ticket = session.query(Ticket).filter(Ticket.number == desk.number).one()
        session.get_one(Customer, ticket.customer_id).address = address


def fresh() -> str:
    return ids.new_key()
