"""WeCom's side in this process: callbacks made by wechatpy, and a small server API.

The API's bodies have the shape of ``../shared/data/wechat/kf`` (a test compares them). It keeps
what WeCom keeps: a list of entries behind a cursor, ids that may be used once, five messages after
each of the customer's.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from starlette.datastructures import UploadFile
from wechatpy.enterprise.crypto import PrpCrypto, WeChatCrypto
from wechatpy.utils import WeChatSigner

from bot.channels.base import Channel
from bot.channels.wecom.account import Account
from bot.channels.wecom.channel import MAX_BYTES, PATH, QUOTA, WecomChannel
from store import clock
from tests.channels.contract import Platform
from tests.channels.house import TEXTS, House

CORPID, SECRET, TOKEN = "ww1234567890abcdef", "the-app-secret", "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
KFID = "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q"
API = "http://wecom.test"
ACCOUNT = Account(CORPID, SECRET, TOKEN, AES_KEY, api=API)
LABELS = TEXTS.room("zh", "wecom")
OK: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}
_ID = re.compile(r"[0-9a-zA-Z_-]{1,32}")


class WecomApi:
    """``sent`` holds the bodies that reached a customer's screen, ``calls`` all that were asked."""

    def __init__(self) -> None:
        self.entries: dict[str, list[object]] = defaultdict(list)
        self.page = 1000
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[dict[str, Any]] = []
        self.used: set[tuple[str, str]] = set()
        self.codes: set[str] = set()
        self.tokens: list[str] = []
        self.asked = 0
        self.script: list[dict[str, Any] | str | int] = []
        self.syncs: list[dict[str, Any] | str] = []
        self.left: Counter[str] = Counter()
        self.states: dict[str, int] = {}
        self.media: dict[str, bytes] = {}
        self.uploads: list[tuple[str, str]] = []
        self.broken_fetches = 0
        self.ticket = ""
        self.transfer = OK
        self.account_list: list[dict[str, Any]] = [
            {"open_kfid": KFID, "name": "快递客服", "avatar": "", "manage_privilege": True}
        ]
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.get("/cgi-bin/gettoken")(self._gettoken)
        self.app.post("/cgi-bin/kf/{path:path}")(self._kf)
        self.app.post("/cgi-bin/media/upload")(self._upload)
        self.app.get("/cgi-bin/media/get")(self._get)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app))

    def says(self, who: str, msgid: str, kind: str = "text", **said: Any) -> None:
        """A customer writes; he may be answered five times again."""
        self.left[who] = QUOTA
        self.states.setdefault(who, 0)
        self.happens(who, msgid, 3, {"msgtype": kind, kind: said})

    def happens(self, who: str, msgid: str, origin: int, entry: dict[str, Any]) -> None:
        self.entries[KFID].append(
            {
                "msgid": msgid,
                "open_kfid": KFID,
                "external_userid": who,
                "send_time": int(clock.now().timestamp()),
                "origin": origin,
                **entry,
            }
        )

    def event(self, who: str, event_type: str, **facts: Any) -> None:
        """An event names the customer inside, as the published ones do."""
        event = {"event_type": event_type, "open_kfid": KFID, "external_userid": who, **facts}
        at = int(clock.now().timestamp())
        entry = {"msgtype": "event", "origin": 4, "send_time": at, "event": event}
        self.entries[KFID].append(entry)

    def texts(self, who: str) -> list[str]:
        shown = {"text": "content", "msgmenu": "head_content"}
        return [
            body[body["msgtype"]][shown[body["msgtype"]]]
            for body in self.sent
            if body["touser"] == who and body["msgtype"] in shown
        ]

    def files(self, who: str) -> list[bytes]:
        mine = [body for body in self.sent if body["touser"] == who]
        shown = [body[body["msgtype"]] for body in mine]
        return [self.media[part["media_id"]] for part in shown if "media_id" in part]

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for called, body in self.calls if called == path]

    async def _gettoken(self, corpid: str, corpsecret: str) -> Response:
        await asyncio.sleep(0.01)  # others ask meanwhile
        self.asked += 1
        if corpid != CORPID:
            return _json({"errcode": 40013, "errmsg": "invalid corpid"})
        if corpsecret != SECRET:
            return _json({"errcode": 40001, "errmsg": "invalid credential"})
        if not self.tokens or not self.tokens[-1]:
            self.tokens.append(f"token-{len(self.tokens)}")
        return _json({**OK, "access_token": self.tokens[-1], "expires_in": 7200})

    def _void(self, request: Request) -> bool:
        return not self.tokens or request.query_params.get("access_token") != self.tokens[-1]

    async def _kf(self, request: Request, path: str) -> Response:
        body = json.loads(await request.body())
        if self._void(request):
            return _json({"errcode": 40014, "errmsg": "invalid access_token"})
        self.calls.append((path, body))
        match path:
            case "sync_msg":
                return self._sync(body)
            case "send_msg":
                return await self._send(body)
            case "send_msg_on_event":
                if body["code"] in self.codes:
                    return _json({"errcode": 95016, "errmsg": "invalid code"})
                self.codes.add(body["code"])
                return _json({**OK, "msgid": "made-up"})
            case "service_state/get":
                state = self.states.get(body["external_userid"], 4)
                return _json({**OK, "service_state": state})
            case "service_state/trans":
                if self.transfer != OK:
                    return _json(self.transfer)
                self.states[body["external_userid"]] = body["service_state"]
                return _json({**OK, "msg_code": "MSG_CODE"})
            case "account/list":
                return _json({**OK, "account_list": self.account_list})
            case _:
                return _json({"errcode": 404, "errmsg": "no such call"})

    def _sync(self, body: dict[str, Any]) -> Response:
        step = self.syncs.pop(0) if self.syncs else ""
        if isinstance(step, dict):
            return _json(step)
        if step == "unknown":
            return Response("bad gateway", 502)
        if body.get("token", self.ticket) != self.ticket:
            return _json({"errcode": 95007, "errmsg": "invalid msg token"})
        begin = int(body["cursor"] or 0)
        most = min(self.page, body["limit"])
        all_of_it = self.entries[body["open_kfid"]]
        found = all_of_it[begin : begin + most]
        end = begin + len(found)
        more = int(end < len(all_of_it))
        return _json({**OK, "next_cursor": str(end), "has_more": more, "msg_list": found})

    async def _send(self, body: dict[str, Any]) -> Response:
        await asyncio.sleep(0)
        step = self.script.pop(0) if self.script else ""
        if isinstance(step, dict):
            return _json(step)
        if isinstance(step, int):
            return Response(status_code=429, headers={"retry-after": str(step)})
        refusal = self._refusal(body)
        if refusal:
            return _json(refusal)
        self.used.add((body["open_kfid"], body["msgid"]))
        self.left[body["touser"]] -= 1
        self.sent.append(body)
        if step == "unknown":
            return Response("bad gateway", 502)
        if step == "hang":
            await asyncio.Event().wait()
        return _json({**OK, "msgid": body["msgid"]})

    def _refusal(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if not _ID.fullmatch(body["msgid"]):
            return {"errcode": 40058, "errmsg": "msgid exceed max length"}
        if (body["open_kfid"], body["msgid"]) in self.used:
            return {"errcode": 40058, "errmsg": "msgid is used already"}
        if self.states.get(body["touser"], 4) not in (0, 1):
            return {"errcode": 95018, "errmsg": "send msg session status invalid"}
        if self.left[body["touser"]] <= 0:
            return {"errcode": 95001, "errmsg": "send msg count limit"}
        if not self._in_limits(body):
            return {"errcode": 40058, "errmsg": "too long"}
        return None

    @staticmethod
    def _in_limits(body: dict[str, Any]) -> bool:
        match body["msgtype"]:
            case "text":
                return 0 < len(body["text"]["content"].encode()) <= MAX_BYTES
            case "msgmenu":
                menu = body["msgmenu"]
                choices = [choice["click"] for choice in menu["list"]]
                return (
                    len(menu["head_content"].encode()) <= 1024
                    and 0 < len(choices) <= 10
                    and all(0 < len(choice["content"].encode()) <= 128 for choice in choices)
                    and all(0 < len(choice["id"].encode()) <= 64 for choice in choices)
                )
            case _:
                return True

    async def _upload(self, request: Request, type: str) -> Response:
        if self._void(request):
            return _json({"errcode": 42001, "errmsg": "access_token expired"})
        async with request.form() as form:
            media = form["media"]
            assert isinstance(media, UploadFile)
            data = await media.read()
            self.uploads.append((type, media.filename or ""))
        if type not in {"image", "voice", "video", "file"}:
            return _json({"errcode": 40005, "errmsg": "invalid type"})
        media_id = f"media-{len(self.media)}"
        self.media[media_id] = data
        return _json({**OK, "type": type, "media_id": media_id, "created_at": "1380000000"})

    async def _get(self, request: Request, media_id: str) -> Response:
        if self.broken_fetches:
            self.broken_fetches -= 1
            return _json({"errcode": -1, "errmsg": "system busy"})
        if self._void(request):
            return _json({"errcode": 40014, "errmsg": "invalid access_token"})
        if media_id not in self.media:
            return _json({"errcode": 40007, "errmsg": "invalid media_id"})
        named = {"content-disposition": f'attachment; filename="{media_id}"'}
        kind = "text/plain" if media_id.endswith("txt") else "image/png"
        return Response(self.media[media_id], media_type=kind, headers=named)


class WecomPlatform(Platform):
    """Callbacks signed and encrypted by wechatpy. What was written has arrived once it is pulled:
    WeCom takes the cursor for the acknowledgement."""

    outages = frozenset({"rate_limit", "server_error", "unknown", "blocked", "hang"})
    gives_files = takes_files = True

    def __init__(self, account: Account = ACCOUNT) -> None:
        self.account = account
        self.api = WecomApi()
        self.tickets = 0

    def attach(self, house: House) -> Channel:
        self.channel = WecomChannel(
            self.account, house.database, house.live, house.inbox.keep, LABELS, self.api.client()
        )
        return self.channel

    def fail(self, outage: str, times: int = 1, wait: timedelta | None = None) -> None:
        steps: dict[str, dict[str, Any] | str | int] = {
            "rate_limit": {"errcode": 45009, "errmsg": "reach max api minute quota limit"},
            "server_error": {"errcode": -1, "errmsg": "system busy"},
            "blocked": {"errcode": 40096, "errmsg": "invalid external userid"},
        }
        step = int(wait.total_seconds()) if wait else steps.get(outage, outage)
        self.api.script += [step] * times

    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        self.api.says(who, outside_id, content=text)
        return await self.tell(http)

    async def tell(self, http: httpx.AsyncClient) -> int:
        """The callback that something was written, and the pull that follows it."""
        status = (await self.callback(http)).status_code
        await self.pull()
        return status

    async def pull(self) -> None:
        while await self.channel.puller.work():
            pass

    async def callback(
        self, http: httpx.AsyncClient, event: str = "kf_msg_or_event", kfid: str = KFID
    ) -> httpx.Response:
        self.tickets += 1
        self.api.ticket = f"ENC{self.tickets}"
        tags = f"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event>"
        tags += (
            f"<Token><![CDATA[{self.api.ticket}]]></Token><OpenKfId><![CDATA[{kfid}]]></OpenKfId>"
        )
        body = f"<xml><ToUserName><![CDATA[{CORPID}]]></ToUserName>{tags}</xml>"
        return await self.deliver(http, body)

    async def deliver(
        self, http: httpx.AsyncClient, body: str, corpid: str = CORPID
    ) -> httpx.Response:
        stamp, nonce = "1409659813", "1372623149"
        hidden = WeChatCrypto(TOKEN, AES_KEY, corpid).encrypt_message(body, nonce, stamp)
        signed = hidden.split("<MsgSignature><![CDATA[")[1].split("]]>")[0]
        query = {"timestamp": stamp, "nonce": nonce, "msg_signature": signed}
        return await http.post(PATH, params=query, content=hidden.encode())

    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        return self.api.texts(who)

    async def write_file(
        self, http: httpx.AsyncClient, outside_id: str, data: bytes | None, who: str = "ann"
    ) -> int:
        if data is not None:
            self.api.media[f"in-{outside_id}"] = data
        self.api.says(who, outside_id, "image", media_id=f"in-{outside_id}")
        return await self.tell(http)

    async def files_shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[bytes]:
        return self.api.files(who)

    def break_fetches(self, times: int) -> None:
        self.api.broken_fetches = times

    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        wrong = {"timestamp": "1", "nonce": "n", "msg_signature": "é"}
        replies = [
            await http.post(PATH, params=wrong, content=b"<xml><Encrypt>QUJD</Encrypt></xml>"),
            await http.post(PATH, content=b""),
            await http.get(PATH),
            await self.deliver(http, "<xml><OpenKfId>wk"),
            await self.deliver(http, "<xml>words</xml>"),
            await self.deliver(http, "<xml></xml>", corpid="ww0000000000000000"),
            await self.callback(http, "kf_account_auth_change"),
            await self.callback(http, kfid="k" * 65),
        ]
        self.api.entries[KFID] += [
            None,
            [],
            "words",
            {"msgtype": "text", "origin": 3, "text": {"content": "from nobody"}},
            {"msgtype": "text", "origin": 3, "external_userid": "ann", "text": "no id"},
            {"msgtype": "event", "event": "none"},
            {"msgtype": "event", "external_userid": "ann", "event": {"event_type": "of 2030"}},
            {"msgid": "m" * 200, "external_userid": "ann", "origin": 3, "msgtype": "text"},
        ]
        return [reply.status_code for reply in replies] + [await self.tell(http)]


def sealed(words: str, corpid: str = CORPID) -> dict[str, str]:
    """The query of the platform's question whether an address is ours."""
    hidden = PrpCrypto(WeChatCrypto(TOKEN, AES_KEY, CORPID).key).encrypt(words, corpid).decode()
    signer = WeChatSigner()
    signer.add_data(TOKEN, "1", "2", hidden)
    return {"timestamp": "1", "nonce": "2", "msg_signature": signer.signature, "echostr": hidden}


def _json(body: dict[str, Any]) -> Response:
    """Escaped: half a surrogate survives it."""
    return Response(json.dumps(body), media_type="application/json")
