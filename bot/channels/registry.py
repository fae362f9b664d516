"""The channels of this installation, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from bot.channels.base import Channel
from conversations.schemas import Capabilities
from store.errors import NotFound

OURS = frozenset({"console", "telegram", "web", "wechat", "wecom"})
"""The channels we have, switched on or not; apps that speak by webhooks bring their own names."""


@runtime_checkable
class Connected(Protocol):
    """A channel that keeps connections to its platform."""

    async def close(self) -> None: ...


class Channels:
    """What is switched on. Unknown names raise NotFound, so a typo is never a silent loss."""

    def __init__(self, channels: Iterable[Channel] = ()) -> None:
        self._channels = {channel.name: channel for channel in channels}

    def add(self, channel: Channel) -> None:
        self._channels[channel.name] = channel

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._channels.values())

    def get(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            raise NotFound(f"channel {name} is not switched on")
        return channel

    def capabilities(self, name: str) -> Capabilities:
        """What a channel can; the least of all for one that is switched off."""
        channel = self._channels.get(name)
        return channel.capabilities if channel else Capabilities()

    async def close(self) -> None:
        """Let go the connections that channels keep, once nothing is sent any more."""
        for channel in self:
            if isinstance(channel, Connected):
                await channel.close()

    def any_quota(self) -> bool:
        """Whether some channel counts what is sent after each of the customer's messages."""
        return any(channel.capabilities.reply_quota is not None for channel in self)
