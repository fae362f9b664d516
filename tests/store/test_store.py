"""The store: migrations make the models' schema, claims are leases, wake-ups follow the commit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import bot.channels.wecom.models
import conversations.models
import handoff.models
import parcels.change_models
import parcels.invoice_models
import parcels.models
import parcels.notice_models
import parcels.path_models
import parcels.point_models
import parcels.road_models
import store.policy_versions
import tickets.after.models
import tickets.compensation.models
import tickets.models
import tickets.promises.models
from conversations.models import Inbox
from store import clock, schema
from store.base import Base
from store.claims import claim, release, waits_behind
from store.engine import Database
from store.live import Live
from tests import rooms

TABLES = (
    bot.channels.wecom.models,
    conversations.models,
    handoff.models,
    parcels.change_models,
    parcels.invoice_models,
    parcels.models,
    store.policy_versions,
    parcels.road_models,
    parcels.path_models,
    parcels.point_models,
    parcels.notice_models,
    tickets.models,
    tickets.after.models,
    tickets.compensation.models,
    tickets.promises.models,
)
LEASE = timedelta(seconds=30)


def test_models_and_migrations_agree(database: Database) -> None:
    assert schema.current(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []


def test_an_exception_rolls_back(database: Database) -> None:
    with suppress(RuntimeError), database.write() as session:
        rooms.said(session, "你好")
        raise RuntimeError
    with database.read() as session:
        assert session.query(Inbox).count() == 0


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_writers_take_turns_in_the_order_of_asking(database: Database) -> None:
    order: list[int] = []

    def write(number: int) -> None:
        with database.write():
            order.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    with database.write():
        for thread in threads:
            thread.start()
            time.sleep(0.02)  # until it waits
        assert order == []
    write(5)  # at once again, and yet the last
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, 5]


def test_a_look_sees_one_moment_whatever_is_written_beside_it(database: Database) -> None:
    with database.read() as session:
        assert session.query(Inbox).count() == 0
        with database.write() as other:
            rooms.said(other, "你好")
        assert session.query(Inbox).count() == 0
    with database.read() as session:
        assert session.query(Inbox).count() == 1
    with database.write() as session:
        assert session.connection().get_isolation_level() != "REPEATABLE READ"


def test_a_row_is_leased_to_one_and_comes_back_when_he_dies(
    database: Database, at: Callable[[datetime], None]
) -> None:
    with database.write() as session:
        rooms.said(session, "你好")
    with database.write() as session:
        assert [row.attempts for row in claim(session, Inbox, 9, LEASE)] == [1]
    with database.write() as session:
        assert claim(session, Inbox, 9, LEASE) == []
    at(clock.now() + LEASE)
    with database.write() as session:
        assert [row.attempts for row in claim(session, Inbox, 9, LEASE)] == [2]


def test_order_within_a_conversation_holds_while_the_first_waits_for_a_retry(
    database: Database, at: Callable[[datetime], None]
) -> None:
    with database.write() as session:
        for number in ("1", "2"):
            rooms.said(session, number, number=number)
        rooms.said(session, "x", by="another")
    with database.write() as session:
        rows = claim(session, Inbox, 9, LEASE, in_order_of="conversation_id")
        assert [row.outside_id for row in rows] == ["visitor-1", "another-1"]
        release(rows[0], retry_at=clock.now() + timedelta(minutes=5))
    with database.write() as session:
        assert claim(session, Inbox, 9, LEASE, in_order_of="conversation_id") == []


def test_a_loop_is_woken_for_what_waits_behind_a_finished_row(database: Database) -> None:
    with database.write() as session:
        for number in ("1", "2"):
            rooms.said(session, number, number=number)
        rooms.said(session, "x", by="another")
    with database.write() as session:
        first, another = claim(session, Inbox, 9, LEASE, in_order_of="conversation_id")
        assert waits_behind(session, [first])
        # PostgreSQL cannot know what is being committed beside it, and says yes.
        assert waits_behind(session, [another]) is not database.is_sqlite
        release(first, retry_at=None)
    with database.write() as session:
        (second,) = claim(session, Inbox, 9, LEASE, in_order_of="conversation_id")
        assert second.outside_id == "visitor-2"
        assert waits_behind(session, [second]) is not database.is_sqlite


async def test_a_wake_up_follows_the_commit_and_no_roll_back(database: Database) -> None:
    live = Live(database)
    with live.listen("queue") as woken:
        with suppress(RuntimeError), database.write() as session:
            live.after_commit(session, "queue")
            raise RuntimeError
        await asyncio.sleep(0.01)
        assert not woken.is_set()
        with database.write() as session:
            rooms.said(session, "你好")
            live.after_commit(session, "queue")
        await asyncio.wait_for(woken.wait(), 1)


async def test_postgresql_wakes_the_other_process(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has one service process")
    here, there = Live(database), Live(database)
    there.start()
    with there.listen("queue") as woken:
        await asyncio.sleep(0.3)
        with database.write() as session:
            here.after_commit(session, "queue")
        await asyncio.wait_for(woken.wait(), 3)
    there.stop()
