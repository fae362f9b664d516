"""What every channel must keep, as tests: subclass ``ChannelContract`` and give it a ``Platform``.

The platform is the other end: it delivers a customer's words through the channel's real routes and
knows what the customer's screen shows. What it can be made to suffer is in ``outages``.

    class TestTelegram(ChannelContract):
        @pytest.fixture
        def platform(self) -> Platform:
            return TelegramPlatform()
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.channels import outbox, quota
from bot.channels.base import Channel
from conversations.files import Files
from conversations.models import Delivery, FileKind, FileState, Gone
from conversations.schemas import MAX_TEXT, Button, Stored, Upload
from store import clock
from store.engine import Database
from tests import samples
from tests.channels.house import House, client, until
from tests.rooms import file_store

HOSTILE = {
    "null bytes": "where\x00is it",
    "right-to-left": "\u202eevil\u202c",
    "script": "<script>alert(1)</script>",
    "half a pair": "broken \ud83d text",
    "emoji": "📦😡",
    "command": "/restart",
    "quotes": "'; DROP TABLE messages; --",
    "braces": "{name} %s {0}",
}
Later = Callable[[timedelta], None]


class Platform(ABC):
    """The other end of a channel. It outlives the service: ``attach`` is called at each start."""

    outages: frozenset[str] = frozenset()
    """Of ``rate_limit``, ``server_error``, ``unknown`` (delivered, but the answer was lost),
    ``blocked``, ``hang`` (delivered, and no answer until the service is gone)."""

    gives_files = False
    """Whether customers send files here."""
    takes_files = False
    """Whether files can be sent to customers here."""

    @abstractmethod
    def attach(self, house: House) -> Channel:
        """The channel under test, connected to this platform."""

    @abstractmethod
    async def write(
        self, http: httpx.AsyncClient, outside_id: str, text: str, who: str = "ann"
    ) -> int:
        """Deliver a customer's message; the status the platform sees."""

    @abstractmethod
    async def shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[str]:
        """The texts on this customer's screen that came from us, in order."""

    @abstractmethod
    async def unusable(self, http: httpx.AsyncClient) -> list[int]:
        """Statuses of requests nobody can use: broken bodies, unknown kinds, wrong secrets."""

    async def write_file(
        self, http: httpx.AsyncClient, outside_id: str, data: bytes | None, who: str = "ann"
    ) -> int:
        """Deliver a message with a file, ``None``: one that the platform has no more."""
        raise NotImplementedError

    async def files_shown(self, http: httpx.AsyncClient, who: str = "ann") -> list[bytes]:
        """The files on this customer's screen that came from us, in order."""
        raise NotImplementedError

    def break_fetches(self, times: int) -> None:
        """Fail the next ``times`` fetches of a customer's file."""
        raise NotImplementedError

    def fail(self, outage: str, times: int = 1, wait: timedelta | None = None) -> None:
        """Suffer this at the next ``times`` sends; a rate limit asks for ``wait``."""
        raise NotImplementedError


class Desk:
    """A service with one channel, that can be killed and started again."""

    def __init__(self, database: Database, platform: Platform) -> None:
        self.database = database
        self.platform = platform
        self.files = file_store()
        self._stack = AsyncExitStack()
        self._threads = self._fresh_threads()
        self.start()

    @staticmethod
    def _fresh_threads() -> ThreadPoolExecutor:
        threads = ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(threads)
        return threads

    def start(self) -> None:
        self.house = House(self.database, files=self.files)
        self.channel = self.platform.attach(self.house)
        self.house.channels.add(self.channel)
        self.http = client(self.house.app())

    async def work(self) -> None:
        await self._stack.enter_async_context(self.house.at_work())

    async def kill(self) -> None:
        """End at once: what was under way is neither finished nor given back."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        await self.http.aclose()
        # A dead process has no threads: a claim under way in one ends before the clock moves on.
        # One that a test holds up is not waited for.
        ending = threading.Thread(target=self._threads.shutdown, daemon=True)
        ending.start()
        ending.join(1)
        self._threads = self._fresh_threads()

    async def write(self, outside_id: str, text: str, who: str = "ann") -> int:
        return await self.platform.write(self.http, outside_id, text, who)

    async def shown(self, who: str = "ann") -> list[str]:
        return await self.platform.shown(self.http, who)

    async def settled(self) -> None:
        await until(self.house.idle)


class ChannelContract:
    """Subclasses give the fixture ``platform``; ``at`` stops the clock."""

    @pytest.fixture
    def platform(self) -> Platform:
        raise NotImplementedError

    @pytest.fixture
    async def desk(
        self, database: Database, platform: Platform, at: Callable[[datetime], None]
    ) -> AsyncIterator[Desk]:
        desk = Desk(database, platform)
        yield desk
        await desk.kill()

    @pytest.fixture
    def later(self, desk: Desk, at: Callable[[datetime], None]) -> Later:
        def move(by: timedelta) -> None:
            at(clock.now() + by)
            desk.house.live.wake("inbox")
            desk.house.live.wake("outbox")
            desk.house.live.wake("files")

        return move

    # What comes in

    async def test_a_message_is_in_the_record_when_it_is_acknowledged(self, desk: Desk) -> None:
        assert await desk.write("m-000001", "where is my parcel") < 300
        assert desk.house.record() == [("customer", "where is my parcel")]
        assert len(desk.house.inbox_rows()) == 1

    async def test_a_second_delivery_changes_nothing(self, desk: Desk) -> None:
        await desk.work()
        for _ in range(3):
            assert await desk.write("m-000001", "hello") < 300
            await desk.settled()
        assert desk.house.record() == [("customer", "hello"), ("bot", "answer to hello")]
        assert await desk.shown() == ["answer to hello"]

    async def test_deliveries_of_one_message_at_the_same_moment_are_one(self, desk: Desk) -> None:
        statuses = await asyncio.gather(*(desk.write("m-000001", "hello") for _ in range(8)))
        assert max(statuses) < 300
        assert desk.house.record() == [("customer", "hello")]
        assert len(desk.house.inbox_rows()) == 1

    async def test_a_lost_acknowledgement_leads_to_one_answer(self, desk: Desk) -> None:
        await desk.write("m-000001", "hello")
        await desk.kill()
        desk.start()
        await desk.work()
        assert await desk.write("m-000001", "hello") < 300
        await desk.settled()
        assert await desk.shown() == ["answer to hello"]

    async def test_a_worker_killed_while_answering_leads_to_one_answer(
        self, desk: Desk, later: Later
    ) -> None:
        begun = asyncio.Event()

        async def hang(_: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        desk.house.before = hang
        await desk.work()
        await desk.write("m-000001", "hello")
        await asyncio.wait_for(begun.wait(), 10)
        await desk.kill()
        desk.start()
        await desk.work()
        await asyncio.sleep(0.1)
        assert await desk.shown() == []  # the dead worker's lease still runs
        later(timedelta(minutes=1))
        await desk.settled()
        assert await desk.shown() == ["answer to hello"]

    async def test_messages_are_answered_in_the_order_they_came(self, desk: Desk) -> None:
        async def slow_at_first(row: Any) -> None:
            await asyncio.sleep(0.1 if row.outside_id.endswith("1") else 0)

        desk.house.before = slow_at_first
        await desk.work()
        for number in range(1, 6):
            await desk.write(f"m-00000{number}", f"no {number}")
        await desk.settled()
        assert await desk.shown() == [f"answer to no {number}" for number in range(1, 6)]

    async def test_a_message_overtaken_by_a_later_one_is_kept(self, desk: Desk) -> None:
        await desk.work()
        for number in (2, 1, 3, 1):
            assert await desk.write(f"m-00000{number}", f"no {number}") < 300
        await desk.settled()
        assert await desk.shown() == ["answer to no 2", "answer to no 1", "answer to no 3"]

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
    async def test_hostile_words_are_kept_as_words(self, desk: Desk, text: str) -> None:
        await desk.work()
        assert await desk.write("m-000001", text) < 300
        await desk.settled()
        kept = desk.house.record()[0][1]
        assert kept
        assert kept == "".join(c for c in text if c not in "\x00\u202e\u202c\ud83d")
        assert await desk.shown() == [f"answer to {kept}"]

    @pytest.mark.parametrize("text", ["", " \n", "\x00", "x" * (MAX_TEXT + 1)])
    async def test_words_that_cannot_be_kept_disturb_nobody(self, desk: Desk, text: str) -> None:
        assert await desk.write("m-000001", text) < 500
        assert desk.house.record() == []
        assert await desk.write("m-000002", "hello") < 300
        assert desk.house.record() == [("customer", "hello")]

    async def test_unusable_requests_disturb_nobody(self, desk: Desk) -> None:
        statuses = await desk.platform.unusable(desk.http)
        assert statuses
        assert max(statuses) < 500
        assert desk.house.record() == []
        assert await desk.write("m-000001", "hello") < 300

    async def test_customers_are_apart(self, desk: Desk) -> None:
        await desk.work()
        await desk.write("m-000001", "from ann", "ann")
        await desk.write("m-000002", "from bob", "bob")
        await desk.settled()
        assert await desk.shown("ann") == ["answer to from ann"]
        assert await desk.shown("bob") == ["answer to from bob"]
        assert len({row.conversation_id for row in desk.house.inbox_rows()}) == 2

    # What goes out

    async def test_answers_arrive_in_order_and_are_noted_as_sent(self, desk: Desk) -> None:
        desk.house.says = lambda text: [(f"{text} {n}", ()) for n in range(5)]
        await desk.work()
        await desk.write("m-000001", "part")
        await desk.settled()
        assert await desk.shown() == [f"part {n}" for n in range(5)]
        assert {row.state for row in desk.house.outbox_rows()} <= {"sent", "delivered"}
        assert all(row.sent_at for row in desk.house.outbox_rows())

    async def test_a_long_answer_arrives_whole(self, desk: Desk) -> None:
        long = "".join(f"第 {n} 句，您的包裹在路上。" for n in range(400))
        desk.house.says = lambda _: [(long, ())]
        await desk.work()
        await desk.write("m-000001", "hello")
        await desk.settled()
        assert "".join(await desk.shown()).replace(" ", "") == long.replace(" ", "")

    async def test_choices_arrive(self, desk: Desk) -> None:
        desk.house.says = lambda _: [("which?", (Button("this", "I mean this"),))]
        await desk.work()
        await desk.write("m-000001", "hello")
        await desk.settled()
        (text,) = await desk.shown()
        numbered = "which?\n1. this"
        assert text == ("which?" if desk.channel.capabilities.buttons else numbered)

    async def test_a_rate_limit_is_waited_out(self, desk: Desk, later: Later) -> None:
        self._can(desk, "rate_limit")
        desk.platform.fail("rate_limit", wait=timedelta(seconds=30))
        await self._hello(desk)
        row = desk.house.outbox_rows()[0]
        assert row.state == Delivery.QUEUED
        assert row.due_at == clock.now() + timedelta(seconds=30)
        later(timedelta(seconds=31))
        await desk.settled()
        assert await desk.shown() == ["answer to hello"]

    async def test_a_rate_limit_that_never_ends_is_given_up_visibly(
        self, desk: Desk, later: Later
    ) -> None:
        self._can(desk, "rate_limit")
        desk.platform.fail("rate_limit", times=100)
        await self._hello(desk)
        for attempt in range(2, outbox.MAX_ATTEMPTS + 1):
            later(timedelta(minutes=11))
            await until(lambda n=attempt: desk.house.outbox_rows()[0].attempts == n)  # type: ignore[misc]
            await until(lambda: desk.house.outbox_rows()[0].leased_until is None)
        row = desk.house.outbox_rows()[0]
        assert (row.state, row.due_at) == (Delivery.FAILED, None)
        assert row.last_error
        assert await desk.shown() == []

    async def test_a_broken_server_never_makes_it_twice(self, desk: Desk, later: Later) -> None:
        self._can(desk, "server_error")
        desk.platform.fail("server_error")
        await self._hello(desk)
        later(timedelta(minutes=1))
        await desk.settled()
        row = desk.house.outbox_rows()[0]
        if row.state == Delivery.FAILED:  # it might have arrived, and may not be said again
            assert row.last_error
            assert await desk.shown() == []
        else:
            assert await desk.shown() == ["answer to hello"]

    async def test_an_unknown_result_never_makes_it_twice(self, desk: Desk, later: Later) -> None:
        self._can(desk, "unknown")
        desk.platform.fail("unknown")
        await self._hello(desk)
        later(timedelta(minutes=1))
        await desk.settled()
        row = desk.house.outbox_rows()[0]
        assert await desk.shown() == ["answer to hello"]
        if desk.channel.capabilities.retry_unknown:
            assert row.state in {Delivery.SENT, Delivery.DELIVERED}
        else:
            assert row.state == Delivery.FAILED
            assert row.last_error

    async def test_a_worker_killed_while_sending_never_makes_it_twice(
        self, desk: Desk, later: Later
    ) -> None:
        self._can(desk, "hang")
        desk.platform.fail("hang")
        await desk.work()
        await desk.write("m-000001", "hello")
        async with asyncio.timeout(10):
            while await desk.shown() == []:
                await asyncio.sleep(0.01)
        await desk.kill()
        desk.start()
        await desk.work()
        later(timedelta(minutes=1))
        await desk.settled()
        assert await desk.shown() == ["answer to hello"]

    async def test_a_customer_who_blocked_us_is_given_up_at_once(self, desk: Desk) -> None:
        self._can(desk, "blocked")
        desk.platform.fail("blocked")
        await self._hello(desk)
        row = desk.house.outbox_rows()[0]
        assert (row.state, row.due_at, row.attempts) == (Delivery.FAILED, None, 1)
        assert row.last_error
        await desk.write("m-000002", "again")
        await desk.settled()
        assert await desk.shown() == ["answer to again"]

    # Files

    async def test_a_customers_file_is_fetched_once_its_message_is_stored(self, desk: Desk) -> None:
        await self._file_in(desk, samples.PHOTO)
        (before,) = desk.house.attachments()
        assert (before.state, before.sha256) == (FileState.FETCHING, None)
        await desk.work()
        await desk.settled()
        (file,) = desk.house.attachments()
        assert (file.state, file.kind) == (FileState.STORED, FileKind.PHOTO)
        assert (file.media_type, file.size) == ("image/png", len(samples.PHOTO))
        assert desk.files.path(file.sha256 or "").read_bytes() == samples.PHOTO

    async def test_a_second_delivery_of_a_file_changes_nothing(self, desk: Desk) -> None:
        await desk.work()
        for _ in range(3):
            await self._file_in(desk, samples.PHOTO)
            await desk.settled()
        assert [file.state for file in desk.house.attachments()] == [FileState.STORED]

    async def test_a_fetch_that_fails_is_repeated(self, desk: Desk, later: Later) -> None:
        self._gives(desk).break_fetches(1)
        await desk.work()
        await self._file_in(desk, samples.PHOTO)
        await until(lambda: desk.house.attachments()[0].last_error)
        assert desk.house.attachments()[0].state == FileState.FETCHING
        later(timedelta(minutes=1))
        await desk.settled()
        assert desk.house.attachments()[0].state == FileState.STORED

    async def test_a_file_the_platform_has_no_more_is_given_up_visibly(self, desk: Desk) -> None:
        await desk.work()
        await self._file_in(desk, None)
        await desk.settled()
        (file,) = desk.house.attachments()
        assert (file.state, file.reason, file.due_at) == (FileState.GONE, Gone.EXPIRED, None)

    async def test_a_file_that_is_not_taken_is_given_up_visibly(self, desk: Desk) -> None:
        await desk.work()
        await self._file_in(desk, samples.PROGRAM)
        await desk.settled()
        (file,) = desk.house.attachments()
        assert (file.state, file.reason) == (FileState.GONE, Gone.NOT_ALLOWED)

    async def test_a_worker_killed_while_storing_a_file_leads_to_one_file(
        self, desk: Desk, later: Later
    ) -> None:
        kept = asyncio.Event()
        loop = asyncio.get_running_loop()

        def keep_and_hang(data: bytes) -> Stored:
            Files.keep(desk.files, data)
            loop.call_soon_threadsafe(kept.set)
            over.wait(20)
            raise ConnectionAbortedError

        over = threading.Event()
        desk.files.keep = keep_and_hang  # type: ignore[method-assign]
        await desk.work()
        await self._file_in(desk, samples.PHOTO)
        await asyncio.wait_for(kept.wait(), 10)
        await desk.kill()
        over.set()
        del desk.files.keep
        desk.start()
        await desk.work()
        later(timedelta(minutes=5))
        await desk.settled()
        (file,) = desk.house.attachments()
        assert (file.state, file.attempts) == (FileState.STORED, 2)
        assert desk.files.path(file.sha256 or "").read_bytes() == samples.PHOTO

    async def test_a_file_arrives_after_its_words(self, desk: Desk) -> None:
        await self._file_out(desk, "here it is")
        await desk.settled()
        assert await desk.shown() == ["answer to hello", "here it is"]
        assert await desk.platform.files_shown(desk.http) == [samples.PHOTO]
        assert desk.house.outbox_rows()[-1].state in {Delivery.SENT, Delivery.DELIVERED}

    async def test_a_file_needs_no_words(self, desk: Desk) -> None:
        await self._file_out(desk, "")
        await desk.settled()
        assert await desk.platform.files_shown(desk.http) == [samples.PHOTO]
        assert [text for text in await desk.shown() if text] == ["answer to hello"]

    async def test_a_rate_limit_on_a_file_is_waited_out(self, desk: Desk, later: Later) -> None:
        self._can(desk, "rate_limit")
        await self._file_out(desk, "", "rate_limit")
        await until(lambda: desk.house.outbox_rows()[-1].last_error)
        assert await desk.platform.files_shown(desk.http) == []
        later(timedelta(minutes=2))
        await desk.settled()
        assert await desk.platform.files_shown(desk.http) == [samples.PHOTO]

    async def test_a_file_with_unknown_result_never_arrives_twice(
        self, desk: Desk, later: Later
    ) -> None:
        self._can(desk, "unknown")
        await self._file_out(desk, "", "unknown")
        await until(lambda: desk.house.outbox_rows()[-1].last_error)
        later(timedelta(minutes=10))
        await desk.settled()
        assert await desk.platform.files_shown(desk.http) == [samples.PHOTO]
        can = desk.channel.capabilities
        assert desk.house.outbox_rows()[-1].state == (
            Delivery.SENT if can.retry_unknown else Delivery.FAILED
        )

    @staticmethod
    def _gives(desk: Desk) -> Platform:
        if not desk.platform.gives_files:
            pytest.skip("customers send no files here")
        return desk.platform

    async def _file_in(self, desk: Desk, data: bytes | None) -> None:
        assert await self._gives(desk).write_file(desk.http, "m-000001", data) < 300

    async def _file_out(self, desk: Desk, words: str, outage: str = "") -> None:
        """A customer who was answered, and then is sent a picture."""
        if not desk.platform.takes_files:
            pytest.skip("no files can be sent here")
        await self._hello(desk)
        await desk.settled()
        if outage:
            desk.platform.fail(outage)
        picture = Upload("box.png", desk.files.keep(samples.PHOTO))
        desk.house.send(desk.house.inbox_rows()[0].conversation_id, words, picture)

    @staticmethod
    def _can(desk: Desk, outage: str) -> None:
        if outage not in desk.platform.outages:
            pytest.skip(f"nothing leaves the house here: no {outage}")

    @staticmethod
    async def _hello(desk: Desk) -> None:
        """One message, answered; the first attempt to send is over."""
        await desk.work()
        await desk.write("m-000001", "hello")
        await until(lambda: desk.house.outbox_rows() and desk.house.outbox_rows()[0].attempts > 0)
        await until(lambda: desk.house.outbox_rows()[0].leased_until is None)


class QuotaContract(ChannelContract):
    """Where the bot has four sends after each of the customer's messages."""

    async def test_messages_are_answered_in_the_order_they_came(self, desk: Desk) -> None:
        await desk.work()
        for number in range(1, 6):
            await desk.write(f"m-00000{number}", f"no {number}")
            await desk.settled()
        assert await desk.shown() == [f"answer to no {number}" for number in range(1, 6)]

    async def test_answers_arrive_in_order_and_are_noted_as_sent(self, desk: Desk) -> None:
        desk.house.says = lambda text: [(f"{text} {n}", ()) for n in range(5)]
        await desk.work()
        await desk.write("m-000001", "part")
        await desk.settled()
        assert await desk.shown() == ["\n\n".join(f"part {n}" for n in range(5))]
        assert {row.state for row in desk.house.outbox_rows()} == {Delivery.SENT}
        assert all(row.sent_at for row in desk.house.outbox_rows())

    async def test_a_long_answer_arrives_whole(self, desk: Desk) -> None:
        long = "".join(f"第 {n} 句，您的包裹在路上。" for n in range(450))
        desk.house.says = lambda text: [(long, ())] if text == "hello" else []
        await desk.work()
        await desk.write("m-000001", "hello")
        for number, shown in enumerate((4, 8), 2):
            await until(lambda: waits(desk))
            assert len(await desk.shown()) == shown
            await desk.write(f"m-00000{number}", "go on")
        await desk.settled()
        assert "".join(await desk.shown()).replace(" ", "") == long.replace(" ", "")


def waits(desk: Desk) -> bool:
    return quota.WAITS in {row.last_error for row in desk.house.outbox_rows()}
