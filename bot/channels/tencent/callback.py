"""A request of the platform: whether it signed it, and what is hidden inside."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import Request

from bot.channels.tencent import xml
from bot.channels.tencent.crypto import SafeMode, genuine
from store.errors import Forbidden, Invalid, TooLong

log = logging.getLogger(__name__)

DONE = "success"
"""The answer that keeps a push from being repeated."""
MAX_BODY = 64_000


async def body(request: Request) -> bytes:
    """TooLong above MAX_BODY bytes, before more of it is read."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BODY:
            raise TooLong("body too long", limit=MAX_BODY)
    return bytes(found)


def pushed(query: Mapping[str, str], body: bytes, token: str, safe: SafeMode) -> bytes:
    """The push inside a cipher. Forbidden for a plain one: its signature would not cover it."""
    try:
        cipher = xml.word(xml.read(body), "Encrypt")
    except Invalid as error:
        raise Forbidden("safe mode, but not a cipher") from error
    return opened(query, cipher, token, safe)


def opened(query: Mapping[str, str], cipher: str, token: str, safe: SafeMode) -> bytes:
    """What a cipher hides. Forbidden unless it is signed with the account's token and key."""
    words = (query.get("timestamp", ""), query.get("nonce", ""), cipher)
    if not genuine(query.get("msg_signature", ""), token, *words):
        raise Forbidden("a cipher that the platform did not sign")
    try:
        return safe.open(cipher)
    except Invalid as error:
        # Signed, so it is the platform: the key or the id in the settings is another account's.
        log.warning("a push could not be opened: %s", error)
        raise Forbidden("a cipher for another key") from error
