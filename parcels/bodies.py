"""Reading what a stranger sends, and no more of it than may be."""

from __future__ import annotations

from fastapi import Request

from store.errors import TooLong


async def read_body(request: Request, most: int) -> bytes:
    """The request's body as it came. TooLong above ``most`` bytes, before more of it is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLong("body too long", limit=most)
    return bytes(body)
