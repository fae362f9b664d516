"""A whole installation for tests: real service, real Rasa, the trained model, its own folder."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from bot import model, processes, up
from bot.channels import reading
from bot.channels.console.client import Line
from bot.processes import Child
from bot.settings import ROOT, Settings, load
from conversations import repository as record
from conversations.models import Author, Conversation, Delivery, Holder, Inbox, Kind, Outbox
from handoff import repository as cases
from store.engine import Database
from tests.rasa.processes import free_port
from tickets import repository as tickets
from tickets.promises import repository as promises

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class TicketState:
    number: str
    kind: str
    urgency: str
    waybill_no: str | None
    description: str
    contacts: int


@dataclass(frozen=True, slots=True)
class CaseState:
    id: int
    state: str
    reason: str
    rule: str
    urgency: str
    packet: dict[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the transcript; ``delivery`` is null for what needs none."""

    id: int
    author: str
    kind: str
    text: str
    delivery: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the record holds of a customer's present conversation."""

    id: int
    key: str
    holder: Holder
    language: str
    entries: tuple[Entry, ...]
    tickets: tuple[TicketState, ...]
    case: CaseState | None
    contact_by: tuple[object, ...]
    unhandled: int

    def said(self, *authors: Author) -> list[str]:
        """What these authors said to the customer (all but the customer by default), in order."""
        wanted = authors or (Author.BOT, Author.SYSTEM, Author.AGENT)
        return [
            e.text
            for e in self.entries
            if e.author in wanted and e.kind not in (Kind.NOTE, Kind.EVENT)
        ]


class Seen:
    """A running installation as its record and its people show it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database)
        people = json.loads((settings.home / up.PEOPLE_FILE).read_text())
        self.passwords: dict[str, str] = {p["login"]: p["password"] for p in people}

    @property
    def url(self) -> str:
        return self.settings.service_url

    def line(self, name: str, language: str = "zh") -> Line:
        """A customer at the console: the client of ``./courier say``."""
        return Line(self.settings, name, language)

    def known(self, name: str, channel: str = "console", account: str = "terminal") -> Known:
        """The record of a customer's latest conversation."""
        with self.database.read() as session:
            found = reading.visitor(session, channel, account, name)
            assert found is not None, f"nobody called {name} has written"
            assert found[1] is not None
            return self._known(found[1].id)

    def conversation_of(self, text: str) -> Known:
        """The one conversation in which a customer said exactly these words."""
        with self.database.read() as session:
            rows = [
                message.conversation_id
                for row in session.query(Conversation.id).all()
                for message in record.messages(session, row.id)
                if message.author == Author.CUSTOMER and message.text == text
            ]
        assert len(set(rows)) == 1, f"{len(set(rows))} conversations say {text!r}"
        return self._known(rows[0])

    def _known(self, conversation_id: int) -> Known:
        with self.database.read() as session:
            conversation = session.get_one(Conversation, conversation_id)
            entries = record.messages(session, conversation_id)
            sent = record.outbox_of(session, [m.id for m in entries])
            case = cases.open_case(session, conversation_id)
            return Known(
                id=conversation.id,
                key=conversation.key,
                holder=Holder(conversation.holder),
                language=conversation.language,
                entries=tuple(
                    Entry(
                        m.id, m.author, m.kind, m.text, sent[m.id].state if m.id in sent else None
                    )
                    for m in entries
                ),
                tickets=tuple(
                    TicketState(
                        t.number, t.kind, t.urgency, t.waybill_no, t.description, t.contacts
                    )
                    for t in tickets.of_conversation(session, conversation_id)
                ),
                case=None
                if case is None
                else CaseState(
                    case.id, case.state, case.reason, case.rule, case.urgency, case.packet
                ),
                contact_by=tuple(
                    p.by
                    for p in promises.made_to(session, [conversation_id])
                    if p.kind == "contact"
                ),
                unhandled=session.query(Inbox)
                .filter(Inbox.conversation_id == conversation_id, Inbox.handled_at.is_(None))
                .count(),
            )

    def undelivered(self) -> int:
        """Rows of the outbox that have not left, or were given up."""
        with self.database.read() as session:
            return (
                session.query(Outbox)
                .filter(Outbox.state.in_((Delivery.QUEUED, Delivery.FAILED)))
                .count()
            )

    def staff(self, login: str) -> Staff:
        return Staff(self, login)

    def close(self) -> None:
        self.database.dispose()


class House(Seen):
    """An installation in processes of its own."""

    def __init__(self, settings: Settings, children: list[Child]) -> None:
        super().__init__(settings)
        self.service, self.rasa = children

    def kill(self, child: Child) -> None:
        """End a process as a power cut does."""
        child.signal(signal.SIGKILL)
        assert child.wait(10), f"{child.title} survived SIGKILL"

    def start(self, child: Child) -> None:
        """Start a killed process; returns when the service answers and sees the bot."""
        child.start()
        self.ready()

    def start_service(self) -> None:
        """Start the killed service without waiting for a Rasa that is meant to be out of order."""
        self.service.start()
        eventually(self._service_answers, "the service", seconds=30)

    def ready(self) -> None:
        eventually(lambda: processes.answers(self.settings), "service and bot", seconds=60)

    def _service_answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    @contextmanager
    def paused(self, child: Child) -> Iterator[None]:
        """A process that hangs for the time of the block."""
        child.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            child.signal(signal.SIGCONT)


class Staff:
    """A member of staff at the desk's API."""

    def __init__(self, house: Seen, login: str) -> None:
        self._http = httpx.Client(base_url=house.url, timeout=15, trust_env=False)
        person = self._checked(
            self._http.post(
                "/api/session", json={"login": login, "password": house.passwords[login]}
            )
        )
        self.csrf = str(person["csrf"])
        self._http.headers["X-CSRF-Token"] = self.csrf

    def do(self, case_id: int, what: str, **facts: str) -> dict[str, object]:
        return self._checked(self._http.post(f"/api/cases/{case_id}/{what}", json=facts))

    def press(self, path: str, **form: str) -> str:
        """Send a form of a page; the page that comes of it."""
        reply = self._http.post(path, data={"csrf": self.csrf} | form, follow_redirects=True)
        assert reply.is_success, f"{path}: {reply.status_code} {reply.text[:300]}"
        return reply.text

    def packet(self, case_id: int) -> dict[str, object]:
        return self._checked(self._http.get(f"/api/cases/{case_id}/packet"))

    def close(self) -> None:
        self._http.close()

    def _checked(self, reply: httpx.Response) -> dict[str, object]:
        assert reply.is_success, f"{reply.request.url}: {reply.status_code} {reply.text[:200]}"
        found: dict[str, object] = reply.json()
        return found


@contextmanager
def built(home: Path, database: str | None = None) -> Iterator[House]:
    """Set up, start, and at the end stop an installation in ``home`` on free ports."""
    settings = lent(settings_in(home, database))
    with up.running(settings) as children:
        house = House(settings, children)
        try:
            yield house
        finally:
            for child in children:
                child.signal(signal.SIGCONT)
            house.close()


def settings_in(home: Path, database: str | None = None) -> Settings:
    port = free_port()
    rasa_port = free_port()
    while rasa_port == port:
        rasa_port = free_port()
    given = {
        "COURIER_HOME": str(home),
        "COURIER_PORT": str(port),
        "COURIER_RASA_PORT": str(rasa_port),
        **({"COURIER_DATABASE": database} if database else {}),
    }
    return load(given)


def lent(settings: Settings) -> Settings:
    """The checkout's own model serves every house: it is trained at most once."""
    checkout = load({})
    assert checkout.models == ROOT / "var" / "models"
    if model.fitting(checkout) is None:
        model.train(checkout)
    if not settings.models.exists():
        settings.models.symlink_to(checkout.models, target_is_directory=True)
    return settings


def eventually(
    look: Callable[[], Found | None], what: str, *, seconds: float = 15, every: float = 0.1
) -> Found:
    """The first truthy answer of ``look`` (a failed assertion in it counts as none); fails after
    ``seconds`` with ``what`` was awaited."""
    ends = time.monotonic() + seconds
    fault = ""
    while True:
        try:
            if found := look():
                return found
        except AssertionError as error:
            fault = f": {error}"
        if time.monotonic() > ends:
            pytest.fail(f"no sign of {what} after {seconds:.0f} s{fault}")
        time.sleep(every)
