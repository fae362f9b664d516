"""The small desk put together."""

from __future__ import annotations

from dataclasses import dataclass

from bot.channels.telegram.client import Client
from bot.channels.telegram.desk import Groups
from bot.channels.telegram.desk.hearing import Hearing
from bot.channels.telegram.desk.mirror import Mirror
from bot.channels.telegram.desk.words import TopicWords
from bot.channels.telegram.pace import Pace
from handoff.service import Handoffs
from store.engine import Database
from store.live import Live


@dataclass(frozen=True, slots=True)
class SmallDesk:
    """What of it the channel uses: the ears, and the loop that shows the record."""

    hearing: Hearing
    mirror: Mirror

    @classmethod
    def open(
        cls,
        client: Client,
        database: Database,
        live: Live,
        handoffs: Handoffs,
        groups: Groups,
        words: TopicWords,
        pace: Pace,
    ) -> SmallDesk:
        return cls(
            Hearing(database, live, handoffs, groups, words),
            Mirror(client, database, live, groups, words, pace),
        )
