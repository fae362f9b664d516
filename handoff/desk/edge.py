"""Between HTTP and the desk's pages: errors in words, headers, redirects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Path, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.types import Message

from handoff.desk.words import Pages, Words, language_of
from store.errors import (
    AlreadyTaken,
    Conflict,
    Contradicts,
    CourierError,
    FileTooBig,
    Forbidden,
    Invalid,
    NotSignedIn,
    TooLong,
)

CaseId = Annotated[int, Path(ge=1, le=2**31 - 1)]
WORDS = 1 << 16
"""Bytes of a form beside its files."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'self'; object-src 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@asynccontextmanager
async def form_of(request: Request, most: int) -> AsyncIterator[FormData]:
    """A form with files of ``most`` bytes and some words. TooLong above, before more is read."""
    limited = _limited(request, most + WORDS, FileTooBig(most))
    try:
        async with limited.form(max_files=1, max_fields=20) as form:
            yield form
    except HTTPException as error:
        raise Invalid("not a form") from error


async def words_of(request: Request) -> bytes:
    """A body without files. TooLong above WORDS, before more is read."""
    return await _limited(request, WORDS, TooLong("body too long", limit=WORDS)).body()


def _limited(request: Request, left: int, error: CourierError) -> Request:
    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise error
        return message

    return Request(request.scope, receive)


def is_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def page(html: str, status: int = 200, **headers: str) -> HTMLResponse:
    """A page or fragment that no cache keeps and that runs no foreign script."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTMLResponse(html, status, headers=HEADERS | named)


def go(request: Request, to: str) -> Response:
    """Send the browser to another page; htmx must be asked to leave its own."""
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": to})
    return RedirectResponse(to, 303)


def told(text: str, kind: str = "good", *, stale: bool = False) -> str:
    """An ``HX-Trigger`` header: show a toast, and perhaps fetch the page afresh."""
    events: dict[str, object] = {"desk:toast": {"text": text, "kind": kind}}
    if stale:
        events["desk:stale"] = ""
    return json.dumps(events)


def sentence(w: Words, error: CourierError) -> str:
    """The error in words for the person at the desk."""
    if isinstance(error, AlreadyTaken):
        return w("case.already_taken", name=error.facts.get("by", "?"))
    if isinstance(error, Contradicts):
        what = error.facts["words"] or w.name("promise", error.facts["kind"])
        return w("promised.contradicts", what=str(what).rstrip("。.！!；;"), by=error.facts["by"])
    if error.code == "not_yours":
        return w("case.not_yours")
    if isinstance(error, Forbidden) and error.facts.get("why") == "csrf":
        return w("error.csrf")
    known = w.texts.has(f"desk.error.{error.code}")
    return w(f"error.{error.code}" if known else "error.unexpected", **error.facts)


def route_class(pages: Pages) -> type[APIRoute]:
    """Routes whose expected errors become words: a toast inside a page, else a small page."""

    class DeskRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await handle(request)
                except NotSignedIn:
                    return go(request, "/desk/login")
                except RequestValidationError:
                    return _failed(request, pages, Invalid())
                except CourierError as error:
                    return _failed(request, pages, error)

            return answer

    return DeskRoute


def api_route_class(pages: Pages) -> type[APIRoute]:
    """Routes that tell the slower of two programs who has the case (``by``), and what words would
    put off; all other errors are the application's to turn into JSON."""

    class ApiRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await handle(request)
                except (AlreadyTaken, Contradicts) as error:
                    message = sentence(pages.words(language_of(request)), error)
                    facts = {"error": error.code, "message": message} | error.facts
                    return JSONResponse(jsonable_encoder(facts), error.status)

            return answer

    return ApiRoute


def _failed(request: Request, pages: Pages, error: CourierError) -> Response:
    language = language_of(request)
    text = sentence(pages.words(language), error)
    if is_htmx(request):
        trigger = told(text, "bad", stale=isinstance(error, Conflict))
        return page("", error.status, HX_Reswap="none", HX_Trigger=trigger)
    return page(pages.render("error.html", language, text=text), error.status)
