"""The platforms' side of ``bench channels``: small servers that take what we send, and break.

Each runs in a thread of the bench and knows what its customers' screens show.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.standins.wechat_api import WeChatApi

FAULTS = ("429", "502 after it was shown", "busy", "reset")
BOT = {"id": 7000001, "is_bot": True, "first_name": "bench", "username": "bench_bot"}


class Faults:
    """What breaks, by chance but always the same: ``share`` of all sends. Counts what it did."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = random.Random(seed)
        self.done: dict[str, int] = defaultdict(int)

    def next(self) -> str:
        """One of FAULTS, or nothing."""
        if self._random.random() >= self._share:
            return ""
        fault = self._random.choice(FAULTS)
        self.done[fault] += 1
        return fault


class TelegramApi:
    """The part of the Bot API that our channel calls. ``shown`` are the texts of each chat."""

    def __init__(self, faults: Faults) -> None:
        self.shown: dict[int, list[str]] = defaultdict(list)
        self.heard: Callable[[str], None] = lambda chat: None
        self._faults = faults
        self._ids = itertools.count(1)
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.post("/bot{token}/sendMessage")(self._send)
        self.app.post("/bot{token}/{method}")(self._other)

    async def _send(self, request: Request) -> Response:
        async with request.form() as form:
            chat, text = int(str(form["chat_id"])), str(form["text"])
        fault = self._faults.next()
        if fault == "429":
            wait = {"error_code": 429, "description": "Too Many Requests: retry after 1"}
            return JSONResponse({"ok": False, **wait, "parameters": {"retry_after": 1}}, 429)
        if fault == "busy":
            return Response("service unavailable", 503)
        if fault == "reset":
            return _torn()
        self.shown[chat].append(text)
        self.heard(str(chat))
        if fault:
            return Response("<html>Bad Gateway</html>", 502)
        sent = {"message_id": next(self._ids), "date": 1772416800, "text": text}
        kind = {"id": chat, "type": "private"}
        return JSONResponse({"ok": True, "result": {**sent, "chat": kind, "from": BOT}})

    async def _other(self, method: str) -> Response:
        """setWebhook, sendChatAction and the like: yes."""
        return JSONResponse({"ok": True, "result": BOT if method == "getMe" else True})


class WeChat(WeChatApi):
    """The tests' stand-in, breaking by itself."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.heard: Callable[[str], None] = lambda who: None
        self._faults = faults

    async def _send(self, request: Request) -> Response:
        fault = self._faults.next()
        if fault == "reset":
            return _torn()
        if fault:
            busy = {"errcode": -1, "errmsg": "system error"}
            self.script.append({"429": 1, "busy": busy}.get(fault, "unknown"))  # type: ignore[arg-type]
        before = len(self.sent)
        answer = await super()._send(request)
        for body in self.sent[before:]:
            self.heard(body["touser"])
        return answer


def _torn() -> Response:
    """An answer that breaks off: nothing was done, but our side cannot know."""

    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionResetError

    return StreamingResponse(half(), headers={"content-length": "100"})


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a port of its own, in a thread of its own; yields its address."""
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("a platform's server did not start")
            threading.Event().wait(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
