"""The terminal as a channel: ``./courier say`` posts a message and waits for its answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from bot.channels.base import Accept, Part
from bot.channels.console import tokens
from bot.channels.console.service import Answers, answers
from bot.channels.web import schemas
from conversations.schemas import ANY, Capabilities, Inbound
from store.engine import Database
from store.errors import Invalid
from store.live import Live

NAME = "console"
ACCOUNT = "terminal"
POLL_SECONDS = 25.0
SWEEP_SECONDS = 1.0


class Typed(BaseModel):
    """A line somebody typed: who, the terminal's id for it, the words."""

    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(alias="as", pattern=r"^[^\s\x00-\x1f:](?:[^\x00-\x1f:]{0,58}\S)?$")]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")]
    text: str


class ConsoleChannel:
    """Answers programs on this machine that know the installation's secret."""

    def __init__(self, database: Database, accept: Accept, live: Live, secret: str) -> None:
        self._database = database
        self._accept = accept
        self._live = live
        self._token = tokens.token(secret)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        # The terminal reads whole messages from the record, by id.
        return Capabilities(
            buttons=True, max_length=100_000, files=ANY, takes_files=False, retry_unknown=True
        )

    async def send(self, part: Part) -> str | None:
        """Nothing leaves the house: the terminal's waiting request is woken when it is noted."""
        return str(part.message_id)

    def router(self) -> APIRouter:
        routes = APIRouter(prefix="/console")

        @routes.post("/messages", status_code=202)
        async def say(request: Request) -> JSONResponse:
            tokens.check(request, self._token)
            typed = await schemas.read(request, Typed)
            accepted = await self._accept(
                Inbound(
                    channel=NAME,
                    account=ACCOUNT,
                    address=typed.name,
                    outside_id=f"{typed.name}:{typed.id}",
                    text=typed.text,
                    name=typed.name,
                )
            )
            return JSONResponse(
                {"inbox_id": accepted.inbox_id, "message_id": accepted.message_id}, 202
            )

        @routes.get("/answers")
        async def wait(request: Request) -> JSONResponse:
            tokens.check(request, self._token)
            query = request.query_params
            name = query.get("as", "")
            if not name:
                raise Invalid("whose answers?")
            found = await self._wait(
                name,
                schemas.message_id(query.get("inbox_id")),
                schemas.message_id(query.get("after")),
                0.0 if query.get("wait") == "0" else POLL_SECONDS,
            )
            return JSONResponse(
                {"answers": found.answers, "done": found.done, "cursor": found.cursor}
            )

        return routes

    async def _wait(
        self, name: str, inbox_id: int | None, after: int | None, seconds: float
    ) -> Answers:
        """The answers as soon as there are any, or the turn is done, or time is up."""
        ends = asyncio.get_running_loop().time() + seconds
        topics: tuple[str, ...] = ()
        while True:
            with self._live.listen(*topics) as woken:
                while True:
                    woken.clear()
                    found = await asyncio.to_thread(self._read, name, inbox_id, after)
                    after = found.cursor if after is None else after
                    left = ends - asyncio.get_running_loop().time()
                    if found.answers or found.done or left <= 0:
                        return found
                    if found.topic and (found.topic,) != topics:
                        topics = (found.topic,)
                        break
                    with suppress(TimeoutError):
                        async with asyncio.timeout(min(SWEEP_SECONDS, left)):
                            await woken.wait()

    def _read(self, name: str, inbox_id: int | None, after: int | None) -> Answers:
        with self._database.read() as session:
            return answers(session, NAME, ACCOUNT, name, inbox_id, after)
