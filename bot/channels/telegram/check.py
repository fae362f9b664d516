"""``./courier channels check``: whether Telegram is set up, and where to get what is missing."""

from __future__ import annotations

from telegram import ChatMemberAdministrator, ChatMemberOwner

from bot.channels.base import SendFailed, Unreachable
from bot.channels.telegram import webhook
from bot.channels.telegram.client import Client, TokenRefused
from bot.channels.telegram.desk.mirror import PROBLEMS, problem_of
from bot.settings import TelegramSettings
from handoff.models import TopicProblem


async def check(settings: TelegramSettings | None) -> tuple[bool, str]:
    """Whether it works, and a sentence for people. Changes nothing at Telegram's."""
    if settings is None:
        return True, (
            "telegram: off. Write /newbot to @BotFather on Telegram and put the token it gives "
            "into COURIER_TELEGRAM_TOKEN."
        )
    client = Client(settings.token, settings.api)
    try:
        name = await client.name()
        found = await client.webhook()
        faults = [fault for chat in settings.desk.values() if (fault := await _group(client, chat))]
    except TokenRefused:
        return False, (
            "telegram: COURIER_TELEGRAM_TOKEN is refused; copy it again from @BotFather (/mybots)."
        )
    except SendFailed as error:
        return False, f"telegram: out of reach ({error}); behind a proxy set HTTPS_PROXY."
    finally:
        await client.close()
    if faults:
        return False, "\n".join(f"telegram: {fault}." for fault in faults)
    if not settings.webhook_url:
        return True, f"telegram: {name} answers; the service asks for messages (no address set)."
    if found.url != f"{settings.webhook_url}{webhook.PATH}":
        return True, f"telegram: {name} answers; deliveries begin when the service starts."
    if found.last_error_message:
        return False, (
            f"telegram: {name} answers, but cannot deliver to {found.url}: "
            f"{found.last_error_message} ({found.pending_update_count} wait)."
        )
    waiting = found.pending_update_count
    return True, f"telegram: {name} answers and delivers to {found.url} ({waiting} wait)."


async def _group(client: Client, chat: int) -> str | None:
    """What keeps the small desk out of a group, if anything does."""
    try:
        group, bot = await client.standing(chat)
    except Unreachable as error:
        problem = problem_of(error)
    else:
        may = isinstance(bot, ChatMemberOwner) or (
            isinstance(bot, ChatMemberAdministrator)
            and bool(bot.can_manage_topics and bot.can_pin_messages)
        )
        if group.is_forum and may:
            return None
        problem = TopicProblem.NO_RIGHTS if group.is_forum else TopicProblem.NOT_FORUM
    return f"group {chat} of COURIER_TELEGRAM_DESK: {PROBLEMS[problem]}"
