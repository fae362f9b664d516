"""A platform in memory, with a channel of its own that speaks to it: every failure on demand."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from bot.channels.base import Accept, Channel, Part, TryLater, UnknownResult, Unreachable
from conversations.models import FileKind
from conversations.schemas import ANY, Capabilities, Inbound, Reference
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
            max_length=120, unit="utf16", files=ANY, retry_unknown=platform.drops_repeats
        )

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.post("/fake/updates")
        async def update(request: Request) -> JSONResponse:
            if request.headers.get("x-secret") != "right":
                return JSONResponse({}, 401)
            try:
                body = await request.json()
                files = [Reference(FileKind.DOCUMENT, name) for name in body.get("files", ())]
                inbound = Inbound(
                    "fake", "desk", body["from"], body["id"], body["text"], attachments=tuple(files)
                )
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

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        return self._platform.give(reference)


class FakePlatform(Platform):
    """``drops_repeats``: its client shows a part once, however often it is sent."""

    outages = frozenset({"rate_limit", "server_error", "unknown", "blocked", "hang"})
    gives_files = takes_files = True

    def __init__(self, *, drops_repeats: bool) -> None:
        self.drops_repeats = drops_repeats
        self.sent: list[Part] = []
        self.files: dict[str, bytes] = {}
        self.broken_fetches = 0
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
        return [part.text for part in self._parts(who) if not part.file]

    async def write_file(
        self, http: httpx.AsyncClient, outside_id: str, data: bytes | None, who: str = "ann"
    ) -> int:
        if data is not None:
            self.files[outside_id] = data
        body = {"id": outside_id, "from": who, "text": "", "files": [outside_id]}
        return await self._post(http, body)

    def give(self, reference: str) -> bytes:
        if self.broken_fetches:
            self.broken_fetches -= 1
            raise UnknownResult("read timeout")
        if reference not in self.files:
            raise Unreachable("404")
        return self.files[reference]

    def break_fetches(self, times: int) -> None:
        self.broken_fetches = times

    async def files_shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[bytes]:
        return [part.file.path.read_bytes() for part in self._parts(who) if part.file]

    def _parts(self, who: str) -> list[Part]:
        parts = [part for part in self.sent if part.address == who]
        return list({p.key: p for p in parts}.values()) if self.drops_repeats else parts

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        poll = {"id": "m-000009", "from": "ann", "poll": {"question": "?"}}
        wrong = await http.post("/fake/updates", json=poll, headers={"x-secret": "wrong"})
        broken = await http.post("/fake/updates", content=b'{"id": ', headers={"x-secret": "right"})
        return [await self._post(http, poll), wrong.status_code, broken.status_code]

    async def _post(self, http: httpx.AsyncClient, body: object) -> int:
        return await post(http, "/fake/updates", body, {"x-secret": "right"})
