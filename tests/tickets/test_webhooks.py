"""Events reach other systems signed, under one id however often, and are given up visibly."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, update
from standardwebhooks import Webhook

from bot import cli
from bot.webhooks import MAX_ATTEMPTS, WebhookLoop, from_file
from store import clock
from store.engine import Database
from store.errors import PolicyError, SettingsError
from store.live import Live
from tests import rooms
from tests.channels.house import until
from tickets.events import SYSTEM, Events
from tickets.lifecycle import Change, Lifecycle
from tickets.models import Ticket, WebhookDelivery
from tickets.service import Complaint, Tickets
from tickets.webhooks import Webhooks

SECRET = "whsec_" + base64.b64encode(b"the secret of the crm and ours..").decode()


class Crm:
    """A system outside: checks with the inventors' own library, answers what a test wants."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[int] = []
        self.address = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        Webhook(SECRET).verify(body, {k.lower(): v for k, v in request.headers.items()})
        self.got.append((request.headers["webhook-id"], json.loads(body)))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"retry-after": "7"} if status == 429 else {})


@pytest.fixture
async def crm() -> AsyncIterator[Crm]:
    crm = Crm()
    app = web.Application()
    app.router.add_post("/tickets", crm.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    crm.address = f"{site.name}/tickets"
    yield crm
    await runner.cleanup()


class Place:
    """The rooms with the loop, told of ``opened`` and ``accepted`` only."""

    def __init__(self, database: Database, folder: Path, address: str) -> None:
        policy = folder / "webhooks.yml"
        policy.write_text(
            f"systems: {{crm: {{callback: '{address}', events: [opened, accepted]}}}}"
        )
        systems, accounts = from_file(policy, {"CRM": SECRET})
        self.database, self.live = database, Live(database)
        hooks = Webhooks({name: s.events for name, s in systems.items()}, self.live)
        built = rooms.build(database).tickets
        life = Lifecycle(Events(hooks.queue))
        self.tickets = Tickets(built.urgency, built.routing, built.clocks, built.zone, life)
        self.loop = WebhookLoop(database, self.live, accounts)

    def happen(self) -> None:
        """Opened, commented (nobody's business), accepted."""
        with self.database.write() as session:
            talk = rooms.said(session, "碎了")
            complaint = Complaint("in:1", "report_damage", talk.id, talk.customer_id, "碎了")
            ticket = self.tickets.open(session, complaint).ticket
            self.tickets.lifecycle.comment(session, ticket, SYSTEM, "x")
            self.tickets.lifecycle.change(session, ticket, Change.ACCEPT, SYSTEM)

    def rows(self) -> list[WebhookDelivery]:
        with self.database.read() as session:
            return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))

    def due_now(self, **more: object) -> None:
        with self.database.write() as session:
            waiting = update(WebhookDelivery).where(WebhookDelivery.delivered_at.is_(None))
            session.execute(waiting.values(due_at=clock.now(), **more))
        self.live.wake("webhooks")


@pytest.fixture
async def place(database: Database, tmp_path: Path, crm: Crm) -> AsyncIterator[Place]:
    opened = Place(database, tmp_path, crm.address)
    yield opened
    await opened.loop.stop()


async def test_what_a_system_wants_reaches_it_signed_and_once(place: Place, crm: Crm) -> None:
    place.loop.start()
    place.happen()
    await until(lambda: all(row.delivered_at for row in place.rows()) and place.rows())
    told = sorted((body["type"], body["ticket"]["state"]) for _, body in crm.got)
    assert told == [("ticket.accepted", "accepted"), ("ticket.opened", "received")]
    body = next(body for _, body in crm.got if body["type"] == "ticket.opened")
    assert body["event"]["what"] == "opened"
    assert body["ticket"]["number"].startswith("CS")
    assert {name for name, _ in crm.got} == {row.public_id for row in place.rows()}


async def test_a_failure_is_tried_again_with_the_same_id_and_body(place: Place, crm: Crm) -> None:
    crm.answers = [500, 500]
    place.happen()
    place.loop.start()
    await until(lambda: [row.last_error for row in place.rows()] == ["HTTP 500"] * 2)
    assert all(row.due_at and row.due_at > clock.now() for row in place.rows())
    place.due_now()
    await until(lambda: all(row.delivered_at for row in place.rows()))
    assert len(crm.got) == 4
    assert sorted(crm.got[:2], key=str) == sorted(crm.got[2:], key=str)


async def test_it_waits_as_long_as_it_is_asked_to(place: Place, crm: Crm) -> None:
    crm.answers = [429, 429]
    place.happen()
    place.loop.start()
    await until(lambda: [row.last_error for row in place.rows()] == ["HTTP 429"] * 2)
    assert all(
        row.due_at and row.due_at - clock.now() > timedelta(seconds=5.5) for row in place.rows()
    )


async def test_what_is_never_taken_is_a_dead_letter_that_can_be_sent_again(
    place: Place, crm: Crm, address: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    crm.answers = [404, 404]
    place.happen()
    place.due_now(attempts=MAX_ATTEMPTS - 1)
    place.loop.start()
    await until(lambda: [row.due_at for row in place.rows()] == [None, None])
    monkeypatch.setenv("COURIER_DATABASE", address)
    monkeypatch.setenv("COURIER_HOME", str(tmp_path))
    assert cli.main(["webhooks"]) == 0
    listed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[1:] for line in listed] == [
        ["crm", f"ticket.{what}", str(MAX_ATTEMPTS), "HTTP 404"] for what in ("accepted", "opened")
    ]
    assert cli.main(["webhooks", listed[0][0]]) == 0
    place.live.wake("webhooks")
    await until(lambda: place.rows()[1].delivered_at)
    assert cli.main(["webhooks", listed[0][0]]) == 1
    assert "no dead letter" in capsys.readouterr().err


async def test_a_worker_that_died_keeps_nothing(place: Place, crm: Crm) -> None:
    place.happen()
    for row in place.loop._claim(9):  # and then killed
        assert row.leased_until is not None
    with place.database.write() as session:
        past = clock.now() - timedelta(seconds=1)
        session.execute(update(WebhookDelivery).values(leased_until=past))
    place.loop.start()
    await until(lambda: all(row.delivered_at for row in place.rows()))
    assert [row.attempts for row in place.rows()] == [2, 2]


async def test_what_is_rolled_back_tells_nobody(place: Place) -> None:
    def fail() -> None:
        with place.database.write() as session:
            talk = rooms.said(session, "碎了")
            complaint = Complaint("in:1", "report_damage", talk.id, talk.customer_id, "碎了")
            place.tickets.open(session, complaint)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail()
    with place.database.read() as session:
        assert session.scalars(select(Ticket)).all() == []
    assert place.rows() == []


@pytest.mark.parametrize(
    ("policy", "secrets", "error", "words"),
    [
        ("systems: {crm: {callback: 'ftp://x'}}", {"CRM": SECRET}, PolicyError, "https"),
        (
            "systems: {crm: {callback: 'https://x.example', events: [rain]}}",
            {"CRM": SECRET}, PolicyError, "opened",
        ),
        ("systems: {CRM: {callback: 'https://x.example'}}", {}, PolicyError, "a-z"),
        ("systems: {crm: {callback: 'https://x.example'}}", {}, SettingsError, "missing"),
        ("systems: {crm: {callback: 'https://x.example'}}", {"CRM": "x"}, SettingsError, "base64"),
        ("systems: {}", {"CRM": SECRET}, SettingsError, "names no such account"),
    ],
)  # fmt: skip
def test_a_policy_with_a_mistake_is_named(
    tmp_path: Path, policy: str, secrets: dict[str, str], error: type[Exception], words: str
) -> None:
    path = tmp_path / "webhooks.yml"
    path.write_text(policy)
    with pytest.raises(error, match=words):
        from_file(path, secrets)
