"""AfterShip Tracking: webhook ``tracking_update``.

Source: "Webhook specifications" of its Tracking API. The header ``aftership-hmac-sha256`` is
HMAC-SHA256 over the body with the webhook's secret, in base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from parcels.schemas import ScanEvent
from parcels.sources.base import Push, Shape, read, scan
from parcels.sources.statuses import Statuses, state
from store.errors import Forbidden

NAME = "aftership"


class Checkpoint(Shape):
    """``checkpoint_time`` is the place's own wall clock where the carrier gives no zone."""

    checkpoint_time: datetime
    message: str | None = None
    location: str | None = None
    city: str | None = None
    tag: str | None = None
    subtag: str | None = None


class Message(Shape):
    tracking_number: str
    checkpoints: tuple[Checkpoint, ...] = ()


class Webhook(Shape):
    event: str
    msg: Message


class AfterShip:
    name = NAME
    done: Mapping[str, object] = {}

    def __init__(self, secret: str, statuses: Statuses, zone: ZoneInfo) -> None:
        self._secret = secret
        self._table = statuses.aftership
        self._zone = zone

    def scans(self, push: Push) -> Sequence[ScanEvent | None]:
        expected = base64.b64encode(hmac.digest(self._secret.encode(), push.body, hashlib.sha256))
        given = push.headers.get("aftership-hmac-sha256", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected):
            raise Forbidden("a push that AfterShip did not sign")
        message = read(Webhook, push.body).msg
        return [
            scan(
                message.tracking_number,
                self._at(checkpoint),
                state(self._table, checkpoint.subtag, checkpoint.tag),
                words=checkpoint.message,
                code=checkpoint.subtag or checkpoint.tag,
                place=checkpoint.location or checkpoint.city,
            )
            for checkpoint in message.checkpoints
        ]

    def _at(self, checkpoint: Checkpoint) -> datetime:
        """A time without a zone is the company's wall clock, as in its own files."""
        at = checkpoint.checkpoint_time
        return at if at.tzinfo else at.replace(tzinfo=self._zone)
