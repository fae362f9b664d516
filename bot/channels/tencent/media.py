"""Media of a platform: customers' are fetched, ours are uploaded before they are sent.

What is uploaded, and what a customer sent, is kept there for three days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from bot.channels.base import File, TryLater, UnknownResult, Unreachable
from bot.channels.tencent.api import Api, Reply
from bot.channels.tencent.token import VOID, Token

MEGABYTE = 1024 * 1024
Asleep = Mapping[int, timedelta | None]
"""Codes that mean "not now", with how long to wait if the platform says."""


def refused(reply: Reply, asleep: Asleep) -> TryLater | Unreachable:
    """What a refusal means for the outbox."""
    if reply.code in asleep:
        return TryLater(reply.reason, after=asleep[reply.code])
    if reply.code in VOID:
        return TryLater(reply.reason, after=timedelta(minutes=1))
    return Unreachable(reply.reason)


async def upload(
    api: Api, token: Token, file: File, kind: str, name: str, asleep: Asleep
) -> dict[str, str]:
    """How a message names ``file``, uploaded as ``kind``. Every failure means that nothing was
    sent."""
    data = await asyncio.to_thread(file.path.read_bytes)
    path = "/cgi-bin/media/upload"
    try:
        reply = await token.use(
            lambda value: api.upload(path, name, data, access_token=value, type=kind)
        )
    except UnknownResult as error:
        raise TryLater(f"not uploaded: {error}") from error
    if reply.code != 0:
        raise refused(reply, asleep)
    return {"media_id": reply.text("media_id")}


async def fetch(api: Api, token: Token, media_id: str, most: int, asleep: Asleep) -> bytes:
    """A customer's file; of a video an official account is told only where it lies."""
    path = "/cgi-bin/media/get"
    found = await token.use(
        lambda value: api.download(path, most, access_token=value, media_id=media_id)
    )
    if isinstance(found, Reply) and found.code == 0:
        found = await api.download(found.text("video_url"), most)
    if isinstance(found, Reply):
        raise refused(found, asleep)
    return found
