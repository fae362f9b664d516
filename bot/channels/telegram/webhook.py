"""Telegram's deliveries: the secret is checked, the update stored, and then acknowledged."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from telegram import Update

from bot.channels.telegram.convert import UNREADABLE

PATH = "/telegram/webhook"
HEADER = "x-telegram-bot-api-secret-token"


def add(routes: APIRouter, secret: str, take: Callable[[Update], Awaitable[None]]) -> None:
    """Add the route. 401 without the secret; an update nobody can read is acknowledged, for it
    would only come again; a failure of ours is a 500, and Telegram repeats the update."""

    @routes.post(PATH)
    async def webhook(request: Request) -> JSONResponse:
        given = request.headers.get(HEADER, "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            return JSONResponse({}, 401)
        try:
            update = Update.de_json(json.loads(await request.body()), None)
        except UNREADABLE:
            return JSONResponse({})
        await take(update)
        return JSONResponse({})
