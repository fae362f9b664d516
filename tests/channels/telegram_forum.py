"""A supergroup with topics, beside the emulator, which knows none. Its answers have the fields of
Telegram's own list, and the peer holds every request to that list.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.channels.telegram_peer import ACCOUNT, Peer, refusal

GROUP = -1001234567890
CHAT = {"id": GROUP, "type": "supergroup", "title": "Night team", "is_forum": True}
RIGHTS = (
    "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages",
    "can_manage_video_chats", "can_restrict_members", "can_promote_members", "can_change_info",
    "can_invite_users", "can_post_stories", "can_edit_stories", "can_delete_stories",
)  # fmt: skip


@dataclass
class Shown:
    """A topic as people see it."""

    name: str
    open: bool = True
    texts: list[str] = field(default_factory=list)
    pinned: list[str] = field(default_factory=list)


class Forum:
    """``faults`` are refusals by method; ``script`` is suffered by the next calls in order."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.topics: dict[int, Shown] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.script: list[tuple[str, str]] = []
        self.is_forum = True
        self.status = "administrator"
        self.messages: dict[int, tuple[int, str]] = {}
        self._next = 100
        peer.beside = self.answer

    @property
    def only(self) -> Shown:
        (topic,) = self.topics.values()
        return topic

    def delete(self, thread: int) -> None:
        del self.topics[thread]

    async def answer(self, method: str, fields: dict[str, Any]) -> web.Response | None:
        if fields.get("chat_id") != GROUP:
            return None
        if method in self.refusals:
            return refusal(*self.refusals[method])
        outage = ""
        if self.script and self.script[0][0] == method:
            outage = self.script.pop(0)[1]
        if outage.startswith("wait "):
            seconds = int(outage.removeprefix("wait "))
            return refusal(429, "Too Many Requests", retry_after=seconds)
        try:
            result = getattr(self, f"_{method}")(fields)
        except LookupError:
            return refusal(400, "Bad Request: message thread not found")
        if outage == "hang":
            await asyncio.sleep(60)
        if outage == "lost":
            return web.Response(status=502, text="<html>Bad Gateway</html>")
        return web.json_response({"ok": True, "result": result})

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _createForumTopic(self, fields: dict[str, Any]) -> dict[str, Any]:
        number = self._number()
        self.topics[number] = Shown(str(fields["name"]))
        icon = {"icon_color": 7322096}
        return {"message_thread_id": number, "name": str(fields["name"]), **icon}

    def _reopenForumTopic(self, fields: dict[str, Any]) -> bool:
        self.topics[fields["message_thread_id"]].open = True
        return True

    def _closeForumTopic(self, fields: dict[str, Any]) -> bool:
        self.topics[fields["message_thread_id"]].open = False
        return True

    def _pinChatMessage(self, fields: dict[str, Any]) -> bool:
        thread, text = self.messages[fields["message_id"]]
        self.topics[thread].pinned.append(text)
        return True

    def _sendMessage(self, fields: dict[str, Any]) -> dict[str, Any]:
        number, thread, text = self._number(), fields.get("message_thread_id"), str(fields["text"])
        if thread is not None:
            self.topics[thread].texts.append(text)
            self.messages[number] = (thread, text)
        return {"message_id": number, "date": 1772416800, "chat": CHAT, "text": text}

    def _getChat(self, fields: dict[str, Any]) -> dict[str, Any]:
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription")
        accepted = dict.fromkeys((*gifts, "gifts_from_channels"), True)
        more = {"accent_color_id": 1, "max_reaction_count": 11, "accepted_gift_types": accepted}
        return CHAT | more | {"is_forum": self.is_forum}

    def _getChatMember(self, fields: dict[str, Any]) -> dict[str, Any]:
        me = {"id": int(ACCOUNT), "is_bot": True, "first_name": "Desk"}
        rights = dict.fromkeys(RIGHTS, False)
        topics = {"can_manage_topics": True, "can_pin_messages": True}
        return {"user": me, "status": self.status, **rights, **topics}
