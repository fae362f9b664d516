"""``/desk/undelivered``: what never reached a customer or got no answer. For supervisors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from conversations import letters
from handoff import repository, staff
from handoff.desk.edge import CaseId, is_htmx, page, told
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.words import Pages, language_of
from handoff.staff import SignedIn

PAGE = 40
HERE = "/desk/undelivered"

Change = Callable[[Session, int, int], int | None]


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """The list, and four ways to deal with a letter."""

    def whole(
        request: Request, session: Session, person: SignedIn, channel: str, before: int | None,
        **headers: str,
    ) -> Response:  # fmt: skip
        dead = letters.undelivered(session, channel=channel, before=before, limit=PAGE)
        html = pages.render(
            "undelivered.html",
            language_of(request),
            person=person,
            here=HERE,
            channel=channel,
            channels=letters.channels(session),
            dead=dead,
            unanswered=letters.unanswered(session, channel=channel, limit=PAGE)
            if before is None
            else [],
            names=repository.staff_names(session),
            older=dead[-1][0].id if len(dead) == PAGE else None,
        )
        return page(html, 200, **headers)

    @router.get(HERE)
    def listing(
        request: Request,
        channel: Annotated[str, Query(max_length=32)] = "",
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    ) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            staff.require_supervisor(person)
            return whole(request, session, person, channel, before)

    def change(path: str, how: Change, topic: str, done: str) -> None:
        @router.post(HERE + path)
        def deal(
            request: Request,
            letter_id: CaseId,
            csrf: Annotated[str, Form()] = "",
            channel: Annotated[str, Form(max_length=32)] = "",
        ) -> Response:
            with desk.database.write() as session:
                person = changing(session, request, csrf)
                staff.require_supervisor(person)
                conversation = how(session, letter_id, person.id)
                if conversation is not None:
                    desk.live.after_commit(session, topic, f"conversation:{conversation}")
                if not is_htmx(request):
                    return RedirectResponse(HERE, 303)
                w = pages.words(language_of(request))
                toast = w(f"undelivered.{done if conversation is not None else 'before'}")
                return whole(request, session, person, channel, None, HX_Trigger=told(toast))

    change("/messages/{letter_id}/resend", letters.resend, "outbox", "resent")
    change("/messages/{letter_id}/drop", letters.drop, "queue", "dropped")
    change("/answers/{letter_id}/again", letters.ask_again, "inbox", "asked_again")
    change("/answers/{letter_id}/drop", letters.leave, "queue", "dropped")
