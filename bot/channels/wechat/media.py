"""What an official account can carry (the platform's page on temporary media, 新增临时素材)."""

from __future__ import annotations

from datetime import timedelta

from bot.channels.base import File
from bot.channels.tencent import media
from bot.channels.tencent.api import Api
from bot.channels.tencent.media import MEGABYTE
from bot.channels.tencent.token import Token
from conversations.files import ending

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


async def shown(api: Api, token: Token, file: File) -> dict[str, object]:
    """The part of a message that shows ``file``."""
    kind = file.media_type.partition("/")[0].replace("audio", "voice")
    name = f"{kind}{ending(file.media_type)}"  # others than ASCII are refused
    named = await media.upload(api, token, file, kind, name, ASLEEP)
    return {"msgtype": kind, kind: named | ({"title": file.name} if kind == "video" else {})}
