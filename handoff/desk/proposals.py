"""``/desk/incidents/proposals``: tickets that rise together. All see them live, supervisors decide
whether they have one cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from handoff import repository, staff
from handoff.desk import ticket_views
from handoff.desk.edge import CaseId, page
from handoff.desk.incident_forms import HERE, USUAL, When, Words, read_time, typed
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.ticket_views import Listed
from handoff.desk.words import Pages, language_of
from parcels.road_models import DELAY, IncidentKind
from store import clock
from store.errors import BadIncident, Conflict, NotFound
from tickets.incidents import repository as rises
from tickets.incidents.models import Proposal, ProposalState
from tickets.incidents.service import Cause

PAGE = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal with its tickets, most urgent first; ``usual`` is for so many hours."""

    proposal: Proposal
    tickets: Sequence[Listed]
    count: int

    @property
    def open(self) -> bool:
        return self.proposal.state == ProposalState.OPEN


def undecided(session: Session) -> list[Shown]:
    """What nobody has decided of, newest first."""
    return [_shown(session, proposal) for proposal in rises.open_proposals(session)]


def _shown(session: Session, proposal: Proposal) -> Shown:
    found = rises.tickets_of_proposal(session, proposal.id)
    return Shown(proposal, ticket_views.rows(session, found[:PAGE]), len(found))


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """One proposal with its tickets and the form, and the two answers to it."""
    zone = desk.texts.zone

    @router.get(HERE + "/proposals/{proposal_id}")
    def show(request: Request, proposal_id: CaseId) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            proposal = session.get(Proposal, proposal_id)
            if proposal is None:
                raise NotFound(f"proposal {proposal_id}")
            html = pages.render(
                "proposal.html",
                language_of(request),
                person=person,
                here=f"{HERE}/proposals/{proposal_id}",
                shown=_shown(session, proposal),
                window=desk.incidents.policy.window_minutes // 60,
                names=repository.staff_names(session),
                kinds=list(IncidentKind),
                delay=DELAY,
                until=typed(clock.now() + USUAL, zone),
            )
            return page(html)

    @router.post(HERE + "/proposals/{proposal_id}/confirm")
    def confirm(
        request: Request,
        proposal_id: CaseId,
        kind: Annotated[IncidentKind, Form()],
        until: When,
        words_zh: Words = "",
        words_en: Words = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            staff.require_supervisor(person)
            ends = read_time(until, zone)
            if ends - clock.now() < timedelta(minutes=1):
                raise BadIncident("over already")
            cause = Cause(kind, ends, words_zh.strip(), words_en.strip())
            if desk.incidents.confirm(session, proposal_id, cause, person.id) is None:
                raise Conflict(f"proposal {proposal_id} is decided")
        return RedirectResponse(HERE, 303)

    @router.post(HERE + "/proposals/{proposal_id}/dismiss")
    def dismiss(
        request: Request, proposal_id: CaseId, csrf: Annotated[str, Form()] = ""
    ) -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            staff.require_supervisor(person)
            if not desk.incidents.dismiss(session, proposal_id, person.id):
                raise Conflict(f"proposal {proposal_id} is decided")
        return RedirectResponse(HERE, 303)
