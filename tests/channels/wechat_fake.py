"""WeChat's side in this process: pushes made by wechatpy, and a small server API.

The API's bodies have the shape of ``/work/shared/data/wechat/mp`` and it keeps the platform's own
count: five messages after each of the customer's, then 45047.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner

from bot.channels.base import Channel
from bot.channels.wechat.account import Account
from bot.channels.wechat.channel import MAX_BYTES, PATH, QUOTA, WeChatChannel
from tests.channels.contract import Platform
from tests.channels.house import TEXTS, House

APPID, SECRET, TOKEN = "wx5823bf96d3bd56c7", "the-app-secret", "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
API = "http://wechat.test"
SAFE = Account(APPID, SECRET, TOKEN, AES_KEY, API)
PLAIN = Account(APPID, SECRET, TOKEN, "", API)

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
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.post("/cgi-bin/stable_token")(self._token)
        self.app.get("/cgi-bin/token")(self._old_token)
        self.app.post("/cgi-bin/message/custom/send")(self._send)
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


class WeChatPlatform(Platform):
    """Pushes in safe mode, signed and encrypted by wechatpy; or plain ones."""

    outages = frozenset({"rate_limit", "server_error", "unknown", "blocked", "hang"})
    gives_files = takes_files = True

    def __init__(self, account: Account = SAFE) -> None:
        self.account = account
        self.api = WeChatApi()

    def attach(self, house: House) -> Channel:
        labels = TEXTS.room("zh", "wechat")
        accept, resume = house.inbox.accept, house.outbox.resume
        return WeChatChannel(self.account, accept, resume, labels, self.api.client())

    def fail(self, outage: str, times: int = 1, wait: timedelta | None = None) -> None:
        steps: dict[str, dict[str, Any] | str | int] = {
            "rate_limit": {"errcode": 45011, "errmsg": "api minute-quota reach limit"},
            "server_error": {"errcode": -1, "errmsg": "system error"},
            "blocked": {"errcode": 43004, "errmsg": "require subscribe"},
        }
        step = int(wait.total_seconds()) if wait else steps.get(outage, outage)
        self.api.script += [step] * times

    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        body = f"<MsgType>text</MsgType><Content><![CDATA[{text}]]></Content>"
        reply = await self.push(http, body + f"<MsgId>{outside_id}</MsgId>", who)
        return reply.status_code

    async def push(self, http: httpx.AsyncClient, tags: str, who: str = "ann") -> httpx.Response:
        """A push with these tags; the customer's quota is whole again."""
        self.api.left[who] = QUOTA
        body = (
            f"<xml><ToUserName>gh_desk</ToUserName><FromUserName><![CDATA[{who}]]></FromUserName>"
            f"<CreateTime>1348831860</CreateTime>{tags}</xml>"
        ).encode("utf-8", "surrogatepass")
        return await self.deliver(http, body)

    async def deliver(self, http: httpx.AsyncClient, body: bytes) -> httpx.Response:
        stamp, nonce = str(int(time.time())), "1372623149"
        query = {"timestamp": stamp, "nonce": nonce, "signature": signed(stamp, nonce)}
        if self.account.aes_key:
            crypto = WeChatCrypto(TOKEN, AES_KEY, APPID)
            body = crypto.encrypt_message(body, nonce, stamp).encode()
            inside = body.decode().split("<MsgSignature><![CDATA[")[1]
            query |= {"encrypt_type": "aes", "msg_signature": inside.split("]]>")[0]}
        return await http.post(PATH, params=query, content=body)

    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        return self.api.texts(who)

    async def write_file(
        self, http: httpx.AsyncClient, outside_id: str, data: bytes | None, who: str = "ann"
    ) -> int:
        if data is not None:
            self.api.media[f"in-{outside_id}"] = data
        tags = f"<MsgType>image</MsgType><MediaId>in-{outside_id}</MediaId>"
        return (await self.push(http, f"{tags}<MsgId>{outside_id}</MsgId>", who)).status_code

    async def files_shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[bytes]:
        return self.api.files(who)

    def break_fetches(self, times: int) -> None:
        self.api.broken_fetches = times

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        stamp = "1409659813"
        wrong = {"timestamp": stamp, "nonce": "n", "signature": "0" * 40, "msg_signature": "é"}
        replies = [
            await http.post(PATH, params=wrong, content=b"<xml><Encrypt>QUJD</Encrypt></xml>"),
            await http.post(PATH, content=b""),
            await self.deliver(http, b"<xml><FromUserName>ann"),
            await self.deliver(http, b"<xml>words</xml>"),
            await self.push(http, "<MsgType>text</MsgType><Content>no id</Content>"),
            await self.push(http, "<MsgType>event</MsgType><Event>from_the_future</Event>"),
        ]
        return [reply.status_code for reply in replies]


def signed(*words: str) -> str:
    """wechatpy's signature with the account's token."""
    signer = WeChatSigner()
    signer.add_data(TOKEN, *words)
    signature: str = signer.signature
    return signature
