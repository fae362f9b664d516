"""WeChat's server API, small: its bodies have the shape of ``../shared/data/wechat/mp`` and it
keeps the platform's own count, five messages after each of the customer's, then 45047."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile

from bot.channels.wechat.channel import MAX_BYTES

APPID, SECRET, TOKEN = "wx5823bf96d3bd56c7", "the-app-secret", "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
API = "http://wechat.test"

SENT: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}


class WeChatApi:
    """``sent`` holds the bodies that reached a customer's screen."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.tokens: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.script: list[dict[str, Any] | str | int] = []
        self.left: Counter[str] = Counter()
        self.media: dict[str, bytes] = {}
        self.uploads: list[tuple[str, str]] = []
        self.broken_fetches = 0
        self.typed: list[str] = []
        self.templates: list[dict[str, Any]] = []
        self.menu: list[dict[str, Any]] = []
        self.menus_written = 0
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.post("/cgi-bin/stable_token")(self._token)
        self.app.get("/cgi-bin/token")(self._old_token)
        self.app.post("/cgi-bin/message/custom/send")(self._send)
        self.app.post("/cgi-bin/message/custom/typing")(self._type)
        self.app.post("/cgi-bin/message/template/send")(self._template)
        self.app.get("/cgi-bin/menu/get")(self._menu)
        self.app.post("/cgi-bin/menu/create")(self._create_menu)
        self.app.get("/cgi-bin/menu/delete")(self._delete_menu)
        self.app.post("/cgi-bin/media/upload")(self._upload)
        self.app.get("/cgi-bin/media/get")(self._get)
        self.app.get("/elsewhere/{media_id}")(self._video)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app))

    def texts(self, who: str) -> list[str]:
        mine = [body for body in self.sent if body["touser"] == who]
        return [body["text"]["content"] for body in mine if body["msgtype"] == "text"]

    def files(self, who: str) -> list[bytes]:
        mine = [body for body in self.sent if body["touser"] == who]
        shown = [body[body["msgtype"]]["media_id"] for body in mine if body["msgtype"] != "text"]
        return [self.media[media_id] for media_id in shown]

    def make_tokens_void(self) -> None:
        self.tokens.append("")

    async def _token(self, request: Request) -> JSONResponse:
        body = await request.json()
        await asyncio.sleep(0.01)  # others ask meanwhile
        self.asked.append(body)
        if (body["appid"], body["secret"]) != (APPID, SECRET):
            return JSONResponse({"errcode": 40125, "errmsg": "invalid appsecret"})
        return self._issue()

    async def _old_token(self) -> JSONResponse:
        return self._issue()

    def _issue(self) -> JSONResponse:
        self.tokens.append(f"token-{len(self.tokens)}")
        return JSONResponse({"access_token": self.tokens[-1], "expires_in": 7200})

    async def _upload(self, request: Request, type: str) -> JSONResponse:
        if request.query_params.get("access_token") != self.tokens[-1]:
            return JSONResponse({"errcode": 42001, "errmsg": "access_token expired"})
        async with request.form() as form:
            media = form["media"]
            assert isinstance(media, UploadFile)
            data = await media.read()
            self.uploads.append((type, media.filename or ""))
        if type not in {"image", "voice", "video", "thumb"}:
            return JSONResponse({"errcode": 40004, "errmsg": "invalid media type"})
        media_id = f"media-{len(self.media)}"
        self.media[media_id] = data
        return JSONResponse({"type": type, "media_id": media_id, "created_at": 1380000000})

    async def _get(self, request: Request, media_id: str) -> Response:
        if self.broken_fetches:
            self.broken_fetches -= 1
            return JSONResponse({"errcode": -1, "errmsg": "system error"})
        if request.query_params.get("access_token") != self.tokens[-1]:
            return JSONResponse({"errcode": 40001, "errmsg": "invalid credential"})
        if media_id not in self.media:
            return JSONResponse({"errcode": 40007, "errmsg": "invalid media_id"})
        if media_id.startswith("video"):
            return Response(
                json.dumps({"video_url": f"{API}/elsewhere/{media_id}"}), media_type="text/plain"
            )
        return Response(self.media[media_id], media_type="image/jpeg")

    async def _video(self, media_id: str) -> Response:
        return Response(self.media[media_id], media_type="video/mp4")

    async def _type(self, request: Request) -> JSONResponse:
        body = await request.json()
        if body["command"] != "Typing":
            return JSONResponse({"errcode": 47001, "errmsg": "data format error"})
        self.typed.append(body["touser"])
        return JSONResponse(SENT)

    async def _template(self, request: Request) -> JSONResponse:
        body = await request.json()
        if not body.get("template_id"):
            return JSONResponse({"errcode": 40037, "errmsg": "invalid template_id"})
        self.templates.append(body)
        return JSONResponse({**SENT, "msgid": len(self.templates)})

    async def _menu(self) -> JSONResponse:
        if not self.menu:
            return JSONResponse({"errcode": 46003, "errmsg": "menu no exist"})
        shown = [{**button, "sub_button": button.get("sub_button", [])} for button in self.menu]
        return JSONResponse({"menu": {"button": shown}})

    async def _create_menu(self, request: Request) -> JSONResponse:
        self.menu = (await request.json())["button"]
        self.menus_written += 1
        return JSONResponse(SENT)

    async def _delete_menu(self) -> JSONResponse:
        self.menu = []
        return JSONResponse(SENT)

    async def _send(self, request: Request) -> Response:
        await asyncio.sleep(0)
        if request.query_params.get("access_token") != self.tokens[-1]:
            return JSONResponse({"errcode": 40001, "errmsg": "invalid credential"})
        raw = await request.body()
        body = json.loads(raw)
        step = self.script.pop(0) if self.script else SENT
        if isinstance(step, dict) and step != SENT:
            return JSONResponse(step)
        if isinstance(step, int):
            return Response(status_code=429, headers={"retry-after": str(step)})
        if body["msgtype"] == "text" and len(body["text"]["content"].encode()) > MAX_BYTES:
            return JSONResponse({"errcode": 45002, "errmsg": "content size out of limit"})
        if self.left[body["touser"]] <= 0:
            return JSONResponse({"errcode": 45047, "errmsg": "out of response count limit"})
        self.left[body["touser"]] -= 1
        self.sent.append(body)
        self.raw.append(raw)
        if step == "unknown":
            return Response("bad gateway", 502)
        if step == "hang":
            await asyncio.Event().wait()
        return JSONResponse(SENT)
