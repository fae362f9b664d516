"""The Bot API by python-telegram-bot's ExtBot, its failures sorted into our three kinds.

ExtBot is never ``initialize()``d: its refusal would carry the token in the exception's text.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TypeVar

import httpx
from telegram import (
    ChatFullInfo,
    ChatMember,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Update,
    WebhookInfo,
)
from telegram.constants import ChatAction
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.ext import ExtBot
from telegram.request import HTTPXRequest
from telegram.warnings import PTBDeprecationWarning

from bot.channels.base import File, SendFailed, TryLater, UnknownResult, Unreachable
from store.errors import FileTooBig

KINDS = ("message", "edited_message", "callback_query")
"""The updates we ask for."""

TELEGRAM = "https://api.telegram.org"
POLL_SECONDS = 25
MOST = 50_000_000
"""Bytes of a file that a bot may send; of a photo PHOTO_MOST. It may fetch up to 20 MB."""
PHOTO_MOST = 10_000_000
_SENT_AS = {
    "image/jpeg": "photo",
    "image/png": "photo",
    "image/webp": "photo",
    "audio/ogg": "voice",
    "audio/mpeg": "voice",
    "audio/mp4": "voice",
    "video/mp4": "video",
}
"""What Telegram shows as more than a document (https://core.telegram.org/bots/api#sendvoice)."""
CHATTY = ("httpx", "telegram.Bot", "telegram.ext.ExtBot", "telegram.request.HTTPXRequest")
"""Loggers that see an address or an answer. A filter works on its own logger only, not below it."""

# Version 22 gives whole seconds, and says at each of them that 23 will give a timedelta.
warnings.filterwarnings("ignore", category=PTBDeprecationWarning, message=".*`retry_after`")
T = TypeVar("T")
log = logging.getLogger(__name__)


class Moved(SendFailed):
    """The group has become a supergroup with the id ``chat``; nothing was sent."""

    def __init__(self, chat: int) -> None:
        super().__init__("the group has a new id")
        self.chat = chat


class TokenRefused(TryLater):
    """Telegram does not know the token (any more)."""


class WithoutToken(logging.Filter):
    """Takes a bot's token out of a log line: httpx writes every address at INFO."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if self._token in message:
            record.msg, record.args = hide(message, self._token), ()
        return True


def hide(text: str, token: str) -> str:
    """``text`` without the token."""
    return text.replace(token, "<token>")


class Client:
    """One bot. ``account`` is its numeric id, the token's first half.

    ``say`` and ``updates`` raise a SendFailed; what is only a courtesy raises nothing.
    """

    def __init__(self, token: str, api: str = "") -> None:
        self._token = token
        self.account = token.partition(":")[0]
        for name in CHATTY:
            logging.getLogger(name).addFilter(WithoutToken(token))
        self._requests = (_connections(48), _connections(1))
        self._bot: ExtBot[None] = ExtBot(
            token,
            base_url=f"{api or TELEGRAM}/bot",
            base_file_url=f"{api or TELEGRAM}/file/bot",
            request=self._requests[0],
            get_updates_request=self._requests[1],
        )

    async def say(
        self,
        chat: int,
        text: str,
        buttons: Sequence[tuple[str, str]] = (),
        topic: int | None = None,
    ) -> str:
        """Send words; ``buttons`` are (title, opaque id), one a row. The message's id."""
        rows = [[InlineKeyboardButton(title, callback_data=key)] for title, key in buttons]
        sent = await self._sorted(
            self._bot.send_message(
                chat,
                text,
                message_thread_id=topic,
                reply_markup=InlineKeyboardMarkup(rows) if rows else None,
            )
        )
        return str(sent.message_id)

    async def create_topic(self, chat: int, name: str) -> int:
        """A new topic in a forum; its number."""
        made = await self._sorted(self._bot.create_forum_topic(chat, name))
        return made.message_thread_id

    async def reopen_topic(self, chat: int, topic: int) -> None:
        await self._sorted(self._bot.reopen_forum_topic(chat, topic))

    async def close_topic(self, chat: int, topic: int) -> None:
        await self._sorted(self._bot.close_forum_topic(chat, topic))

    async def pin(self, chat: int, message: int) -> None:
        """Nobody is notified."""
        await self._sorted(self._bot.pin_chat_message(chat, message, disable_notification=True))

    async def standing(self, chat: int) -> tuple[ChatFullInfo, ChatMember]:
        """A group, and the bot in it."""
        group = await self._sorted(self._bot.get_chat(chat))
        return group, await self._sorted(self._bot.get_chat_member(chat, int(self.account)))

    async def send_file(self, chat: int, file: File) -> str:
        """Send a file as what Telegram can show of it, else as a document. The message's id."""
        data = await asyncio.to_thread(file.path.read_bytes)
        match _SENT_AS.get(file.media_type):
            case "photo" if file.size <= PHOTO_MOST:
                call = self._bot.send_photo(chat, data, filename=file.file_name)
            case "voice":
                call = self._bot.send_voice(chat, data, filename=file.file_name)
            case "video":
                call = self._bot.send_video(chat, data, filename=file.file_name)
            case _:
                call = self._bot.send_document(chat, data, filename=file.file_name)
        return str((await self._sorted(call)).message_id)

    async def fetch(self, file_id: str, most: int) -> bytes:
        """The bytes of a file that somebody sent to the bot. FileTooBig above ``most`` bytes, and
        above the 20 MB that Telegram lets a bot have."""
        try:
            found = await self._sorted(self._bot.get_file(file_id))
        except Unreachable as error:
            if "too big" in str(error):
                raise FileTooBig(most) from None
            raise
        if found.file_size and found.file_size > most:
            raise FileTooBig(most)
        return bytes(await self._sorted(found.download_as_bytearray()))

    async def typing(self, chat: int) -> None:
        await self._courtesy(self._bot.send_chat_action(chat, ChatAction.TYPING))

    async def answer(self, callback_id: str, text: str) -> None:
        """End the button's waiting sign; ``text`` (200 characters) is shown briefly."""
        await self._courtesy(self._bot.answer_callback_query(callback_id, text=text[:200]))

    async def updates(self, offset: int) -> Sequence[Update]:
        """Wait for what comes from update ``offset`` on; those before it are confirmed."""
        return await self._sorted(
            self._bot.get_updates(offset=offset, timeout=POLL_SECONDS, allowed_updates=KINDS)
        )

    async def set_webhook(self, url: str, secret: str) -> None:
        await self._sorted(
            self._bot.set_webhook(url, secret_token=secret, allowed_updates=list(KINDS))
        )

    async def delete_webhook(self) -> None:
        """What Telegram still holds stays there for the polling."""
        await self._sorted(self._bot.delete_webhook())

    async def name(self) -> str:
        """The bot's own @name: that Telegram knows the token."""
        user = await self._sorted(self._bot.get_me())
        return f"@{user.username}" if user.username else user.full_name

    async def webhook(self) -> WebhookInfo:
        """Where Telegram delivers, how much waits there, and its last failure."""
        return await self._sorted(self._bot.get_webhook_info())

    async def close(self) -> None:
        for request in self._requests:
            await request.shutdown()

    async def _courtesy(self, call: Awaitable[object]) -> None:
        try:
            await call
        except TelegramError as error:
            log.info("telegram: %s", self._text(error))

    async def _sorted(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except TelegramError as error:
            # From None: the library's own error may quote the address, and so the token.
            raise self._kind(error) from None

    def _kind(self, error: TelegramError) -> SendFailed:
        text = self._text(error)
        match error:
            case ChatMigrated():
                return Moved(error.new_chat_id)
            case RetryAfter():
                return TryLater(text, after=_wait(error))
            case Forbidden() | BadRequest():
                return Unreachable(text)
            case InvalidToken():
                return TokenRefused(text)
            case NetworkError() if isinstance(
                error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
            ):
                return TryLater(text)  # no connection, so nothing left the house
        return UnknownResult(text)

    def _text(self, error: TelegramError) -> str:
        return hide(f"{type(error).__name__}: {error}", self._token)


def _connections(count: int) -> HTTPXRequest:
    """The waits of one send together must end before the outbox's lease of 30 s."""
    return HTTPXRequest(
        connection_pool_size=count,
        connect_timeout=5.0,
        write_timeout=5.0,
        read_timeout=10.0,
        pool_timeout=3.0,
    )


def _wait(error: RetryAfter) -> timedelta:
    wait = error.retry_after
    return wait if isinstance(wait, timedelta) else timedelta(seconds=wait)
