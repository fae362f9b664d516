"""What every request meets first and last: a limit to its length, a sentence for a failure."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from bot import evidence
from bot.channels.web import uploads
from bot.channels.web.page import accepted_language
from conversations.texts import Texts
from handoff.desk import routes as desk
from parcels import routes as parcels
from parcels.ingest import Refused
from store.errors import CourierError, Invalid, NotFound, TooLong

log = logging.getLogger(__name__)
MAX_BODY = 1 << 20
"""Bytes of a request's body that are read at all; where files come, they are added."""


def guard(app: FastAPI, texts: Texts, most_of_files: int) -> None:
    """Every failure becomes one sentence in the reader's language; details go to the log alone."""

    def sentence(request: Request, error: CourierError) -> Response:
        language = accepted_language(request.headers.get("accept-language", ""))
        message = texts.say(language, f"errors.{error.code}", 0, **error.facts)
        told = error.facts if isinstance(error, Refused) else {}
        return JSONResponse({"error": error.code, "message": message, **told}, error.status)

    @app.exception_handler(CourierError)
    async def expected(request: Request, error: CourierError) -> Response:
        if error.status >= 500:
            log.error("%s %s: %s", request.method, request.url.path, error)
        return sentence(request, error)

    @app.exception_handler(RequestValidationError)
    async def unusable(request: Request, _: RequestValidationError) -> Response:
        return sentence(request, Invalid())

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        expected_error: CourierError = NotFound() if error.status_code == 404 else Invalid()
        response = sentence(request, expected_error)
        response.status_code = error.status_code
        return response

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return sentence(request, CourierError())

    app.add_middleware(
        _NotTooLong, refuse=lambda request: sentence(request, TooLong()), files=most_of_files
    )


class _NotTooLong:
    """Refuses a request by the length it announces, before any of its body is read.

    Plain ASGI: Starlette's ``@app.middleware`` runs every request in a task of its own.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Request], Response], files: int) -> None:
        self._app = app
        self._refuse = refuse
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http":
            request = Request(scope)
            length = request.headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > self._most(request.url.path):
                answer = self._refuse(request)
        await answer(scope, receive, send)

    def _most(self, path: str) -> int:
        if path in parcels.PATHS:
            return parcels.MAX_BODY
        form = (
            path == uploads.PATH
            or path.startswith(evidence.PREFIX)
            or desk.TAKES_FILES.fullmatch(path)
        )
        return MAX_BODY + (self._files if form else 0)
