"""Rasa's door to the skills: one internal route, run by rasa-sdk's own executor."""

from __future__ import annotations

import hmac
import logging
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException

from store.errors import Forbidden

log = logging.getLogger(__name__)

PATH = "/internal/actions"


def executor() -> ActionExecutor:
    """rasa-sdk's executor with every skill of ``actions``."""
    made = ActionExecutor()
    made.register_package("actions")
    return made


def router(token: str) -> APIRouter:
    """``POST /internal/actions`` for whoever holds ``token``: the Rasa server of this machine."""
    skills = executor()
    routes = APIRouter()

    @routes.post(PATH, include_in_schema=False)
    async def run_action(request: Request) -> JSONResponse:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Forbidden("actions are for Rasa alone")
        call: dict[str, Any] = await request.json()
        try:
            result = await skills.run(call)
        except ActionExecutionRejection as refused:
            return JSONResponse(
                {"error": str(refused), "action_name": refused.action_name}, status_code=400
            )
        except ActionNotFoundException as unknown:
            return JSONResponse(
                {"error": str(unknown), "action_name": unknown.action_name}, status_code=404
            )
        body = result.model_dump() if result else {"events": [], "responses": []}
        return JSONResponse(body)

    return routes
