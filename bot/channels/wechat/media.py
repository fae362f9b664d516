"""Files of an official account: customers' are fetched, ours are uploaded before they are sent.

Limits and kinds: the platform's page on temporary media (新增临时素材). What is uploaded, and what
a customer sent, is kept there for three days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from bot.channels.base import File, TryLater, UnknownResult, Unreachable
from bot.channels.wechat import token
from bot.channels.wechat.api import Api, Reply
from conversations.files import ending

MEGABYTE = 1024 * 1024
CARRIED = {
    "image/jpeg": 10 * MEGABYTE,
    "image/png": 10 * MEGABYTE,
    "image/gif": 10 * MEGABYTE,
    "audio/amr": 2 * MEGABYTE,
    "audio/mpeg": 2 * MEGABYTE,
    "video/mp4": 10 * MEGABYTE,
}
"""Media types with the largest size. There are no documents on an official account."""

ASLEEP = {
    -1: None,  # the platform is busy: try again soon
    45009: timedelta(hours=1),  # the account's calls of the day are used up
    45011: timedelta(minutes=1),  # too many calls in this minute
}
Answer = TypeVar("Answer", Reply, Reply | bytes)


async def with_token(access: token.Token, call: Callable[[str], Awaitable[Answer]]) -> Answer:
    """What ``call`` answers; asked once more with a fresh token if the first was void."""
    value = await access.get()
    reply = await call(value)
    if isinstance(reply, Reply) and reply.code in token.VOID:
        reply = await call(await access.get(void=value))
    return reply


def refused(reply: Reply) -> TryLater | Unreachable:
    """What a refusal means for the outbox."""
    if reply.code in ASLEEP:
        return TryLater(reply.reason, after=ASLEEP[reply.code])
    if reply.code in token.VOID:
        return TryLater(reply.reason, after=timedelta(minutes=1))
    return Unreachable(reply.reason)


async def upload(api: Api, access: token.Token, file: File) -> dict[str, object]:
    """The part of a message that shows ``file``. Every failure means that nothing was sent."""
    kind = file.media_type.partition("/")[0].replace("audio", "voice")
    data = await asyncio.to_thread(file.path.read_bytes)
    name = f"{kind}{ending(file.media_type)}"  # others than ASCII are refused
    try:
        reply = await with_token(
            access,
            lambda value: api.upload(
                "/cgi-bin/media/upload", name, data, access_token=value, type=kind
            ),
        )
    except UnknownResult as error:
        raise TryLater(f"not uploaded: {error}") from error
    if reply.code != 0:
        raise refused(reply)
    shown = {"media_id": reply.text("media_id")}
    return {"msgtype": kind, kind: shown | ({"title": file.name} if kind == "video" else {})}


async def fetch(api: Api, access: token.Token, media_id: str, most: int) -> bytes:
    """A customer's file; of a video the platform tells only where it lies."""
    found = await with_token(
        access,
        lambda value: api.download(
            "/cgi-bin/media/get", most, access_token=value, media_id=media_id
        ),
    )
    if isinstance(found, Reply) and found.code == 0:
        found = await api.download(found.text("video_url"), most)
    if isinstance(found, Reply):
        raise refused(found)
    return found
