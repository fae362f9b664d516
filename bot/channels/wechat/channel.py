"""A WeChat official account as a channel: pushes come in, answers leave by custom/send.

The platform pushes a message up to three times if we do not answer within 5 s, so it is answered
``success`` as soon as it is stored; what the customer reads is sent afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from bot.channels.base import Accept, NeedsCustomer, Part, Unreachable
from bot.channels.tencent import callback, xml
from bot.channels.tencent import media as tencent
from bot.channels.tencent.api import Api, Reply
from bot.channels.tencent.crypto import SafeMode, genuine
from bot.channels.tencent.token import Token
from bot.channels.wechat import media
from bot.channels.wechat.account import Account
from bot.channels.wechat.convert import NAME, to_inbound
from conversations.schemas import Capabilities
from store.errors import Forbidden, Invalid, TooLong

log = logging.getLogger(__name__)

PATH = "/wechat"
MAX_BYTES = 2048
"""Bytes of one text by custom/send; a longer one is refused with 45002."""
QUOTA = 5
"""Messages after each one of the customer's, within 48 hours."""

_SPENT = frozenset({45015, 45047})
"""More than 48 hours since the customer's last message; more than the quota."""

Resume = Callable[[int], Awaitable[None]]
"""Tells the outbox that the customer of a conversation wrote: the quota is whole again."""


class WeChatChannel:
    """``labels`` are the texts of the room ``wechat``. SettingsError for an unusable key."""

    def __init__(
        self,
        account: Account,
        accept: Accept,
        resume: Resume,
        labels: Mapping[str, str],
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._account = account
        self._accept = accept
        self._resume = resume
        self._labels = labels
        key = account.aes_key
        self._safe = SafeMode(key, account.appid, "COURIER_WECHAT_AES_KEY") if key else None
        self._api = Api(account.api, client)
        self._token = Token(lambda: stable_token(self._api, account))

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_length=MAX_BYTES, unit="bytes", reply_quota=QUOTA, files=media.CARRIED
        )

    async def close(self) -> None:
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
            await self._take(body)
            return PlainTextResponse(callback.DONE)

        return routes

    async def send(self, part: Part) -> str | None:
        """WeChat gives no id for a message; a repeat would be shown twice."""
        if part.file is None:
            shown: dict[str, object] = {"msgtype": "text", "text": {"content": part.text}}
        else:
            shown = await media.shown(self._api, self._token, part.file)
        message = {"touser": part.address, **shown}
        path = "/cgi-bin/message/custom/send"
        reply = await self._token.use(
            lambda value: self._api.post(path, message, access_token=value)
        )
        if reply.code == 0:
            return None
        if reply.code in _SPENT:
            raise NeedsCustomer(reply.reason)
        raise tencent.refused(reply, media.ASLEEP)

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        """A customer's file by its MediaId, which the platform keeps for three days."""
        if account != self._account.appid:
            raise Unreachable("this customer belongs to another account than the one switched on")
        return await tencent.fetch(self._api, self._token, reference, most, media.ASLEEP)

    async def _take(self, body: bytes) -> None:
        """Store what the customer said. What cannot be kept is acknowledged too: the same push
        would come twice more and be no better."""
        try:
            inbound = to_inbound(xml.read(body), self._account.appid, self._labels)
            if inbound is not None:
                accepted = await self._accept(inbound)
                await self._resume(accepted.conversation_id)
        except (Invalid, TooLong) as error:
            log.info("a push from WeChat was not kept: %s", error)

    def _check(self, request: Request) -> None:
        """Forbidden unless the request is signed with the account's token."""
        words = (request.query_params.get(name, "") for name in ("timestamp", "nonce"))
        if not genuine(request.query_params.get("signature", ""), self._account.token, *words):
            raise Forbidden("a request that WeChat did not sign")


async def stable_token(api: Api, account: Account) -> Reply:
    """Ask for the account's token in normal mode."""
    asked = {"appid": account.appid, "secret": account.secret}
    return await api.post("/cgi-bin/stable_token", {"grant_type": "client_credential", **asked})
