"""The calls of WeCom that customer service needs, each with the corporation's token.

Source: the platform's pages on customer service (微信客服) and its list of codes (全局错误码).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from bot.channels.base import File, NeedsCustomer, SendFailed, TryLater, UnknownResult, Unreachable
from bot.channels.tencent import media
from bot.channels.tencent.api import Api, Reply
from bot.channels.tencent.media import MEGABYTE
from bot.channels.tencent.token import Token
from bot.channels.wecom.account import Account
from bot.channels.wecom.convert import Person

CARRIED = {
    "image/jpeg": 10 * MEGABYTE,
    "image/png": 10 * MEGABYTE,
    "audio/amr": 2 * MEGABYTE,
    "video/mp4": 10 * MEGABYTE,
    "*": 20 * MEGABYTE,
}
"""Media types with the largest size; anything else is a document."""
_KINDS = {
    "image/jpeg": "image",
    "image/png": "image",
    "audio/amr": "voice",
    "video/mp4": "video",
}

ASLEEP = {
    -1: None,  # the platform is busy: try again soon
    6000: None,  # two calls met
    45009: timedelta(minutes=1),  # too many calls
    45033: None,  # too many calls at once
    60020: timedelta(minutes=10),  # our address is not on the list of trusted ones: yet
}
_SPENT = frozenset({95001, 95002, 95013})
"""More than five messages; more than 48 hours; the session has ended."""
_WRONG_STATE = 95018
_WITH_PEOPLE = frozenset({2, 3})
"""Session states: in the pool of WeCom's own colleagues, with one of them."""
_TO_COLLEAGUE = 3
_STALE_TICKET = 95007
_PAGE = 100
"""Messages of one answer: they are stored in one transaction."""
_MOST = 20 * MEGABYTE


class Wecom:
    """One corporation's customer service. ``client`` is the caller's own in tests."""

    def __init__(self, account: Account, client: httpx.AsyncClient | None = None) -> None:
        self._api = Api(account.api, client)
        self._account = account
        self._token = Token(self.ask_token)

    async def close(self) -> None:
        await self._api.close()

    async def ask_token(self) -> Reply:
        """WeCom takes the secret in the address only; httpx' line about it is kept from the log."""
        asked = {"corpid": self._account.corpid, "corpsecret": self._account.secret}
        return await self._api.get("/cgi-bin/gettoken", **asked)

    async def call(self, path: str, body: dict[str, Any]) -> Reply:
        """The answer, whatever its code. Raises TryLater or UnknownResult if there is none."""
        return await self._token.use(
            lambda value: self._api.post(f"/cgi-bin/kf/{path}", body, _MOST, access_token=value)
        )

    async def sync(self, kfid: str, cursor: str, ticket: str) -> Reply:
        """The entries after ``cursor``. WeCom answers at once to whoever has a fresh ticket, and
        seldom to others. Raises a SendFailed."""
        body = {"cursor": cursor, "limit": _PAGE, "voice_format": 0, "open_kfid": kfid}
        reply = await self.call("sync_msg", body | ({"token": ticket} if ticket else {}))
        if reply.code == _STALE_TICKET and ticket:
            reply = await self.call("sync_msg", body)
        if reply.code != 0:
            raise media.refused(reply, ASLEEP)
        return reply

    async def send(self, to: Person, msgid: str, shown: dict[str, Any]) -> str:
        """Send what ``shown`` says, at most once by this id; the platform's id. A SendFailed."""
        body = {"touser": to.address, "open_kfid": to.kfid, "msgid": msgid, **shown}
        reply = await self.call("send_msg", body)
        # WeCom promises an error for an id that was used, but no code for it. Ours are of the form
        # it wants, so a refusal that names the id says that it is there already.
        if reply.code == 0 or "msgid" in reply.reason:
            return msgid
        raise await self._refused(to, reply)

    async def greet(self, code: str, text: str) -> None:
        """Words to somebody who has said nothing yet. Raises a SendFailed."""
        body = {"code": code, "msgtype": "text", "text": {"content": text}}
        reply = await self.call("send_msg_on_event", body)
        if reply.code != 0:
            raise media.refused(reply, ASLEEP)

    async def hand_over(self, person: Person, servicer: str) -> None:
        """Give the session to a colleague in WeCom's own client. Raises a SendFailed."""
        reply = await self.call(
            "service_state/trans",
            {
                "open_kfid": person.kfid,
                "external_userid": person.address,
                "service_state": _TO_COLLEAGUE,
                "servicer_userid": servicer,
            },
        )
        if reply.code != 0:
            raise media.refused(reply, ASLEEP)

    async def show(self, file: File) -> dict[str, Any]:
        """The part of a message that shows ``file``, uploaded. A SendFailed: nothing was sent."""
        kind = _KINDS.get(file.media_type, "file")
        named = await media.upload(self._api, self._token, file, kind, file.file_name, ASLEEP)
        return {"msgtype": kind, kind: named}

    async def fetch(self, media_id: str, most: int) -> bytes:
        """A customer's file. FileTooBig or a SendFailed."""
        return await media.fetch(self._api, self._token, media_id, most, ASLEEP)

    async def _refused(self, to: Person, reply: Reply) -> SendFailed:
        if reply.code in _SPENT:
            return NeedsCustomer(reply.reason)
        if reply.code != _WRONG_STATE:
            return media.refused(reply, ASLEEP)
        asked = {"open_kfid": to.kfid, "external_userid": to.address}
        try:
            state = await self.call("service_state/get", asked)
        except UnknownResult as error:
            return TryLater(f"{reply.reason}; {error}")
        if state.number("service_state") in _WITH_PEOPLE:
            return Unreachable(f"{reply.code} the session is with a colleague in WeCom")
        return NeedsCustomer(reply.reason)
