"""A customer with a parcel and a ticket, and the people who compensate him."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from conversations.models import Message
from parcels import ingest
from parcels import service as parcels
from parcels.models import Status
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from store.live import Live
from tests import rooms
from tickets import repository
from tickets.compensation import repository as grants
from tickets.compensation.models import Grant, Kind, Payout
from tickets.compensation.policy import CompensationPolicies
from tickets.compensation.service import Wish
from tickets.events import Actor
from tickets.lifecycle import Change
from tickets.models import ActorKind, Ticket
from tickets.promises import repository as promises
from tickets.promises.models import PromiseKind
from tickets.service import Complaint

LI = Actor(ActorKind.STAFF, 1, "李雷")
HAN = Actor(ActorKind.STAFF, 2, "韩梅梅")
CHEN = Actor(ActorKind.STAFF, 3, "陈主管", supervisor=True)
ZHOU = Actor(ActorKind.STAFF, 4, "周主管", supervisor=True)
NUMBER = "YT2718281828459"
CODE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")


def policies() -> CompensationPolicies:
    classes = rooms.AGREED.problems
    teams = ("first_line", "second_line", "night", "regional", "headquarters")
    return CompensationPolicies.from_file(rooms.POLICIES, classes, teams)


@dataclass
class House:
    """The rooms on a database."""

    database: Database
    language: str = "zh"
    depot: bool = True
    keys: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.live = Live(self.database)
        built = rooms.build(self.database)
        self.tickets, self.texts, self.clocks = built.tickets, built.texts, built.tickets.clocks
        self.handoffs = built.handoffs
        self.lifecycle = built.tickets.lifecycle
        money = rooms.build_money(self.tickets, self.texts, self.live, depot=self.depot)
        self.compensation, self.payouts = money.compensation, money.payouts
        self.remedies = money.remedies

    def parcel(self, number: str = NUMBER, **facts: Any) -> None:
        with self.database.write() as session:
            parcels.store_shipment(session, ShipmentIn(waybill_no=number, **facts))

    def scanned(self, status: Status, at: datetime, number: str = NUMBER) -> None:
        with self.database.write() as session:
            ingest.scans(session, [ingest.event(number, ScanIn(at=at, status=status))])

    def ticket(self, kind: str = "report_damage", by: str = "visitor", **more: Any) -> str:
        """An accepted ticket of Li's; its number."""
        with self.database.write() as session:
            talk = rooms.said(session, "碎了", by=by, number=f"{next(self.keys)}")
            talk.language = self.language
            facts = {"waybill_no": NUMBER} | more
            key = f"in:{by}:{kind}:{next(self.keys)}"
            complaint = Complaint(key, kind, talk.id, talk.customer_id, "碎了", **facts)
            opened = self.tickets.open(session, complaint)
            self.lifecycle.change(session, opened.ticket, Change.ACCEPT, LI)
            return opened.ticket.number

    def liable(self, number: str, actor: Actor = LI) -> None:
        with self.database.write() as session:
            self.compensation.settle_liability(session, of(session, number), actor, "干线压坏")

    def grant(
        self, number: str, kind: Kind = Kind.DAMAGE, actor: Actor = LI, *,
        team: str = "first_line", key: str = "", percent: int = 100,
        freight: Decimal | None = None, seen: int | None = None,
    ) -> Grant:  # fmt: skip
        with self.database.write() as session:
            return self.compensation.grant(
                session, of(session, number), actor, Wish(kind, percent, freight, seen),
                team=team, key=key or f"desk:{next(self.keys)}",
            )  # fmt: skip

    def claim(self, yuan: int = 300, **more: Any) -> tuple[str, Grant]:
        """A damage of so much, insured; its ticket and what was granted."""
        self.parcel(declared_value=Decimal(yuan), freight=Decimal(12))
        number = self.ticket()
        self.liable(number)
        return number, self.grant(number, **more)

    def approve(self, grant: Grant, actor: Actor = CHEN, version: int | None = None) -> None:
        with self.database.write() as session:
            self.compensation.approve(session, grant.id, actor, version=version)

    def close(self, number: str) -> None:
        with self.database.write() as session:
            ticket = of(session, number)
            for change in (Change.PROPOSE, Change.AGREE, Change.CLOSE):
                self.lifecycle.change(session, ticket, change, LI, "就这么办")

    def row(self, grant: Grant) -> Grant:
        with self.database.read() as session:
            return session.get_one(Grant, grant.id)

    def payout(self, grant: Grant) -> Payout | None:
        with self.database.read() as session:
            return grants.payouts(session, [grant.id]).get(grant.id)

    def grants(self, number: str) -> list[Grant]:
        with self.database.read() as session:
            return list(grants.of_ticket(session, of(session, number).id))

    def told(self) -> list[str]:
        """What the system told customers, oldest first."""
        with self.database.read() as session:
            rows = session.query(Message).filter_by(author="system").order_by(Message.id)
            return [row.text for row in rows]

    def codes(self) -> list[str]:
        return [found for text in self.told() for found in CODE.findall(text)]

    def happened(self, number: str) -> list[str]:
        with self.database.read() as session:
            return [e.what for e in repository.events(session, of(session, number).id)]

    def promise(self, number: str, kind: PromiseKind = PromiseKind.PAYOUT) -> str | None:
        """The state of the last promise of this kind."""
        with self.database.read() as session:
            made = promises.of_ticket(session, of(session, number).id)
            return next((str(p.state) for p in reversed(made) if p.kind == kind), None)


def of(session: Session, number: str) -> Ticket:
    found = repository.by_number(session, number)
    assert found is not None
    return found


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def ago(count: float) -> datetime:
    return clock.now() - hours(count)
