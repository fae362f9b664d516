"""A company's own app on a real port.

It signs and checks with the library that the inventors of Standard Webhooks publish, drops what it
had before by its webhook-id, and suffers what a test wants.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
from aiohttp import web
from standardwebhooks import Webhook

from bot.channels.base import Channel
from bot.channels.http.account import App, open_account
from bot.channels.http.channel import HttpChannel
from bot.channels.http.links import Links
from store import clock
from tests.channels.contract import Platform
from tests.channels.house import TEXTS, House

SECRET = "whsec_" + base64.b64encode(b"the secret of this app and ours.").decode()
BASE = "http://desk.test"
T = TypeVar("T")


class Shop(Platform):
    outages = frozenset({"rate_limit", "server_error", "unknown", "blocked", "hang"})
    gives_files = takes_files = True

    def __init__(self) -> None:
        self.webhooks = Webhook(SECRET)
        self.got: dict[str, dict[str, Any]] = {}
        """What the customers' screens show, by webhook-id, in order."""
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[str] = []
        self.files: dict[str, bytes] = {}
        self.broken_fetches = 0
        self.script: list[tuple[str, timedelta | None]] = []
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._gone = asyncio.Event()

    def attach(self, house: House, **more: Any) -> Channel:
        app = App(callback=f"{self.address}/courier", **more)
        return HttpChannel(
            open_account("shop_app", app, SECRET),
            house.database,
            house.live,
            house.inbox.accept,
            house.outbox.resume,
            TEXTS,
            house.files,
            Links(BASE, "the installation's secret"),
        )

    # The app's own server

    @contextmanager
    def serving(self) -> Iterator[Shop]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        runner = self._run(self._start())
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._gone.set)
            self._run(runner.cleanup())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/courier", self._courier)
        app.router.add_get("/files/{name}", self._file)
        app.router.add_get("/away", self._away)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _courier(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        name = request.headers["webhook-id"]
        at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        if request.headers["webhook-signature"] != self.webhooks.sign(name, at, raw.decode()):
            self.faults.append(f"{name} is not signed")
            return web.Response(status=401)
        body = json.loads(raw)
        self.requests.append((name, body))
        outage, wait = self.script.pop(0) if self.script else ("", None)
        match outage:
            case "rate_limit":
                after = {"Retry-After": str(int(wait.total_seconds()))} if wait else {}
                return web.Response(status=429, headers=after)
            case "server_error":
                return web.Response(status=502, text="<html>Bad Gateway</html>")
            case "blocked":
                return web.Response(status=410)
            case "elsewhere":
                return web.Response(status=307, headers={"Location": f"{self.address}/away"})
        self.got.setdefault(name, body)
        if outage == "unknown":
            assert request.transport is not None
            request.transport.close()
        if outage == "hang":
            await self._gone.wait()
        return web.json_response({"id": f"app-{len(self.got)}"})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if self.broken_fetches:
            self.broken_fetches -= 1
            return web.Response(status=500)
        data = self.files.get(request.match_info["name"])
        return web.Response(status=404) if data is None else web.Response(body=data)

    async def _away(self, request: web.Request) -> web.StreamResponse:
        self.faults.append("a redirect was followed")
        return web.Response(status=200)

    # What its customers do

    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        reply = await self.post(http, outside_id, {"customer": {"id": who}, "text": text})
        return reply.status_code

    async def post(
        self, http: httpx.AsyncClient, name: str, body: object, path: str = "messages"
    ) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await http.post(
            f"/http/shop_app/{path}", content=raw, headers=self.headers(name, raw)
        )

    def headers(self, name: str, raw: bytes, at: datetime | None = None) -> dict[str, str]:
        """Signed at ``at``, or now by the tests' clock."""
        at = at or clock.now()
        return {
            "webhook-id": name,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self.webhooks.sign(name, at, raw.decode("utf-8", "replace")),
        }

    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        return [body["text"] for body in self._mine(who) if not body["file"]]

    async def write_file(
        self, http: httpx.AsyncClient, outside_id: str, data: bytes | None, who: str = "ann"
    ) -> int:
        if data is not None:
            self.files[outside_id] = data
        file = {"url": f"{self.address}/files/{outside_id}", "kind": "document", "name": "a.pdf"}
        reply = await self.post(http, outside_id, {"customer": {"id": who}, "files": [file]})
        return reply.status_code

    async def files_shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[bytes]:
        links = [body["file"]["url"] for body in self._mine(who) if body["file"]]
        return [(await http.get(link)).raise_for_status().content for link in links]

    def break_fetches(self, times: int) -> None:
        self.broken_fetches = times

    def _mine(self, who: str) -> list[dict[str, Any]]:
        return [body for body in self.got.values() if body["customer"]["id"] == who]

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        said = {"customer": {"id": "ann"}, "text": "hello"}
        bodies: list[object] = [
            b'{"customer": ', b"[]", b"\xff", b"null", b"[" * 50_000, {}, {"text": "x"},
            said | {"poll": "?"}, said | {"text": 5}, said | {"customer": {"id": ""}},
            said | {"customer": {"id": "x" * 200}}, said | {"customer": {"id": "\ud83d"}},
            said | {"sent_at": "yesterday"}, said | {"files": [{"url": "http://["}]},
            said | {"files": [{"url": "file:///etc/passwd"}]},
        ]  # fmt: skip
        statuses = [(await self.post(http, f"u-{n}", b)).status_code for n, b in enumerate(bodies)]
        raw = json.dumps(said).encode()
        for wrong in ({}, {"webhook-signature": "v1,"}, {"webhook-signature": "é".encode()}):
            headers = {k.encode(): v.encode() for k, v in self.headers("m-9", raw).items()} | {
                k.encode(): v if isinstance(v, bytes) else v.encode() for k, v in wrong.items()
            }
            if not wrong:
                headers = {}
            reply = await http.post(
                "/http/shop_app/messages", content=raw, headers=list(headers.items())
            )
            assert reply.status_code == 401
            statuses.append(reply.status_code)
        assert min(statuses) >= 400
        return statuses

    def fail(self, outage: str, times: int = 1, wait: timedelta | None = None) -> None:
        self.script += [(outage, wait)] * times
