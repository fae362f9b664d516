"""Scans as a courier's systems send them, and how soon a parcel is found among them.

Real service, real HTTP, several clients with keys, batches of 10,000, on SQLite and on a real
PostgreSQL. A customer writes meanwhile: how long is the wait until the message is stored? Then a
look-up, as ``track_parcel`` makes it, in databases of three sizes, by turns, so that a noisy
machine disturbs all alike. Last, what becomes of scans that customers wait for: ``waves``.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from rich.console import Console
from sqlalchemy import func, select

from bench import floor, waves
from bench.driver import ConsoleLine
from bench.engines import ENGINES, New
from bench.figures import Figure, at_most, percentile, plain
from bench.house import House, memory, service_alone
from bench.main import Options
from bench.road import Road, written
from bot.settings import ROOT
from parcels import ingest, keys, lookup, service
from parcels.goods import Goods
from parcels.models import Scan, Scope
from parcels.schemas import ParcelIn, ScanEvent
from store import clock, schema
from store.engine import Database
from store.errors import CourierError

CLIENTS = 4
PAUSE = 0.1
"""Seconds between two messages of the customer who writes meanwhile."""
ACCEPTED = 100.0
"""Milliseconds until such a message is stored, p95."""
GROWTH = 1.3
"""A look-up's p50 in the largest database against that in the smallest, at most."""
WARM_UP = 50
Result = TypeVar("Result")
_CUSTOMERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Plan:
    """Parcels in the databases that are looked up in (five scans each); the last one is filled over
    HTTP. ``lookups`` in each of them. ``told``: who hears of scans."""

    parcels: tuple[int, int, int]
    lookups: int
    told: waves.Size


QUICK = Plan((100, 1_000, 10_000), 500, waves.Size(singles=40, wave=1_000))
FULL = Plan((2_000, 20_000, 200_000), 3_000, waves.Size(singles=500, wave=50_000))


class NotStored(CourierError):
    """The service refused a batch; the text has its answer."""

    code = "not_stored"


@dataclass(slots=True)
class Sent:
    """What sending took: seconds of all batches, the service's memory (MiB), seconds until each
    message of a customer was stored."""

    parcels: float = 0.0
    scans: float = 0.0
    idle: float = 0.0
    most: float = 0.0
    accepted_idle: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)


def run(options: Options) -> list[Figure]:
    """Measure both engines. CourierError says why it cannot."""
    plan = QUICK if options.quick else FULL
    goods = Goods.from_file(ROOT / "policies" / "goods.yml")
    began = clock.now() - timedelta(days=3)
    roads = [Road(count, began) for count in plan.parcels]
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="courier-bench-") as name:
        folder = Path(name)
        with options.console.status(f"Writing {roads[-1].scan_count:,} scans …"):
            bodies = Bodies(
                written(roads[-1].parcels(), folder / "parcels"),
                written(roads[-1].scans(), folder / "scans"),
            )
        for engine, opened in ENGINES.items():
            with opened(folder) as new:
                bench = Bench(engine, new, roads, bodies, goods, folder, options.console)
                found += bench.measure(plan.lookups)
                home = folder / f"{engine}-told"
                found += waves.measure(engine, new, plan.told, home, options.console)
    return found


@dataclass(frozen=True, slots=True)
class Bodies:
    """Batches, each a file that is sent as it is."""

    parcels: list[Path]
    scans: list[Path]


@dataclass(frozen=True, slots=True)
class Bench:
    """One engine."""

    engine: str
    new: New
    roads: Sequence[Road]
    bodies: Bodies
    goods: Goods
    folder: Path
    console: Console

    def measure(self, lookups: int) -> list[Figure]:
        with ExitStack() as stack:
            databases = [Database(self.new()) for _ in (*self.roads, "floor")]
            for database in databases:
                stack.callback(database.dispose)
                schema.migrate(database)
            *small, large, bare = databases
            home = self.folder / self.engine
            with service_alone(self.console, home, _address(large)) as house:
                sent = asyncio.run(self._send(house, _key(large)))
            with self.console.status(f"{self.engine}: the driver alone, and smaller databases …"):
                least = floor.seconds(bare, self.roads[-1], self.goods)
                for road, database in zip(self.roads, small, strict=False):
                    self._fill(road, database)
            with self.console.status(f"{self.engine}: looking up …"):
                looked = self._look([*small, large], lookups)
            return [*self._sent(sent, least, _count(large)), *self._looked(looked)]

    async def _send(self, house: House, key: str) -> Sent:
        sent = Sent()
        unlimited = aiohttp.TCPConnector(limit=0)
        child = house.children[0]
        async with aiohttp.ClientSession(connector=unlimited) as http:
            line = ConsoleLine(http, house.settings)
            await _while(asyncio.sleep(3), line, sent.accepted_idle)
            sent.idle = memory(child).resident

            async def post(path: str, bodies: Sequence[Path]) -> float:
                """Seconds until the clients have sent all."""
                waiting = iter(bodies)

                async def client() -> None:
                    for body in waiting:
                        async with http.post(
                            f"{house.settings.service_url}/api/{path}",
                            data=body.read_bytes(),
                            headers={"Authorization": f"Bearer {key}"},
                        ) as reply:
                            if reply.status != 200:
                                raise NotStored(await reply.text())
                        sent.most = max(sent.most, memory(child).resident)

                began = time.perf_counter()
                await asyncio.gather(*(client() for _ in range(CLIENTS)))
                return time.perf_counter() - began

            with self.console.status(f"{self.engine}: {CLIENTS} clients send …"):
                sent.parcels = await post("parcels", self.bodies.parcels)
                sent.scans = await _while(post("scans", self.bodies.scans), line, sent.accepted)
        return sent

    def _fill(self, road: Road, database: Database) -> None:
        for rows in road.parcels():
            given = [ParcelIn.model_validate(row) for row in rows]
            ingest.take_parcels(database, given, self.goods)
        for rows in road.scans():
            ingest.take_scans(database, [ScanEvent.model_validate(row) for row in rows])

    def _look(self, databases: Sequence[Database], count: int) -> list[list[float]]:
        """Seconds of single look-ups, by database."""
        chance = random.Random(1)
        took: list[list[float]] = [[] for _ in databases]
        for number in range(WARM_UP + count):
            for road, database, spans in zip(self.roads, databases, took, strict=True):
                typed = road.number(chance.randrange(road.count))
                began = time.perf_counter()
                with database.read() as session:
                    found = lookup.find(session, typed)
                    assert isinstance(found, lookup.Found)
                    told = service.whereabouts(session, found.shipment)
                if number >= WARM_UP:
                    spans.append(time.perf_counter() - began)
                assert told.place
        return took

    def _sent(self, sent: Sent, least: float, stored: int) -> list[Figure]:
        road, engine = self.roads[-1], self.engine
        return [
            plain(f"{engine}_parcels_rate", road.count / sent.parcels, "parcels/s"),
            plain(f"{engine}_scans", road.scan_count, "scans"),
            plain(f"{engine}_scans_rate", road.scan_count / sent.scans, "scans/s"),
            plain(f"{engine}_floor_rate", road.scan_count / least, "scans/s"),
            plain(f"{engine}_scans_to_floor", least / sent.scans, "ratio"),
            at_most(f"{engine}_lost_or_twice", abs(road.scan_count - stored), "scans", 0),
            plain(f"{engine}_resident_idle", sent.idle, "MiB"),
            plain(f"{engine}_resident_most", sent.most, "MiB"),
            plain(f"{engine}_accepted_idle_p95", _p(sent.accepted_idle, 0.95), "ms"),
            plain(f"{engine}_accepted_p50", _p(sent.accepted, 0.5), "ms"),
            at_most(f"{engine}_accepted_p95", _p(sent.accepted, 0.95), "ms", ACCEPTED),
            plain(f"{engine}_accepted_most", _p(sent.accepted, 1), "ms"),
        ]

    def _looked(self, took: Sequence[list[float]]) -> list[Figure]:
        figures = []
        for road, spans in zip(self.roads, took, strict=True):
            name = f"{self.engine}_lookup_{road.scan_count}"
            figures += [plain(f"{name}_p{p}", _p(spans, p / 100), "ms") for p in (50, 95)]
        growth = percentile(took[-1], 0.5) / percentile(took[0], 0.5)
        return [*figures, at_most(f"{self.engine}_lookup_growth", growth, "ratio", GROWTH)]


async def _while(work: Coroutine[Any, Any, Result], line: ConsoleLine, into: list[float]) -> Result:
    """Do ``work`` while a customer writes; ``into`` takes the seconds until each is stored."""
    working = asyncio.create_task(work)
    while not working.done():
        began = time.perf_counter()
        await line.say(f"bench-{next(_CUSTOMERS)}", "SF1000000000001 到哪里了")
        into.append(time.perf_counter() - began)
        await asyncio.wait([working], timeout=PAUSE)
    return await working


def _key(database: Database) -> str:
    with database.write() as session:
        return keys.add(session, "sorter", set(Scope))


def _count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Scan)) or 0


def _address(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def _p(seconds: Sequence[float], share: float) -> float:
    """That percentile, in milliseconds."""
    return 1000 * percentile(seconds, share)
