"""A scan that becomes a customer's notice, and a hub that closes on tens of thousands of them.

Single scans go one after the other to a service that has nothing else to do. Then a supervisor
enters an incident at the desk: everybody whose parcel it holds up is told. In the middle the
service is killed (-9) and started again.
"""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise
from math import ceil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from rich.console import Console
from sqlalchemy import func, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from bench.engines import New
from bench.figures import Figure, at_least, at_most, percentile, plain
from bench.house import House, serves, service_alone
from bench.notices import Told, subscribe, told
from bench.road import LEG, NODES, Road
from bot.notices.loop import KEY
from bot.processes import wait_until
from bot.settings import ROOT
from conversations.models import Conversation, Customer, Message, Outbox, SearchToken
from handoff import staff
from handoff.desk.parts import COOKIE
from handoff.models import Role
from parcels import ingest, keys
from parcels.goods import Goods
from parcels.models import Scope
from parcels.notice_models import Notice
from parcels.schemas import ParcelIn, ScanEvent
from store import clock, ids, schema
from store.engine import Database
from store.errors import CourierError

HUB = "嘉兴转运中心"
RATE = 400.0
"""Notices a second that a wave should be written with, at least."""
AT_ONCE = 1_000.0
"""Milliseconds from a scan's POST to its notice in the outbox, p95, at most."""
PAUSE = 0.02
LOOK = 0.2
IN_A_COMMIT = 64
"""Messages of a commit of the least that a wave can cost: as many as may wait in the outbox."""
SAMPLE = 5_000
STUCK = 90.0
"""Seconds without another notice after which a wave has stopped for good."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """``singles``: scans one by one; ``wave``: customers who hear of the incident."""

    singles: int
    wave: int


class Stopped(CourierError):
    """A wave that did not come to its end, or a request that was refused."""

    code = "stopped"


@dataclass(frozen=True, slots=True)
class Wave:
    """``posted`` is when the supervisor sent his form, ``entered`` when that was answered,
    ``killed`` when the service was."""

    posted: datetime
    entered: datetime
    killed: datetime
    told: list[Told]


def measure(engine: str, new: New, size: Size, folder: Path, console: Console) -> list[Figure]:
    """Everything about one engine, in a database of its own."""
    database, bare = Database(new()), Database(new())
    try:
        for each in (database, bare):
            schema.migrate(each)
        with console.status(f"{engine}: {size.wave:,} customers follow their parcels …"):
            road = _fill(database, size)
            key, secret, csrf = _people(database)
        address = database.engine.url.render_as_string(hide_password=False)
        with (
            service_alone(console, folder, address, {"COURIER_TIMEZONE": _noon()}) as house,
            httpx.Client(base_url=house.settings.service_url, timeout=120) as client,
        ):
            with console.status(f"{engine}: {size.singles} scans, one by one …"):
                spans = _singles(client, database, road, size, key)
            client.cookies.set(COOKIE, secret)
            with console.status(f"{engine}: a hub closes on {size.wave:,} parcels …"):
                wave = _wave(client, house, database, size.wave, csrf)
        with console.status(f"{engine}: the driver alone …"):
            least = _least(database, bare)
        return _figures(engine, size, spans, wave, least)
    finally:
        database.dispose()
        bare.dispose()


def _fill(database: Database, size: Size) -> Road:
    """Parcels at the hub, and behind them some that are at their destination already; each with a
    customer of its own. All but the last scan of each were scanned before anybody followed."""
    road = Road(size.wave + size.singles, clock.now() - 2 * LEG)
    goods = Goods.from_file(ROOT / "policies" / "goods.yml")
    for rows in road.parcels():
        ingest.take_parcels(database, [ParcelIn.model_validate(row) for row in rows], goods)
    passed = 2 * ceil(road.count / ingest.MOST)
    for rows in islice(road.scans(), passed):
        ingest.take_scans(database, [ScanEvent.model_validate(row) for row in rows])
    subscribe(database, [road.number(parcel) for parcel in range(road.count)])
    return road


def _people(database: Database) -> tuple[str, str, str]:
    """An API key; a supervisor's session, and what his forms carry with them."""
    with database.write() as session:
        key = keys.add(session, "sorter", {Scope.SCANS_WRITE})
        person = staff.add(
            session, login="bench", name="Bench", role=Role.SUPERVISOR, team="first_line",
            password="bench-bench-bench",
        )  # fmt: skip
        secret = staff.begin_session(session, person)
        return key, secret, staff.signed_in(session, secret).csrf


def _noon() -> str:
    """A time zone where it is between twelve and one: there the night is not quiet."""
    east = 12 - clock.now().hour
    return f"Etc/GMT{-east:+d}"


def _singles(
    client: httpx.Client, database: Database, road: Road, size: Size, key: str
) -> list[float]:
    """Seconds from the POST of a scan to its notice's row in the outbox, of each."""
    posted: dict[str, datetime] = {}
    sub_status, place, _ = NODES[3]
    for parcel in range(size.wave, road.count):
        event_id = f"single-{parcel}"
        body = {"waybill_no": road.number(parcel), "event_id": event_id, "place": place}
        body |= {"sub_status": sub_status, "at": clock.now().isoformat()}
        posted[event_id] = clock.now()
        _accepted(client.post("/api/scans", json=body, headers={"Authorization": f"Bearer {key}"}))
        time.sleep(PAUSE)
    _until(lambda: len(told(database)), size.singles)
    return [
        (row.at - posted[row.event_id]).total_seconds() for row in told(database) if row.event_id
    ]


def _wave(client: httpx.Client, house: House, database: Database, size: int, csrf: str) -> Wave:
    service = house.children[0]
    posted = clock.now()
    _accepted(client.post("/desk/incidents", data=_form(csrf)))
    entered = clock.now()
    _until(lambda: _count(database), size // 2)
    service.signal(signal.SIGKILL)
    service.wait(5)
    killed = clock.now()
    service.start()
    wait_until(lambda: serves(house.settings), house.children, 60)
    _until(lambda: _count(database), size)
    heard = [row for row in told(database) if row.event_id is None]
    return Wave(posted, entered, killed, heard)


def _form(csrf: str) -> dict[str, str]:
    """An incident as the desk's page sends it."""
    now = clock.now().astimezone(ZoneInfo(_noon()))
    since, until = (f"{at:%Y-%m-%dT%H:%M}" for at in (now, now + timedelta(hours=6)))
    place = {"kind": "other", "scope": "hub", "place": HUB, "since": since, "until": until}
    return place | {"key": ids.new_key(), "csrf": csrf}


def _accepted(answer: httpx.Response) -> None:
    if answer.status_code not in (200, 303):
        raise Stopped(f"{answer.url.path}: {answer.status_code} {answer.text[:200]}")


def _until(reached: Callable[[], int], goal: int) -> None:
    """Wait while it still comes nearer to the goal."""
    best, since = reached(), time.monotonic()
    while best < goal:
        time.sleep(LOOK)
        now = reached()
        if now > best:
            best, since = now, time.monotonic()
        elif time.monotonic() - since > STUCK:
            raise Stopped(f"no more than {best:,} of {goal:,}")


def _count(database: Database) -> int:
    """Customers who were told of the incident."""
    with database.read() as session:
        told_of = (Notice.incident_id.is_not(None), Notice.message_id.is_not(None))
        return session.scalar(select(func.count()).select_from(Notice).where(*told_of)) or 0


def _least(full: Database, bare: Database) -> float:
    """Seconds that a notice's rows take when nothing is asked or decided: of SAMPLE notices, ready
    in memory, into an empty database, IN_A_COMMIT messages a commit."""
    with full.read() as session, bare.write() as other:
        for parents in (Customer, Conversation):
            other.execute(insert(parents), _rows(session, parents))
        mine = _rows(session, Message, Message.id)
        words = _rows(session, SearchToken, SearchToken.message_id)
        queued = _rows(session, Outbox, Outbox.message_id)
    parts: dict[int, tuple[list[Row], list[Row], list[Row]]] = defaultdict(lambda: ([], [], []))
    number = {row["id"]: place // IN_A_COMMIT for place, row in enumerate(mine)}
    for kind, rows in enumerate((mine, words, queued)):
        for row in rows:
            parts[number[row["message_id" if kind else "id"]]][kind].append(row)
    began = time.perf_counter()
    for part in parts.values():
        with bare.write() as other:
            for table, rows in zip((Message, SearchToken, Outbox), part, strict=True):
                other.execute(table.__table__.insert(), rows)  # type: ignore[attr-defined]
    return (time.perf_counter() - began) / len(mine)


def _rows(
    session: Session, table: type[Any], of: InstrumentedAttribute[int] | None = None
) -> list[Row]:
    """The rows of a table, or of them those whose ``of`` is a notice's message."""
    chosen = select(table.__table__)
    if of is not None:
        notices = select(Outbox.message_id).where(Outbox.key.startswith(KEY)).limit(SAMPLE)
        chosen = chosen.where(of.in_(notices)).order_by(of)
    return [dict(row) for row in session.execute(chosen).mappings()]


def _figures(
    engine: str, size: Size, spans: Sequence[float], wave: Wave, least: float
) -> list[Figure]:
    at = [row.at for row in wave.told]
    customers = {row.customer_id for row in wave.told}
    before, after = (
        max(moment for moment in at if moment <= wave.killed),
        min(moment for moment in at if moment > wave.killed),
    )
    writing = (max(at) - min(at)) - (after - before)
    rate = len(at) / writing.total_seconds()
    turned = sum(one.notice_id > then.notice_id for one, then in pairwise(wave.told))

    def since(moment: datetime) -> float:
        return (moment - wave.posted).total_seconds()

    return [
        plain(f"{engine}_notice_p50", 1000 * percentile(spans, 0.5), "ms"),
        at_most(f"{engine}_notice_p95", 1000 * percentile(spans, 0.95), "ms", AT_ONCE),
        plain(f"{engine}_wave", size.wave, "customers"),
        plain(f"{engine}_wave_entered", since(wave.entered), "s"),
        plain(f"{engine}_wave_first", since(min(at)), "s"),
        plain(f"{engine}_wave_last", since(max(at)), "s"),
        plain(f"{engine}_wave_killed_for", (after - before).total_seconds(), "s"),
        at_least(f"{engine}_wave_rate", rate, "notices/s", RATE),
        plain(f"{engine}_wave_floor_rate", 1 / least, "notices/s"),
        at_most(f"{engine}_wave_lost", size.wave - len(customers), "customers", 0),
        at_most(f"{engine}_wave_twice", len(at) - len(customers), "notices", 0),
        at_most(f"{engine}_wave_out_of_order", turned, "notices", 0),
    ]
