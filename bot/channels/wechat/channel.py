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
from bot.channels.wechat import media, token, xml
from bot.channels.wechat.account import Account
from bot.channels.wechat.api import Api
from bot.channels.wechat.convert import NAME, to_inbound
from bot.channels.wechat.crypto import SafeMode, genuine
from conversations.schemas import Capabilities
from store.errors import Forbidden, Invalid, TooLong

log = logging.getLogger(__name__)

PATH = "/wechat"
MAX_BYTES = 2048
"""Bytes of one text by custom/send; a longer one is refused with 45002."""
QUOTA = 5
"""Messages after each one of the customer's, within 48 hours."""
MAX_BODY = 64_000
_DONE = "success"

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
        self._safe = SafeMode(account.aes_key, account.appid) if account.aes_key else None
        self._api = Api(account.api, client)
        self._token = token.Token(self._api, account.appid, account.secret)

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
            body = await _body(request)
            if self._safe is None:
                self._check(request)
            else:
                body = self._opened(request, body, self._safe)
            await self._take(body)
            return PlainTextResponse(_DONE)

        return routes

    async def send(self, part: Part) -> str | None:
        """WeChat gives no id for a message; a repeat would be shown twice."""
        if part.file is None:
            shown: dict[str, object] = {"msgtype": "text", "text": {"content": part.text}}
        else:
            shown = await media.upload(self._api, self._token, part.file)
        message = {"touser": part.address, **shown}
        path = "/cgi-bin/message/custom/send"
        reply = await media.with_token(
            self._token, lambda value: self._api.post(path, message, access_token=value)
        )
        if reply.code == 0:
            return None
        if reply.code in _SPENT:
            raise NeedsCustomer(reply.reason)
        raise media.refused(reply)

    async def fetch(self, account: str, reference: str, most: int) -> bytes:
        """A customer's file by its MediaId, which the platform keeps for three days."""
        if account != self._account.appid:
            raise Unreachable("this customer belongs to another account than the one switched on")
        return await media.fetch(self._api, self._token, reference, most)

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

    def _opened(self, request: Request, body: bytes, safe: SafeMode) -> bytes:
        """The push inside a cipher. Forbidden for a plain one: its signature would not cover it."""
        query = request.query_params
        try:
            cipher = xml.word(xml.read(body), "Encrypt")
        except Invalid as error:
            raise Forbidden("safe mode, but not a cipher") from error
        words = (query.get("timestamp", ""), query.get("nonce", ""), cipher)
        if not genuine(query.get("msg_signature", ""), self._account.token, *words):
            raise Forbidden("a cipher that WeChat did not sign")
        try:
            return safe.open(cipher)
        except Invalid as error:
            # Signed, so it is WeChat: the key or the app id in the settings is another account's.
            log.warning("a push from WeChat could not be opened: %s", error)
            raise Forbidden("a cipher for another key") from error


async def _body(request: Request) -> bytes:
    """TooLong above MAX_BODY bytes, before more of it is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLong("body too long", limit=MAX_BODY)
    return bytes(body)
