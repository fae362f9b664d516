"""``/desk/telegram``: a code by which a person is known in the Telegram group of the team."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from handoff import links
from handoff.desk.edge import page
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.words import Pages, language_of
from handoff.staff import SignedIn
from store.errors import NotFound


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """For everybody at the desk, each for himself; NotFound where there is no such group."""

    def shown(request: Request, person: SignedIn, *, linked: bool, code: str | None) -> Response:
        if not desk.telegram:
            raise NotFound("no small desk on Telegram")
        html = pages.render(
            "telegram.html",
            language_of(request),
            person=person,
            here="/desk/telegram",
            linked=linked,
            code=code,
        )
        return page(html)

    @router.get("/desk/telegram")
    def standing(request: Request) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            linked = links.is_linked(session, person.id)
        return shown(request, person, linked=linked, code=None)

    @router.post("/desk/telegram")
    def new_code(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            return shown(request, person, linked=False, code=links.new_code(session, person.id))
