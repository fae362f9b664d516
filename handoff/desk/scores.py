"""``/desk/scores``: low scores that no supervisor has seen. For supervisors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from handoff import repository as people
from handoff import staff
from handoff.desk import repository
from handoff.desk.edge import CaseId, is_htmx, page
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.words import Pages, language_of
from handoff.staff import SignedIn
from tickets.after.repository import mark_seen

PAGE = 40
HERE = "/desk/scores"


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """The list, and that one of it was seen."""

    def whole(request: Request, session: Session, person: SignedIn, before: int | None) -> Response:
        scored = repository.low_scores(session, before=before, limit=PAGE)
        html = pages.render(
            "scores.html",
            language_of(request),
            person=person,
            here=HERE,
            scored=scored,
            names=people.staff_names(session),
            older=scored[-1].ask.id if len(scored) == PAGE else None,
        )
        return page(html)

    @router.get(HERE)
    def listing(
        request: Request, before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    ) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            staff.require_supervisor(person)
            return whole(request, session, person, before)

    @router.post(HERE + "/{ask_id}/seen")
    def seen(request: Request, ask_id: CaseId, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            staff.require_supervisor(person)
            mark_seen(session, ask_id, person.id)
            if not is_htmx(request):
                return RedirectResponse(HERE, 303)
            return whole(request, session, person, None)
