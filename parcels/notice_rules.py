"""``policies/notices.yml``: who is told what, when, and with how many words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from parcels.models import Scan, Status, SubStatus
from parcels.notice_models import Node
from store.policies import Policy, load

_BESIDES = frozenset({Node.INCIDENT})
"""Told of without a scan."""


class NodeRule(Policy):
    """Which states a node is (a status means all of its sub-states that no other node names).

    ``at_once``: not kept back to be merged with others; ``at_night``: told in quiet hours too.
    ``words`` name it in a customer's message ("only when it is delivered").
    """

    states: tuple[SubStatus | Status, ...] = ()
    at_once: bool = False
    at_night: bool = False
    words: tuple[str, ...]


class Quiet(Policy):
    """Hours of the company's wall clock, over midnight if they end before they begin."""

    begin: time = Field(alias="from")
    end: time = Field(alias="to")

    @model_validator(mode="after")
    def _some_hours(self) -> Quiet:
        if self.begin == self.end:
            raise ValueError("'from' and 'to' are the same; leave 'quiet' out for none")
        return self

    def over(self, at: datetime) -> datetime:
        """``at`` itself, or the end of the quiet hours it lies in; ``at`` is in the company's
        zone."""
        now = at.time()
        if self.begin < self.end:
            inside = self.begin <= now < self.end
        else:
            inside = now >= self.begin or now < self.end
        if not inside:
            return at
        tomorrow = self.end <= now  # only where they go over midnight
        return datetime.combine(at.date() + timedelta(days=tomorrow), self.end, at.tzinfo)


class Reserve(Policy):
    """Sends of a channel's quota that notices leave to answers and people."""

    at_once: PositiveInt
    other: PositiveInt


@dataclass(frozen=True, slots=True)
class Said:
    """What a message wishes: notices or none, at these nodes (empty: at all)."""

    wanted: bool
    nodes: tuple[Node, ...] = ()


class NoticeRules(Policy):
    """The whole policy. Every node has its rule."""

    by_default: bool
    nodes: dict[Node, NodeRule]
    channels: dict[str, tuple[Node, ...]]
    quiet: Quiet | None = None
    merge_minutes: NonNegativeInt
    late_hours: PositiveInt
    keep_hours: PositiveInt
    reserve: Reserve
    waiting_in_outbox: PositiveInt
    stop: tuple[str, ...]
    start: tuple[str, ...]
    only: tuple[str, ...]
    this_one: tuple[str, ...]
    night: tuple[str, ...]

    @field_validator("channels")
    @classmethod
    def _known(
        cls, channels: dict[str, tuple[Node, ...]], info: ValidationInfo
    ) -> dict[str, tuple[Node, ...]]:
        known: Collection[str] | None = (info.context or {}).get("channels")
        for name in () if known is None else channels.keys() - {"default", *known}:
            allowed = ", ".join(["default", *sorted(known or ())])
            raise ValueError(f"{name!r} is no channel: {allowed}")
        return channels

    @model_validator(mode="after")
    def _complete(self) -> NoticeRules:
        if missing := set(Node) - set(self.nodes):
            raise ValueError(f"nodes lack {', '.join(sorted(missing))}")
        if "default" not in self.channels:
            raise ValueError("channels lack 'default'")
        named = [state for rule in self.nodes.values() for state in rule.states]
        if twice := {state for state in named if named.count(state) > 1}:
            raise ValueError(f"two nodes have {', '.join(sorted(twice))}")
        for node, rule in self.nodes.items():
            if bool(rule.states) == (node in _BESIDES):
                raise ValueError(f"{node}: every node but the incident has states")
        return self

    def node(self, scan: Scan | None) -> Node | None:
        """What a scan is to a customer; None if it is nothing. No scan: an incident."""
        if scan is None:
            return Node.INCIDENT
        for state in (scan.sub_status, scan.status):
            for node, rule in self.nodes.items():
                if state is not None and state in rule.states:
                    return node
        return None

    def usual(self, channel: str) -> tuple[Node, ...]:
        """What customers of a channel are told of who have not said otherwise."""
        return self.channels.get(channel, self.channels["default"])

    def leaves_at(self, node: Node, since: datetime, now: datetime) -> datetime:
        """When a notice that waits ``since`` may leave at the earliest; ``now`` is in the company's
        zone."""
        rule = self.nodes[node]
        merged = since if rule.at_once else since + timedelta(minutes=self.merge_minutes)
        at = max(merged.astimezone(now.tzinfo), now)
        return (at if rule.at_night or not self.quiet else self.quiet.over(at)).astimezone(UTC)

    def late(self, happened: datetime, told_us: datetime) -> bool:
        """Whether we heard of it so late that nobody is to be told of it as of news."""
        return told_us - happened > timedelta(hours=self.late_hours)

    def kept_back(self, node: Node) -> int:
        return self.reserve.at_once if self.nodes[node].at_once else self.reserve.other

    def said(self, text: str) -> Said | None:
        """What a message wishes about notices; None if it does not say."""
        folded = text.lower()
        nodes = tuple(n for n, rule in self.nodes.items() if _longest(rule.words, folded))
        if nodes and _longest(self.only, folded):
            return Said(True, nodes)
        stop, start = _longest(self.stop, folded), _longest(self.start, folded)
        return None if stop == start else Said(start > stop, nodes)

    def of_hours(self, text: str) -> Quiet | None:
        """Our quiet hours, if a message speaks of the night."""
        return self.quiet if _longest(self.night, text.lower()) else None

    def of_one(self, text: str) -> bool:
        """Whether a message speaks of one parcel ("this one") and not of all."""
        return _longest(self.this_one, text.lower()) > 0


def _longest(words: tuple[str, ...], folded: str) -> int:
    """The length of the longest of these words in a text; 0 if none is there."""
    return max((len(word) for word in words if word.lower() in folded), default=0)


def from_file(path: Path, channels: Collection[str] | None = None) -> NoticeRules:
    """PolicyError names what is wrong; ``channels`` are the names there are (None: any)."""
    return load(path, NoticeRules, channels=channels)
