"""Tickets at places, and the loop that looks for what they have in common."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.incidents import IncidentLoop
from conversations.models import Message, Outbox
from handoff.incidents import IncidentNews
from handoff.packet import Request
from parcels import service as parcels
from parcels.models import Status
from parcels.road_models import IncidentKind
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from store.live import Live
from tests import rooms
from tickets.incidents import repository
from tickets.incidents.models import Proposal
from tickets.incidents.service import Cause
from tickets.models import Ticket, Urgency
from tickets.service import Complaint
from tickets.urgency import Verdict

JINAN, BEIJING, TIANJIN = "济南转运中心", "北京转运中心", "天津转运中心"
_numbers = itertools.count(1)


class House:
    """The rooms, the loop, and customers whose parcels are somewhere."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rooms = rooms.build(database)
        live = Live(database)
        incidents = self.rooms.incidents
        self.news = IncidentNews(self.rooms.tickets, self.rooms.handoffs, incidents.policy, live)
        self.loop = IncidentLoop(database, live, incidents, self.news)

    def parcel(
        self,
        session: Session,
        place: str = JINAN,
        to: str | None = BEIJING,
        status: Status = Status.IN_TRANSIT,
    ) -> str:
        number = f"SF1{next(_numbers):012d}"
        scan = ScanIn(
            event_id=number,
            at=clock.now() - timedelta(hours=1),
            status=status,
            place=place,
            next_place=to,
        )
        parcels.store_shipment(session, ShipmentIn(waybill_no=number, scans=[scan]))
        return number

    def complain(
        self,
        place: str = JINAN,
        to: str | None = BEIJING,
        *,
        kind: str = "report_delay",
        by: str | None = None,
        status: Status = Status.IN_TRANSIT,
        case: bool = False,
    ) -> int:
        """A ticket about a new parcel that is there; its id."""
        with self.database.write() as session:
            number = self.parcel(session, place, to, status)
            talk = rooms.said(session, "还没到", by=by or number, number=number)
            complaint = Complaint(
                f"in:{number}", kind, talk.id, talk.customer_id, "还没到", waybill_no=number
            )
            ticket = self.rooms.tickets.open(session, complaint).ticket
            if case:
                verdict = Verdict(Urgency(ticket.urgency), ticket.urgency_rule)
                asked = Request("ticket", "ticket", kind, verdict, ticket_id=ticket.id)
                self.rooms.handoffs.request(session, talk, asked, hold=False)
            return ticket.id

    def many(self, count: int, place: str = JINAN, to: str | None = BEIJING) -> list[int]:
        return [self.complain(place, to) for _ in range(count)]

    def proposals(self) -> list[Proposal]:
        with self.database.read() as session:
            return list(session.scalars(select(Proposal).order_by(Proposal.id)))

    def members(self, proposal_id: int) -> list[int]:
        with self.database.read() as session:
            found = repository.tickets_of_proposal(session, proposal_id)
            return sorted(ticket.id for ticket in found)

    def confirm(self, proposal_id: int = 1, until: datetime | None = None) -> int:
        cause = Cause(IncidentKind.WEATHER, until or clock.now() + timedelta(hours=6))
        with self.database.write() as session:
            incident = self.rooms.incidents.confirm(session, proposal_id, cause, staff_id=3)
            assert incident is not None
            return incident.id

    def settle(self) -> None:
        """All customers were told what there is to tell."""
        while self.loop.sweep():
            pass

    def told(self) -> list[str]:
        """What customers heard of tickets beside their opening, in order."""
        with self.database.read() as session:
            return list(
                session.scalars(
                    select(Message.text)
                    .join(Outbox, Outbox.message_id == Message.id)
                    .where(Outbox.key.like("ticket:%"))
                    .order_by(Message.id)
                )
            )

    def ticket(self, ticket_id: int) -> Ticket:
        with self.database.read() as session:
            return session.get_one(Ticket, ticket_id)
