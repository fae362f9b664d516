"""What the forms of incidents have in common."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Form

from store.errors import BadIncident

HERE = "/desk/incidents"
USUAL = timedelta(hours=6)
"""What a form proposes as the length of an incident."""

Words = Annotated[str, Form(max_length=300)]
When = Annotated[str, Form(max_length=32)]


def typed(at: datetime, zone: ZoneInfo) -> str:
    """As a browser's field for a time on the wall has it."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def read_time(text: str, zone: ZoneInfo) -> datetime:
    """The instant of a time on the company's wall."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadIncident("no time") from None
    if at.tzinfo is not None or not 2000 <= at.year < 2200:
        raise BadIncident("no time on our wall")
    return at.replace(tzinfo=zone)
