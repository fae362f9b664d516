"""A small assembly around channels: record, inbox, outbox, and a bot that says what a test wants.

Everything but the bot is the product's own: its answers are posted in the transaction that marks
the message handled, as bot/router.py does it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from zoneinfo import ZoneInfo

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from bot.channels.console.channel import ConsoleChannel
from bot.channels.fetching import FetchLoop
from bot.channels.inbox import InboxLoop
from bot.channels.outbox import OutboxLoop
from bot.channels.registry import Channels
from bot.channels.web.channel import WebChannel
from bot.channels.web.limits import Limits
from bot.channels.web.sites import Sites, WidgetPolicy
from bot.settings import ROOT
from conversations import service as conversations
from conversations.files import Files
from conversations.models import Attachment, Author, Conversation, Inbox, Message, Outbox
from conversations.schemas import Button, Outbound, Upload
from conversations.texts import Texts
from parcels import change_rules
from store import clock, ids
from store.claims import release
from store.engine import Database
from store.errors import CourierError
from store.live import Live
from tests.rooms import file_store

TEXTS = Texts(ROOT / "policies" / "texts", ZoneInfo("Asia/Shanghai"))
NO_SITES = Sites(WidgetPolicy(keys={}), {})
SECRET = "the secret of this test's installation"

Says = Sequence[tuple[str, tuple[Button, ...]]]


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that happens in the background."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while not true():
        assert loop.time() < ends, "it did not happen in time"
        await asyncio.sleep(0.01)


class House:
    """``says`` makes the bot's answers from a text; ``before`` runs first (to wait, to fail)."""

    def __init__(
        self,
        database: Database,
        *,
        limits: Limits | None = None,
        sites: Sites = NO_SITES,
        files: Files | None = None,
    ) -> None:
        self.database = database
        self.live = Live(database)
        self.channels = Channels()
        self.handled: list[tuple[int, str]] = []
        self.says: Callable[[str], Says] = lambda text: [(f"answer to {text}", ())]
        self.before: Callable[[Inbox], Awaitable[None]] | None = None
        self.inbox = InboxLoop(database, self.live, self._route)
        self.files = files or file_store()
        self.outbox = OutboxLoop(database, self.live, self.channels, self.files)
        self.fetching = FetchLoop(database, self.live, self.channels, self.files)
        self.web = self.web_for(sites, limits)
        self.console = ConsoleChannel(database, self.inbox.accept, self.live, SECRET)
        self.channels.add(self.web)
        self.channels.add(self.console)

    def web_for(self, sites: Sites, limits: Limits | None = None) -> WebChannel:
        return WebChannel(
            self.database,
            self.inbox.accept,
            TEXTS,
            self.live,
            self.files,
            sites,
            change_rules.from_file(ROOT / "policies" / "changes.yml").identity,
            SECRET,
            limits=limits,
        )

    def app(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        for channel in self.channels:
            app.include_router(channel.router())

        @app.exception_handler(CourierError)
        async def sorry(request: Request, error: CourierError) -> JSONResponse:
            message = TEXTS.say("zh", f"errors.{error.code}", 0, **error.facts)
            return JSONResponse({"error": error.code, "message": message}, error.status)

        @app.get("/health")
        async def health() -> dict[str, str]:
            return {"state": "ok"}

        return app

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[House]:
        """Inbox and outbox run; both are stopped at the end."""
        self.live.start()
        self.inbox.start()
        self.outbox.start()
        self.fetching.start()
        try:
            yield self
        finally:
            await self.inbox.stop()
            await self.outbox.stop()
            await self.fetching.stop()
            self.live.stop()

    async def _route(self, row: Inbox) -> None:
        if self.before is not None:
            await self.before(row)
        await asyncio.to_thread(self._answer, row)

    def _answer(self, row: Inbox) -> None:
        with self.database.write() as session:
            current = session.get_one(Inbox, row.id)
            conversation = session.get_one(Conversation, row.conversation_id)
            text = session.get_one(Message, row.message_id).text
            if conversation.holder == "bot":
                for number, (words, buttons) in enumerate(self.says(text)):
                    conversations.post(
                        session,
                        conversation,
                        Outbound(f"in:{row.id}:{number}", words, buttons),
                        Author.BOT,
                    )
            current.handled_at = clock.now()
            release(current, retry_at=None)
            self.live.after_commit(
                session, "inbox", "outbox", f"conversation:{row.conversation_id}"
            )
        self.handled.append((row.conversation_id, text))

    def post(self, conversation_id: int, key: str, text: str, *buttons: Button) -> int:
        """Something the house says by itself; the message's id."""
        with self.database.write() as session:
            conversation = session.get_one(Conversation, conversation_id)
            message = conversations.post(
                session, conversation, Outbound(key, text, buttons), Author.BOT
            )
            assert message is not None
            self.live.after_commit(session, "outbox", f"conversation:{conversation_id}")
            return message.id

    def send(self, conversation_id: int, text: str, *files: Upload) -> None:
        """An agent sends files, with or without words."""
        with self.database.write() as session:
            conversation = session.get_one(Conversation, conversation_id)
            outbound = Outbound(ids.new_key(), text, files=files)
            conversations.post(session, conversation, outbound, Author.AGENT)
            self.live.after_commit(session, "outbox", f"conversation:{conversation_id}")

    def inbox_rows(self) -> list[Inbox]:
        with self.database.read() as session:
            return list(session.query(Inbox).order_by(Inbox.id))

    def outbox_rows(self) -> list[Outbox]:
        with self.database.read() as session:
            return list(session.query(Outbox).order_by(Outbox.id))

    def idle(self) -> bool:
        """Nothing falls due any more."""
        with self.database.read() as session:
            return not any(
                session.query(table).filter(table.due_at.is_not(None)).count()
                for table in (Inbox, Outbox, Attachment)
            )

    def attachments(self) -> list[Attachment]:
        with self.database.read() as session:
            return list(session.query(Attachment).order_by(Attachment.id))

    def record(self) -> list[tuple[str, str]]:
        """(author, text) of everything said, in the record's order."""
        with self.database.read() as session:
            return [(m.author, m.text) for m in session.query(Message).order_by(Message.id)]


def client(app: FastAPI, host: str = "127.0.0.1") -> httpx.AsyncClient:
    """A client inside the process that comes from the network address ``host``."""
    transport = httpx.ASGITransport(app=app, client=(host, 50000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://desk.test")


async def post(
    http: httpx.AsyncClient, path: str, body: object, headers: dict[str, str] | None = None
) -> int:
    """The status of a POST whose JSON is escaped, as platforms send it: half a surrogate too."""
    sent = {"content-type": "application/json", **(headers or {})}
    reply = await http.post(path, content=json.dumps(body).encode(), headers=sent)
    return reply.status_code


@contextmanager
def serving(house: House, port: int = 0) -> Iterator[str]:
    """The house behind a real port, its loops running in the server's own event loop."""
    app = house.app()
    channels = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with house.at_work(), channels(app):
            yield

    app.router.lifespan_context = lifespan
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            threading.Event().wait(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """A platform's API behind a real port."""
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", 0, log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            threading.Event().wait(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
