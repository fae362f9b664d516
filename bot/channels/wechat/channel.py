"""A WeChat official account as a channel: pushes come in, answers leave by custom/send.

The platform pushes a message up to three times if we do not answer within 5 s. It is stored, and
then answered: with what the customer reads, where that is there in time (``passive.py``), else with
``success``, and what he reads is sent afterwards.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.background import BackgroundTask

from bot.channels.base import Accept, Accepted, NeedsCustomer, Part, SendFailed, Unreachable
from bot.channels.tencent import callback, xml
from bot.channels.tencent import media as tencent
from bot.channels.tencent.api import Api, Reply
from bot.channels.tencent.crypto import SafeMode, genuine, signature
from bot.channels.tencent.token import Token
from bot.channels.thinking import Thinking
from bot.channels.wechat import media
from bot.channels.wechat.account import Account, Credentials
from bot.channels.wechat.convert import NAME, to_inbound
from bot.channels.wechat.passive import HOLD, PassiveReplies, Taken
from bot.channels.wechat.policy import WeChatPolicy
from conversations.schemas import Capabilities
from store import clock
from store.errors import Forbidden, Invalid, TooLong

log = logging.getLogger(__name__)

PATH = "/wechat"
MAX_BYTES = 2048
"""Bytes of one text by custom/send; a longer one is refused with 45002."""
QUOTA = 5
"""Messages after each one of the customer's, within 48 hours."""
TYPING_SECONDS = 10.0
"""WeChat shows it for fifteen."""

_SPENT = frozenset({45015, 45047})
"""More than 48 hours since the customer's last message; more than the quota."""

Resume = Callable[[int], Awaitable[None]]
"""Tells the outbox that the customer of a conversation wrote: the quota is whole again."""


class WeChatChannel:
    """``labels`` are the texts of the room ``wechat``. SettingsError for an unusable key.

    Without ``replies`` pushes are answered ``success`` alone, and typing is not shown.
    """

    def __init__(
        self,
        account: Account,
        accept: Accept,
        resume: Resume,
        labels: Mapping[str, str],
        client: httpx.AsyncClient | None = None,
        replies: PassiveReplies | None = None,
        policy: WeChatPolicy | None = None,
    ) -> None:
        self._account = account
        self._accept = accept
        self._resume = resume
        self._labels = labels
        key = account.aes_key
        self._safe = SafeMode(key, account.appid, "COURIER_WECHAT_AES_KEY") if key else None
        self._api = Api(account.api, client)
        self._token = Token(lambda: stable_token(self._api, account))
        self._replies = replies
        self._policy = policy or WeChatPolicy()
        self._thinking = (
            Thinking(replies.database, NAME, account.appid, self._type, TYPING_SECONDS)
            if replies and account.custom_send
            else None
        )

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        if not self._account.custom_send:
            return Capabilities(max_length=MAX_BYTES, unit="bytes", reply_quota=0)
        return Capabilities(
            max_length=MAX_BYTES,
            unit="bytes",
            reply_quota=QUOTA,
            typing=True,
            files=media.CARRIED,
            nudges=bool(self._account.template),
        )

    async def close(self) -> None:
        if self._thinking:
            await self._thinking.stop()
        await self._api.close()

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.get(PATH)
        async def verify(request: Request) -> Response:
            """The platform's question whether this address knows the token."""
            self._check(request)
            echo = request.query_params.get("echostr", "")
            return PlainTextResponse(echo, headers={"x-content-type-options": "nosniff"})

        @routes.post(PATH)
        async def push(request: Request) -> Response:
            body = await callback.body(request)
            if self._safe is None:
                self._check(request)
            else:
                query = request.query_params
                body = callback.pushed(query, body, self._account.token, self._safe)
            taken, answered = await self._answer(request, body)
            if taken is None or self._replies is None:
                return PlainTextResponse(callback.DONE)
            said = BackgroundTask(self._replies.said, taken)
            return Response(answered, media_type="application/xml", background=said)

        return routes

    async def send(self, part: Part) -> str | None:
        """WeChat gives no id for a message; a repeat would be shown twice."""
        if part.file is None:
            shown: dict[str, object] = {"msgtype": "text", "text": {"content": part.text}}
        else:
            shown = await media.shown(self._api, self._token, part.file)
        await self._post("custom/send", {"touser": part.address, **shown})
        return None

    async def nudge(self, address: str, text: str) -> None:
        """The company's template message, if it named one."""
        if self._account.template and self._replies:
            at = f"{clock.now().astimezone(self._replies.texts.zone):%Y年%m月%d日 %H:%M}"
            data = self._policy.data(text, at)
            body = {"touser": address, "template_id": self._account.template, "data": data}
            await self._post("template/send", body)

    async def _post(self, what: str, body: dict[str, Any]) -> None:
        path = f"/cgi-bin/message/{what}"
        reply = await self._token.use(lambda value: self._api.post(path, body, access_token=value))
        if reply.code in _SPENT:
            raise NeedsCustomer(reply.reason)
        if reply.code != 0:
            raise tencent.refused(reply, media.ASLEEP)

    async def _type(self, address: str) -> None:
        try:
            await self._post("custom/typing", {"touser": address, "command": "Typing"})
        except SendFailed as error:
            log.info("typing was not shown: %s", error)

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        """A customer's file by its MediaId, which the platform keeps for three days."""
        if account != self._account.appid:
            raise Unreachable("this customer belongs to another account than the one switched on")
        return await tencent.fetch(self._api, self._token, reference, most, media.ASLEEP)

    async def _answer(self, request: Request, body: bytes) -> tuple[Taken | None, str]:
        """What leaves as the answer to a push, claimed, and as the platform reads it."""
        push, accepted = await self._take(body)
        if accepted is None or not self._speaks(body):
            return None, ""
        assert self._replies is not None
        taken = await self._replies.take(accepted, self.capabilities, request.is_disconnected)
        return taken, self._written(push, taken.text) if taken else ""

    def _speaks(self, body: bytes) -> bool:
        """Whether pushes are answered with words. How an answer in JSON looks is published nowhere,
        so accounts that chose JSON are written to by custom/send alone."""
        if not body.lstrip().startswith(b"{"):
            return self._replies is not None and self._account.passive
        if not self._account.custom_send:
            log.error(
                "WeChat pushes JSON, and COURIER_WECHAT_CUSTOM_SEND=no: no answer can reach the "
                "customers. Choose XML (消息推送, 数据格式) on the account's page."
            )
        return False

    async def _take(self, body: bytes) -> tuple[xml.Push, Accepted | None]:
        """Store what the customer said. What cannot be kept is acknowledged too: the same push
        would come twice more and be no better."""
        push: xml.Push = {}
        try:
            push = xml.read(body)
            inbound = to_inbound(push, self._account.appid, self._labels)
            if inbound is None:
                return push, None
            if self._speaks(body):
                inbound = replace(inbound, hold=HOLD)
            accepted = await self._accept(inbound)
            await self._resume(accepted.conversation_id)
        except (Invalid, TooLong) as error:
            log.info("a push from WeChat was not kept: %s", error)
            return push, None
        if self._thinking and accepted.new:
            self._thinking.about(inbound.address)
        return push, accepted

    def _written(self, push: xml.Push, text: str) -> str:
        """A text as the answer to a push; hidden and signed in safe mode."""
        now = int(clock.now().timestamp())
        answer = xml.write(
            {
                "ToUserName": xml.word(push, "FromUserName"),
                "FromUserName": xml.word(push, "ToUserName"),
                "CreateTime": now,
                "MsgType": "text",
                "Content": text,
            }
        )
        if self._safe is None:
            return answer
        cipher, stamp, nonce = self._safe.seal(answer.encode()), str(now), secrets.token_hex(8)
        return xml.write(
            {
                "Encrypt": cipher,
                "MsgSignature": signature(self._account.token, stamp, nonce, cipher),
                "TimeStamp": now,
                "Nonce": nonce,
            }
        )

    def _check(self, request: Request) -> None:
        """Forbidden unless the request is signed with the account's token."""
        words = (request.query_params.get(name, "") for name in ("timestamp", "nonce"))
        if not genuine(request.query_params.get("signature", ""), self._account.token, *words):
            raise Forbidden("a request that WeChat did not sign")


async def stable_token(api: Api, account: Credentials) -> Reply:
    """Ask for the account's token in normal mode."""
    asked = {"appid": account.appid, "secret": account.secret}
    return await api.post("/cgi-bin/stable_token", {"grant_type": "client_credential", **asked})
