"""Questions that fall due are asked once, by however many processes, whichever of them die."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import timedelta

from sqlalchemy import select, update

from bot.settings import ROOT
from conversations.models import Outbox
from store import clock
from store.engine import Database
from tests import rooms
from tickets.after.models import Ask
from tickets.events import SYSTEM
from tickets.lifecycle import Change
from tickets.service import Complaint

COUNT = 80


def worker(address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bot.after_worker", address],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_each_once_though_processes_are_killed(database: Database, address: str) -> None:
    """Real processes: two on SQLite, four on PostgreSQL; their clock stands at noon."""
    at_once = 2 if database.is_sqlite else 4
    house = rooms.build(database)
    with clock.frozen(clock.now().replace(hour=1) - timedelta(days=1)), database.write() as session:
        for number in range(COUNT):
            talk = rooms.said(session, "花瓶碎了", by=f"c{number}")
            complaint = Complaint(
                f"in:{number}", "report_damage", talk.id, talk.customer_id, "碎了"
            )
            ticket = house.tickets.open(session, complaint).ticket
            for change in (Change.ACCEPT, Change.PROPOSE, Change.CLOSE):
                house.tickets.lifecycle.change(session, ticket, change, SYSTEM, "已赔付")
    dice, workers = random.Random(7), list[subprocess.Popen[str]]()
    try:
        for _ in range(3):  # killed while they work, and started again
            workers = [worker(address) for _ in range(at_once)]
            for each in workers:
                assert each.stdout is not None
                assert each.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0.02, 0.12))
            for each in workers:
                each.kill()
                each.wait()
        with database.write() as session:  # what the dead held is not waited for
            session.execute(update(Ask).values(leased_until=None))
        workers = [worker(address) for _ in range(at_once)]
        assert [each.wait(60) for each in workers] == [0] * at_once
    finally:
        for each in workers:
            each.kill()
            each.wait()
    with database.read() as session:
        sent = session.scalars(select(Outbox.key).where(Outbox.key.like("ask:%"))).all()
        asked = session.scalars(select(Ask.id).where(Ask.kind == "follow_up")).all()
    assert sorted(sent) == sorted(f"ask:{ask}" for ask in asked)
    assert len(asked) == COUNT
