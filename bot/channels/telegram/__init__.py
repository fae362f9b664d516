"""Telegram: a bot's private chats and groups."""

from __future__ import annotations

from bot.channels.base import Accept
from bot.channels.telegram.channel import TelegramChannel
from bot.channels.telegram.client import Client
from bot.settings import TelegramSettings
from conversations.texts import Texts
from store.engine import Database
from store.live import Live


def switch_on(
    settings: TelegramSettings,
    secret: str,
    database: Database,
    live: Live,
    accept: Accept,
    texts: Texts,
) -> TelegramChannel:
    """The channel of these settings; ``secret`` is used where they give none."""
    return TelegramChannel(
        Client(settings.token, settings.api),
        database,
        live,
        accept,
        texts,
        secret=settings.secret or secret,
        webhook_url=settings.webhook_url,
    )
