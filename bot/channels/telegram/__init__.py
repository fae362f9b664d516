"""Telegram: a bot's private chats and groups."""

from __future__ import annotations

from bot.channels.base import Accept
from bot.channels.telegram.channel import TelegramChannel
from bot.channels.telegram.client import Client
from bot.channels.telegram.desk import Groups
from bot.channels.telegram.desk.small import SmallDesk
from bot.channels.telegram.desk.words import TopicWords
from bot.channels.telegram.pace import new_pace
from bot.settings import TelegramSettings
from conversations.texts import Texts
from handoff.service import Handoffs
from store.engine import Database
from store.live import Live


def switch_on(
    settings: TelegramSettings,
    secret: str,
    database: Database,
    live: Live,
    accept: Accept,
    texts: Texts,
    handoffs: Handoffs | None = None,
    public_url: str = "",
) -> TelegramChannel:
    """The channel of these settings; ``secret`` is used where they give none. A small desk needs
    ``handoffs``, and ``public_url`` for links to the web desk."""
    client, pace = Client(settings.token, settings.api), new_pace()
    desk = None
    if settings.desk and handoffs is not None:
        words = TopicWords(texts, settings.desk_language, public_url)
        groups = Groups(settings.desk)
        desk = SmallDesk.open(client, database, live, handoffs, groups, words, pace)
    return TelegramChannel(
        client,
        database,
        live,
        accept,
        texts,
        secret=settings.secret or secret,
        webhook_url=settings.webhook_url,
        pace=pace,
        desk=desk,
    )
