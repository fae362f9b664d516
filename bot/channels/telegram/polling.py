"""How messages come: by deliveries to an address, or by asking for them where there is none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from telegram import Update

from bot.channels.base import SendFailed
from bot.channels.telegram.client import Client, TokenRefused

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
Wait = Callable[[float], Awaitable[None]]


async def poll(
    client: Client, take: Callable[[Update], Awaitable[None]], wait: Wait = asyncio.sleep
) -> None:
    """Ask for ever. An update is confirmed by the next question, once it is stored; one that cannot
    be stored now (the database is away) is asked for again, and those behind it wait."""
    offset = failures = 0
    while True:
        try:
            for update in await client.updates(offset):
                await take(update)
                offset, failures = update.update_id + 1, 0
        except SendFailed as error:
            log.warning("telegram cannot be asked: %s", error)
        except Exception:
            log.exception("telegram's updates from %s on failed, attempt %s", offset, failures + 1)
        else:
            failures = 0
            continue
        failures += 1
        await wait(_pause(failures))


async def until_done(what: str, call: Callable[[], Awaitable[None]], wait: Wait) -> None:
    """Repeat ``call`` until Telegram has done it; a refused token is said in one sentence."""
    failures = 0
    while True:
        try:
            return await call()
        except TokenRefused:
            log.error(
                "Telegram does not know COURIER_TELEGRAM_TOKEN; copy it again from @BotFather."
            )
        except SendFailed as error:
            log.warning("telegram %s: %s", what, error)
        failures += 1
        await wait(_pause(failures))


def _pause(failures: int) -> float:
    return min(LONGEST_WAIT, 2.0 ** min(failures - 1, 10))
