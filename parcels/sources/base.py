"""What every outside source of scans has in common: it pushes, signs, has words of its own."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.orm import Session

from parcels import ingest
from parcels.ingest import Stored
from parcels.schemas import ScanEvent
from parcels.sources.statuses import State
from store.errors import Invalid

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Push:
    """A delivery as it came. Names of headers are in small letters."""

    body: bytes
    headers: Mapping[str, str]


class Source(Protocol):
    """Who tells us scans. ``name`` is its place in the address and in the record.

    ``done`` is what it wants to read once a push is stored.
    """

    name: str
    done: Mapping[str, object]

    def scans(self, push: Push) -> Sequence[ScanEvent | None]:
        """The road as pushed, None for what is no scan. Forbidden unless the source signed it;
        Invalid if it cannot be read."""


class Shape(BaseModel):
    """What we read of another's payload; the rest is theirs."""

    model_config = ConfigDict(extra="ignore", frozen=True)


AnyShape = TypeVar("AnyShape", bound=Shape)


def read(shape: type[AnyShape], text: str | bytes) -> AnyShape:
    """Another's JSON. Invalid says which field does not fit, and nothing of what it holds."""
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        places = {".".join(map(str, fault["loc"])) for fault in error.errors()}
        raise Invalid(f"no {shape.__name__}: {', '.join(sorted(places)[:5])}") from None


def scan(
    number: str,
    at: datetime,
    state: State,
    *,
    words: str | None,
    code: str | None,
    place: str | None,
) -> ScanEvent | None:
    """One node of another's road; None for one of no usable number or time.

    No source gives its nodes a number: what it says at which time is what a repeat is known by. Its
    state may be corrected later, and is not part of that."""
    said = f"{number}\n{at.isoformat()}\n{words or ''}"
    fields: dict[str, Any] = {
        "waybill_no": number,
        "event_id": hashlib.sha256(said.encode("utf-8", "replace")).hexdigest(),
        "at": at,
        "status": state.status,
        "sub_status": state.sub_status,
        "code": _cut(code, 40),
        "words": _cut(words, 300),
        "place": _cut(place, 120),
    }
    try:
        return ScanEvent.model_validate(fields)
    except ValidationError:
        return None


def keep(session: Session, source: str, given: Iterable[ScanEvent | None]) -> Stored:
    """Store what can be used. A source tells the whole road each time: what is left out now (of a
    parcel not ours, of a time to come) is told again when it has its place."""
    once = list({event.event_id: event for event in given if event}.values())
    left_out = {fault.line: fault for fault in ingest.check(session, once, source)}
    if left_out:
        log.info("%s: %d scans left out: %s", source, len(left_out), _reasons(left_out.values()))
    usable = [event for line, event in enumerate(once, 1) if line not in left_out]
    return ingest.scans(session, usable, source)


def _reasons(faults: Collection[ingest.Fault]) -> str:
    return ", ".join(sorted({f"{fault.field} {fault.reason}" for fault in faults}))


def _cut(text: str | None, most: int) -> str | None:
    return text.replace("\0", "")[:most] if text else None
