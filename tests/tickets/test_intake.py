"""What a ticket needs: prefilled, missing, and photos by a link where the channel has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bot import app as service
from bot import assembly, settings
from conversations.models import FileKind
from parcels.models import GoodsClass
from parcels.schemas import ShipmentIn
from parcels.service import store_shipment
from store import clock
from store.engine import Database
from tests import rooms
from tests.samples import PHOTO
from tickets import repository
from tickets.events import SYSTEM
from tickets.lifecycle import Change
from tickets.models import Ticket
from tickets.service import Complaint, Tickets

RULES = rooms.build_intake()


def opened(database: Database, key: str = "in:1", by: str = "visitor", **more: object) -> Ticket:
    built = rooms.build(database).tickets
    tickets = Tickets(
        built.urgency, built.routing, built.clocks, built.zone, built.lifecycle, RULES
    )
    with database.write() as session:
        talk = rooms.said(session, "碎了", by=by)
        facts: dict[str, object] = {
            "idempotency_key": key, "kind": "report_damage", "conversation_id": talk.id,
            "customer_id": talk.customer_id, "description": "花瓶碎了", "waybill_no": "SF1390275",
        }  # fmt: skip
        return tickets.open(session, Complaint(**(facts | more))).ticket  # type: ignore[arg-type]


def files_of(database: Database, ticket: Ticket) -> int:
    with database.read() as session:
        return len(repository.file_ids(session, ticket.id))


def test_nothing_known_is_asked_again(database: Database) -> None:
    with database.write() as session:
        store_shipment(
            session,
            ShipmentIn(waybill_no="SF1390275", goods="花瓶", goods_class=GoodsClass.FRAGILE),
        )
    first = opened(database, facts={"phone": "13800000000", "amount": "300"})
    assert (first.goods, first.goods_class) == ("花瓶", "fragile")
    second = opened(database, "in:2", kind="report_misdelivery")
    assert second.facts == {"phone": "13800000000"}
    with database.read() as session:
        details = repository.events(session, second.id)[0].details
    assert details["prefilled"] == {"goods": "shipment", "phone": first.number}
    theirs = opened(database, "in:3", by="else", kind="report_delay")
    assert theirs.facts == {}


def test_what_is_missing_by_class(database: Database) -> None:
    ticket = opened(database, facts={"amount": "300"}, waybill_no=None)
    lacks = RULES.lacks(ticket, [FileKind.PHOTO])
    assert lacks.required == ("waybill_no", "goods")
    assert lacks.optional == ("time", "place", "claim")
    assert lacks.evidence == {FileKind.PHOTO: 1}
    assert RULES.lacks(ticket, [FileKind.PHOTO] * 2).evidence == {}


@pytest.fixture
def page(address: str, tmp_path: Path, at: Callable[[datetime], None]) -> TestClient:
    chosen = {"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address}
    return TestClient(
        service.create(settings.load(chosen)),
        raise_server_exceptions=False,
        follow_redirects=False,
        headers={"accept-language": "zh"},
    )


def send(page: TestClient, link: str, data: bytes = PHOTO, name: str = "花瓶.png") -> object:
    return page.post(link, files={"file": (name, data, "image/png")}).status_code


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_photos_by_the_link(
    page: TestClient, database: Database, at: Callable[[datetime], None]
) -> None:
    ticket = opened(database)
    app: assembly.Service = page.app.state.service  # type: ignore[attr-defined]
    link = app.skills.upload(ticket.number).partition("8600")[2]
    assert "补充照片" in page.get(link).text
    assert send(page, link) == 303
    assert files_of(database, ticket) == 1
    assert "收到了" in page.get(f"{link}&came=1").text
    for data, name, status in (
        (b"MZ\x90\x00" + bytes(60), "photo.png", 415),  # a program that calls itself a photo
        (b"", "photo.png", 422),
        (PHOTO + bytes(21 << 20), "big.png", 413),
    ):
        assert send(page, link, data, name) == status
    assert page.post(link, data={"file": "words"}).status_code == 422
    # Another ticket's number, another time, no signature: no door.
    for wrong in (
        link.replace("0001", "0002"), link.replace("until=1", "until=2"), link.partition("?")[0],
        link[:-1], link.replace("until=", "until=x"),
    ):  # fmt: skip
        assert (page.get(wrong).status_code, send(page, wrong)) == (404, 404)
    assert files_of(database, ticket) == 1
    with database.write() as session:
        held = session.get_one(Ticket, ticket.id)
        events = [event.what for event in repository.events(session, ticket.id)]
        app.skills.tickets.lifecycle.change(session, held, Change.CANCEL, SYSTEM, "重复")
    assert events == ["opened", "evidence"]
    assert send(page, link) == 404
    at(clock.now() + timedelta(days=8))
    assert page.get(link).status_code == 404
