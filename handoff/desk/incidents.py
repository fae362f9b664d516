"""``/desk/incidents``: why parcels stand still somewhere. Supervisors enter it, all may see it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from handoff import repository, staff
from handoff.desk import proposals
from handoff.desk.edge import CaseId, is_htmx, page, told
from handoff.desk.incident_forms import HERE, USUAL, When, Words, read_time, typed
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.words import Pages, language_of
from handoff.staff import SignedIn
from parcels import incidents
from parcels.incidents import Report
from parcels.road_models import IncidentKind, Scope
from store import clock, ids
from tickets.incidents import repository as rises

ENDED = 20

Place = Annotated[str, Form(max_length=120)]


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """The list with its form, and what a supervisor may do."""
    zone = desk.texts.zone

    def whole(
        request: Request, session: Session, person: SignedIn, done: str | None = None
    ) -> Response:
        language, now = language_of(request), clock.now()
        unended, ended = incidents.listed(session, ENDED)
        html = pages.render(
            "incidents.html",
            language,
            person=person,
            here=HERE,
            key=ids.new_key(),
            unended=unended,
            ended=ended,
            kinds=list(IncidentKind),
            scopes=list(Scope),
            since=typed(now, zone),
            until=typed(now + USUAL, zone),
            typed=lambda at: typed(at, zone),
            proposals=proposals.undecided(session),
            counts=rises.counts(session, [found.id for found in (*unended, *ended)]),
            names=repository.staff_names(session),
        )
        if done is None:
            return page(html)
        return page(html, HX_Trigger=told(pages.words(language)(f"incidents.{done}")))

    def changed(request: Request, session: Session, person: SignedIn, done: str) -> Response:
        if not is_htmx(request):
            return RedirectResponse(HERE, 303)
        return whole(request, session, person, done)

    def supervisor(session: Session, request: Request, csrf: str) -> SignedIn:
        person = changing(session, request, csrf)
        staff.require_supervisor(person)
        return person

    @router.get(HERE)
    def listing(request: Request) -> Response:
        with desk.database.read() as session:
            return whole(request, session, looking(session, request))

    @router.post(HERE)
    def enter(
        request: Request,
        key: Annotated[str, Form(min_length=8, max_length=64)],
        kind: Annotated[IncidentKind, Form()],
        scope: Annotated[Scope, Form()],
        place: Place,
        since: When,
        until: When,
        to_place: Place = "",
        words_zh: Words = "",
        words_en: Words = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.database.write() as session:
            person = supervisor(session, request, csrf)
            given = Report(
                kind=kind,
                scope=scope,
                place=place.strip(),
                to_place=to_place.strip() or None,
                began_at=read_time(since, zone),
                expected_until=read_time(until, zone),
                words_zh=words_zh.strip(),
                words_en=words_en.strip(),
            )
            desk.incidents.enter(session, key, given, person.id)
            return changed(request, session, person, "entered")

    @router.post(HERE + "/{incident_id}/until")
    def prolong(
        request: Request,
        incident_id: CaseId,
        until: When,
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.database.write() as session:
            person = supervisor(session, request, csrf)
            open_still = desk.incidents.prolong(session, incident_id, read_time(until, zone))
            return changed(request, session, person, "prolonged" if open_still else "over")

    @router.post(HERE + "/{incident_id}/end")
    def end(request: Request, incident_id: CaseId, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            person = supervisor(session, request, csrf)
            ended = desk.incidents.end(session, incident_id, person.id)
            return changed(request, session, person, "closed" if ended else "over")

    @router.post(HERE + "/{incident_id}/seen")
    def seen(request: Request, incident_id: CaseId, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            person = supervisor(session, request, csrf)
            incidents.mark_seen(session, incident_id, person.id)
            desk.live.after_commit(session, "queue")
            return changed(request, session, person, "seen")
