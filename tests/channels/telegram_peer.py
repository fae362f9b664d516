"""The Bot API as the other end: the wheel ``lo-bot-api-emulator`` on a real port.

In front of it stands a door that holds every request to Telegram's own list of methods and fields,
keeps what chats show, and suffers what a test wants: the emulator knows neither limits nor blocked
bots.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from aiohttp import web
from lo_bot_api_emulator import ApiRefusal, LoBotApiEmulator

from bot.settings import ROOT

TOKEN = "7000001:AAsynthetic-token-of-no-bot-at-all"
ACCOUNT = "7000001"
SPEC = ROOT.parent / "shared" / "data" / "telegram-bot-api.json"
FETCHED = 20 * 1024 * 1024
"""Bytes of a file that a bot may fetch."""
MOVED = "Bad Request: group chat was upgraded to a supergroup chat"
T = TypeVar("T")
Beside = Callable[[str, dict[str, Any]], Awaitable[web.Response | None]]
"""Answers what the emulator does not know; ``None`` leaves it to the emulator."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Call:
    """One request as the platform got it: fields as JSON would have them."""

    method: str
    fields: dict[str, Any]


class Peer:
    """``calls`` are all requests, ``faults`` what broke Telegram's rules: keep it empty."""

    def __init__(self) -> None:
        self.emulator = LoBotApiEmulator(allow_insecure_loopback_webhooks=True)
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.chats: dict[int, list[str]] = {}
        self.files: dict[int, list[tuple[str, bytes]]] = {}
        self.broken_fetches = 0
        self._emulators_read = self.emulator.read_request
        self.emulator.read_request = self._read
        self.address = ""
        self.script: list[tuple[str, timedelta | None]] = []
        self.moved: dict[int, int] = {}
        self.beside: Beside | None = None
        self._methods: dict[str, Any] = (
            json.loads(SPEC.read_text())["methods"] if SPEC.exists() else {}
        )
        self._loop = asyncio.new_event_loop()
        self._gone = asyncio.Event()

    @property
    def knows_rules(self) -> bool:
        """Whether Telegram's list lies beside the checkout."""
        return bool(self._methods)

    def named(self, method: str) -> list[dict[str, Any]]:
        return [call.fields for call in self.calls if call.method == method]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the platform's own thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def holds(self, file_id: str, data: bytes) -> None:
        """Somebody sent this file: it can be fetched by its id."""
        self.emulator.assets[file_id] = {"data": data, "size": len(data)}

    async def arrives(self, update: dict[str, Any]) -> int:
        """An update comes to the platform, which delivers it or waits to be asked."""
        work = self.emulator.enqueue_update(update, token=TOKEN)
        return int(await asyncio.to_thread(self.run, work))

    @contextmanager
    def serving(self) -> Iterator[Peer]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        runner = self.run(self._start())
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._gone.set)
            self.run(runner.cleanup())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = self.emulator.app()
        app.middlewares.append(self._door)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    @web.middleware
    async def _door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        method = request.match_info.get("method", "")
        if method in {"", "getFile"} and self.broken_fetches:
            self.broken_fetches -= 1
            return web.Response(status=502, text="<html>Bad Gateway</html>")
        if not method:  # the bytes of a file
            return await handler(request)
        upload = request.content_type.startswith("multipart/")
        if not upload:
            fields = self._note(method, dict(await request.post()))
            held = self.emulator.assets.get(fields.get("file_id"), {})
            if method == "getFile" and held.get("size", 0) > FETCHED:
                return refusal(400, "Bad Request: file is too big")
        if request.match_info.get("token") != TOKEN:
            return refusal(401, "Unauthorized")
        if self.beside is not None and not upload:
            answer = await self.beside(method, fields)
            if answer is not None:
                return answer
        if not upload and method != "sendMessage":
            return await handler(request)
        return await self._send(request, method, handler)

    def _note(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        fields = {name: _value(value) for name, value in given.items()}
        self.calls.append(Call(method, fields))
        self.faults += self.broken_rules(method, fields)
        return fields

    async def _read(self, request: web.Request) -> Any:
        """The emulator reads an upload once: what it reads is noted on the way."""
        fields, uploads = await self._emulators_read(request)
        if uploads:
            self._note(request.match_info["method"], {**fields, **uploads})
            moved = self.moved.get(int(fields["chat_id"]))
            if moved is not None:
                raise ApiRefusal(MOVED, 400, {"migrate_to_chat_id": moved})
        return fields, uploads

    async def _send(
        self, request: web.Request, method: str, handler: Handler
    ) -> web.StreamResponse:
        known = 0 if method != "sendMessage" else int(self.calls[-1].fields["chat_id"])
        if known in self.moved:
            return refusal(400, MOVED, migrate_to_chat_id=self.moved[known])
        outage, wait = self.script.pop(0) if self.script else ("", None)
        match outage:
            case "rate_limit":
                seconds = int(wait.total_seconds()) if wait else 1
                return refusal(429, "Too Many Requests", retry_after=seconds)
            case "server_error":
                return web.Response(status=502, text="<html>Bad Gateway</html>")
            case "blocked":
                return refusal(403, "Forbidden: bot was blocked by the user")
        answer = await handler(request)
        if answer.status == 200:
            self._show(self.calls[-1])
        if outage == "unknown":
            assert request.transport is not None
            request.transport.close()
        if outage == "hang":
            await self._gone.wait()
        return answer

    def _show(self, call: Call) -> None:
        chat = int(call.fields["chat_id"])
        if call.method == "sendMessage":
            self.chats.setdefault(chat, []).append(str(call.fields["text"]))
        else:
            kind = call.method.removeprefix("send").lower()
            self.files.setdefault(chat, []).append((kind, call.fields[kind]["data"]))

    def broken_rules(self, method: str, fields: dict[str, Any]) -> list[str]:
        """What Telegram's own list says against a request."""
        if not self._methods:
            return []
        if method not in self._methods:
            return [f"no method {method}"]
        known = {field["name"]: field for field in self._methods[method].get("fields", [])}
        found = [f"{method}: no field {name}" for name in fields if name not in known]
        found += [
            f"{method}: {name} is missing"
            for name, field in known.items()
            if field["required"] and name not in fields
        ]
        return found + [
            f"{method}: {name} is no {known[name]['types']}"
            for name, value in fields.items()
            if name in known and not any(_is(value, kind) for kind in known[name]["types"])
        ]


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A platform that outlives the service; no request may break Telegram's rules."""
    with Peer().serving() as running:
        yield running
    assert running.faults == []


def _value(value: Any) -> Any:
    """A form's field as the server binds it: JSON where it is JSON, a file as it is."""
    if isinstance(value, dict):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, dict) and "data" in value:
        return kind == "InputFile"
    match kind:
        case "Integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "Boolean":
            return isinstance(value, bool)
        case "String":
            return True  # of a form: any value has been words
        case _ if kind.startswith("Array"):
            return isinstance(value, list)
    return isinstance(value, dict)


def refusal(status: int, description: str, **parameters: int) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return web.json_response(body, status=status)
