"""A platform in memory, with a channel of its own that speaks to it: every failure on demand."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bot.channels.base import Accept, Channel, Part, TryLater, UnknownResult, Unreachable
from conversations.schemas import Capabilities, Inbound
from store.errors import Invalid, TooLong
from tests.channels.contract import Platform
from tests.channels.house import House, post


class FakeChannel:
    """Short messages counted in UTF-16, no buttons."""

    name = "fake"

    def __init__(self, platform: FakePlatform, accept: Accept) -> None:
        self._platform = platform
        self._accept = accept
        self.capabilities = Capabilities(
            max_length=120, unit="utf16", retry_unknown=platform.drops_repeats
        )

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.post("/fake/updates")
        async def update(request: Request) -> JSONResponse:
            if request.headers.get("x-secret") != "right":
                return JSONResponse({}, 401)
            try:
                body = await request.json()
                inbound = Inbound("fake", "desk", body["from"], body["id"], body["text"])
            except (ValueError, KeyError, TypeError):
                return JSONResponse({})  # acknowledged: coming again would not make it better
            try:
                await self._accept(inbound)
            except (Invalid, TooLong):
                return JSONResponse({})
            return JSONResponse({"stored": True})

        return routes

    async def send(self, part: Part) -> str | None:
        return await self._platform.receive(part)


class FakePlatform(Platform):
    """``drops_repeats``: its client shows a part once, however often it is sent."""

    outages = frozenset({"rate_limit", "server_error", "unknown", "blocked", "hang"})

    def __init__(self, *, drops_repeats: bool) -> None:
        self.drops_repeats = drops_repeats
        self.sent: list[Part] = []
        self._script: list[tuple[str, timedelta | None]] = []

    def attach(self, house: House) -> Channel:
        return FakeChannel(self, house.inbox.accept)

    def fail(self, outage: str, times: int = 1, wait: timedelta | None = None) -> None:
        self._script += [(outage, wait)] * times

    async def receive(self, part: Part) -> str:
        outage, wait = self._script.pop(0) if self._script else ("", None)
        match outage:
            case "rate_limit":
                raise TryLater("429", after=wait)
            case "server_error":
                raise TryLater("connection refused")
            case "blocked":
                raise Unreachable("403 blocked by the customer")
        self.sent.append(part)
        if outage == "unknown":
            raise UnknownResult("read timeout")
        if outage == "hang":
            await asyncio.Event().wait()
        return f"out-{len(self.sent)}"

    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        body = {"id": outside_id, "from": who, "text": text}
        return await self._post(http, body)

    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        parts = [part for part in self.sent if part.address == who]
        if self.drops_repeats:
            parts = list({part.key: part for part in parts}.values())
        return [part.text for part in parts]

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        poll = {"id": "m-000009", "from": "ann", "poll": {"question": "?"}}
        wrong = await http.post("/fake/updates", json=poll, headers={"x-secret": "wrong"})
        broken = await http.post("/fake/updates", content=b'{"id": ', headers={"x-secret": "right"})
        return [await self._post(http, poll), wrong.status_code, broken.status_code]

    async def _post(self, http: httpx.AsyncClient, body: object) -> int:
        return await post(http, "/fake/updates", body, {"x-secret": "right"})
