"""17TRACK v2.x: webhooks TRACKING_UPDATED and TRACKING_STOPPED.

Source: its API document. The header ``sign`` is SHA-256 over the body, a slash and the account's
key, in hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from parcels.schemas import ScanEvent
from parcels.sources.base import Push, Shape, read, scan
from parcels.sources.statuses import Statuses, state
from store.errors import Forbidden

NAME = "17track"


class Event(Shape):
    """``stage`` is set on milestones only; times carry their zone."""

    time_utc: datetime | None = None
    time_iso: datetime | None = None
    description: str | None = None
    location: str | None = None
    stage: str | None = None
    sub_status: str | None = None

    @property
    def at(self) -> datetime | None:
        """The instant; None for a time of no known zone, which could be half a day off."""
        times = (self.time_utc, self.time_iso)
        return next((at for at in times if at is not None and at.tzinfo), None)


class LatestStatus(Shape):
    status: str | None = None
    sub_status: str | None = None


class Provider(Shape):
    events: tuple[Event, ...] = ()


class Tracking(Shape):
    providers: tuple[Provider, ...] = ()


class TrackInfo(Shape):
    latest_status: LatestStatus | None = None
    tracking: Tracking | None = None


class Data(Shape):
    number: str
    track_info: TrackInfo | None = None


class Webhook(Shape):
    event: str
    data: Data


class Track17:
    name = NAME
    done: Mapping[str, object] = {}

    def __init__(self, key: str, statuses: Statuses) -> None:
        self._key = key
        self._table = statuses.track17

    def scans(self, push: Push) -> Sequence[ScanEvent | None]:
        expected = hashlib.sha256(push.body + b"/" + self._key.encode()).hexdigest()
        given = push.headers.get("sign", "").lower()
        if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
            raise Forbidden("a push that 17TRACK did not sign")
        data = read(Webhook, push.body).data
        info = data.track_info
        if info is None or info.tracking is None:
            return []
        timed = [
            (event.at, event)
            for provider in info.tracking.providers
            for event in provider.events
            if event.at is not None
        ]
        timed.sort(key=lambda pair: pair[0], reverse=True)
        newest = info.latest_status or LatestStatus()
        return [
            self._scan(data.number, at, event, newest if place == 0 else LatestStatus())
            for place, (at, event) in enumerate(timed)
        ]

    def _scan(
        self, number: str, at: datetime, event: Event, whole: LatestStatus
    ) -> ScanEvent | None:
        """``whole`` is the parcel's state where this is its newest event."""
        # What tells the event's state, the surest first.
        codes = (event.sub_status, event.stage, whole.sub_status, whole.status)
        return scan(
            number,
            at,
            state(self._table, *codes),
            words=event.description,
            code=next(filter(None, codes), None),
            place=event.location,
        )
