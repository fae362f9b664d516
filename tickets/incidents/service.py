"""Incidents and the tickets they explain: proposed, confirmed or dismissed, joined, ended.

In the caller's transaction. What the customers of a ticket hear of its incident is done by
``handoff/incidents.py``, each once, from the rows that fall due here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select
from sqlalchemy.orm import Session

from parcels import incidents, notice_repository, road_repository
from parcels.incidents import ARRIVED, Report
from parcels.models import Shipment
from parcels.repository import by_waybill
from parcels.road_models import DELAY, Incident, IncidentKind, Scope
from store import clock
from store.errors import NotFound
from store.live import Live
from tickets.incidents import repository
from tickets.incidents.models import Proposal, ProposalState
from tickets.incidents.policy import IncidentPolicy
from tickets.incidents.repository import Spot
from tickets.models import Ticket, TicketEvent, What

TOPIC = "incidents"
"""Wakes the loop that tells customers of them."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a person says of a proposal: why it is so, until when, and perhaps words of his own."""

    kind: IncidentKind
    until: datetime
    words_zh: str = ""
    words_en: str = ""


class Incidents:
    """``after_event`` hangs on the events of tickets."""

    def __init__(self, policy: IncidentPolicy, live: Live) -> None:
        self.policy = policy
        self._live = live

    def after_event(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        """Note where the parcel of a new ticket is; an incident that is known explains it."""
        group = self.policy.group(ticket.kind)
        if event.what not in (What.OPENED, What.WAYBILL) or group is None:
            return
        shipment = by_waybill(session, ticket.waybill_no) if ticket.waybill_no else None
        if shipment is None:
            return
        here, then = incidents.leg(session, shipment)
        spots = list(_spots(group, shipment, here, then))
        repository.add_places(session, ticket.id, ticket.created_at, spots)
        if group == DELAY:
            found = incidents.for_shipment(session, shipment, clock.now())
        else:
            found = incidents.on_leg(session, here, then, clock.now(), group)
        if found is not None:
            self._join(session, found, repository.one_ticket(ticket.id))

    def rising(self, session: Session) -> bool:
        """Whether ``propose`` has something to do: a look that takes no lock."""
        since = clock.now() - self.policy.window
        return bool(
            repository.any_joins(session, since)
            or repository.rising(session, since, self.policy.tickets)
        )

    def propose(self, session: Session) -> int:
        """How many proposals were made. A rise that is known only grows, whatever was decided."""
        since = clock.now() - self.policy.window
        for proposal in repository.ongoing(session, since):
            if came := repository.loose_at(session, proposal, since):
                proposal.seen_at = max(proposal.seen_at, came[-1][1])
                repository.give_to(session, proposal.id, [ticket for ticket, _ in came])
        session.flush()
        made = sum(
            self._propose(session, spot, since)
            for spot in repository.rising(session, since, self.policy.tickets)
        )
        self._live.after_commit(session, "queue")
        return made

    def _propose(self, session: Session, spot: Spot, since: datetime) -> bool:
        came = repository.loose_at(session, spot, since)  # another spot may have taken some
        usual_days = timedelta(days=self.policy.usual_days)
        before = repository.count_between(session, spot, since - usual_days, since)
        if not self.policy.rises(len(came), before):
            return False
        usual = self.policy.usual(before)
        made = repository.add_proposal(session, spot, usual, came[0][1], came[-1][1])
        if made is None:
            return False
        repository.give_to(session, made, [ticket for ticket, _ in came])
        return True

    def confirm(
        self, session: Session, proposal_id: int, cause: Cause, staff_id: int
    ) -> Incident | None:
        """It is one incident, with this cause; None if somebody has decided before."""
        proposal = self._open(session, proposal_id)
        if proposal is None:
            return None
        report = Report(
            kind=cause.kind,
            scope=Scope(proposal.scope),
            place=proposal.place,
            to_place=proposal.to_place or None,
            began_at=proposal.began_at,
            expected_until=cause.until,
            words_zh=cause.words_zh,
            words_en=cause.words_en,
            concerns=proposal.concerns,
        )
        key = f"proposal:{proposal.id}"
        incident = self.enter(session, key, report, staff_id, repository.of_proposal(proposal.id))
        self._decide(proposal, ProposalState.CONFIRMED, staff_id)
        proposal.incident_id = incident.id
        return incident

    def dismiss(self, session: Session, proposal_id: int, staff_id: int) -> bool:
        """They have nothing to do with each other; False if somebody has decided before."""
        proposal = self._open(session, proposal_id)
        if proposal is not None:
            self._decide(proposal, ProposalState.DISMISSED, staff_id)
            self._live.after_commit(session, "queue")
        return proposal is not None

    def enter(
        self,
        session: Session,
        key: str,
        given: Report,
        staff_id: int,
        tickets: Select[int] | None = None,
    ) -> Incident:
        """A new incident with its ``tickets`` and, of one that holds parcels up, the open ones
        about those. Who has a ticket hears of it by his ticket, not by his parcel too."""
        incident = incidents.enter(session, key, given, staff_id)
        if tickets is not None:
            self._join(session, incident, tickets)
        if incident.concerns == DELAY:
            held_up = road_repository.held_up(Shipment, incident, ARRIVED)
            kinds = self.policy.groups[DELAY]
            self._join(session, incident, repository.about_parcels(held_up, kinds))
        customers = repository.customers_of(incident.id)
        notice_repository.told_otherwise(session, incident.id, customers)
        self._live.after_commit(session, "queue", "notices")
        return incident

    def prolong(self, session: Session, incident_id: int, until: datetime) -> bool:
        """See ``parcels/incidents.py``; the customers of its tickets are told the new time."""
        return self._told(session, incident_id, incidents.prolong(session, incident_id, until))

    def end(self, session: Session, incident_id: int, staff_id: int) -> bool:
        """See ``parcels/incidents.py``; the customers of its tickets are told so."""
        return self._told(session, incident_id, incidents.end(session, incident_id, staff_id))

    def _told(self, session: Session, incident_id: int, changed: bool) -> bool:
        if changed:
            session.flush()
            repository.fall_due(session, incident_id)
            self._live.after_commit(session, "queue", TOPIC)
        return changed

    def _join(self, session: Session, incident: Incident, tickets: Select[int]) -> None:
        repository.add_members(session, incident.id, tickets)
        self._live.after_commit(session, TOPIC)

    def _open(self, session: Session, proposal_id: int) -> Proposal | None:
        proposal = repository.hold_proposal(session, proposal_id)
        if proposal is None:
            raise NotFound(f"proposal {proposal_id}")
        return proposal if proposal.state == ProposalState.OPEN else None

    @staticmethod
    def _decide(proposal: Proposal, state: ProposalState, staff_id: int) -> None:
        proposal.state, proposal.decided_by, proposal.decided_at = state, staff_id, clock.now()


def _spots(group: str, shipment: Shipment, here: str, then: str) -> Iterator[Spot]:
    """Where a parcel is counted: at the branch that brings it, else at its hub and on its way."""
    if here:
        scope = Scope.BRANCH if shipment.status in incidents.AT_BRANCH else Scope.HUB
        yield Spot(group, scope, here, "")
    if here and then and here != then and shipment.status not in incidents.AT_BRANCH:
        yield Spot(group, Scope.ROUTE, here, then)
