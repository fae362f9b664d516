"""WeChat's side in this process: pushes made by wechatpy, and a small server API."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import httpx
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner

from bot.channels.base import Channel
from bot.channels.wechat.account import Account
from bot.channels.wechat.channel import PATH, QUOTA, WeChatChannel
from bot.channels.wechat.passive import PassiveReplies
from bot.channels.wechat.policy import WeChatPolicy
from tests.channels.contract import Platform
from tests.channels.house import TEXTS, House
from tests.standins.wechat_api import AES_KEY, API, APPID, SECRET, TOKEN, WeChatApi

__all__ = ["AES_KEY", "API", "APPID", "SECRET", "TOKEN", "WeChatApi"]

SAFE = Account(APPID, SECRET, TOKEN, AES_KEY, API)
PLAIN = Account(APPID, SECRET, TOKEN, "", API)


class WeChatPlatform(Platform):
    """Pushes in safe mode, signed and encrypted by wechatpy; or plain ones."""

    outages = frozenset({"rate_limit", "server_error", "unknown", "blocked", "hang"})
    gives_files = takes_files = True

    def __init__(
        self, account: Account = SAFE, *, window: float = 3.5, policy: WeChatPolicy | None = None
    ) -> None:
        self.account = account
        self.api = WeChatApi()
        self.window = window
        self.policy = policy

    def attach(self, house: House) -> Channel:
        labels = TEXTS.room("zh", "wechat")
        accept, resume = house.inbox.accept, house.outbox.resume
        replies = PassiveReplies(house.database, house.live, TEXTS, self.window)
        return WeChatChannel(
            self.account, accept, resume, labels, self.api.client(), replies, self.policy
        )

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
