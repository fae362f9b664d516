"""Signing in and out, and the language of the pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from conversations.language import LANGUAGES
from handoff import staff
from handoff.desk.edge import go, page
from handoff.desk.parts import (
    COOKIE,
    LANGUAGE_COOKIE,
    Desk,
    changing,
    from_elsewhere,
    looking,
    secret_of,
)
from handoff.desk.words import Pages, language_of
from store.errors import LockedOut, NotFound, NotSignedIn, WrongPassword

YEAR = 365 * 24 * 3600


def keep_session(desk: Desk, response: Response, secret: str) -> None:
    """Give the browser its cookie."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(staff.SESSION_LENGTH.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=desk.secure_cookies,
    )


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """``/desk/login``, ``/desk/logout`` and ``/desk/language/{language}``."""

    def form(
        request: Request, fault: str | None = None, login: str = "", status: int = 200
    ) -> Response:
        html = pages.render("login.html", language_of(request), fault=fault, login=login)
        return page(html, status)

    @router.get("/desk/login")
    def show(request: Request) -> Response:
        with desk.database.read() as session:
            try:
                looking(session, request)
            except NotSignedIn:
                return form(request)
        return RedirectResponse("/desk", 303)

    @router.post("/desk/login")
    def enter(
        request: Request,
        login: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
    ) -> Response:
        w = pages.words(language_of(request))
        if from_elsewhere(request):
            return form(request, w("login.foreign"), status=403)
        try:
            secret = staff.sign_in(desk.database, login.strip(), password)
        except WrongPassword as error:
            return form(request, w("login.wrong"), login, error.status)
        except LockedOut as error:
            until = error.facts["until"]
            return form(request, w("login.locked", until=until), login, error.status)
        response = RedirectResponse("/desk", 303)
        keep_session(desk, response, secret)
        return response

    @router.post("/desk/logout")
    def leave(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            changing(session, request, csrf)
            staff.end_session(session, secret_of(request))
        response = go(request, "/desk/login")
        response.delete_cookie(COOKIE, path="/")
        return response

    @router.get("/desk/language/{language}")
    def choose(request: Request, language: str, to: str = "/desk") -> Response:
        if language not in LANGUAGES:
            raise NotFound(f"language {language[:8]}")
        # Only our own pages: an address such as //elsewhere would leave the house.
        own = to == "/desk" or (to.startswith("/desk/") and "\\" not in to and to.isprintable())
        response = RedirectResponse(to if own else "/desk", 303)
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=YEAR, path="/desk", samesite="lax",
            secure=desk.secure_cookies,
        )  # fmt: skip
        return response
