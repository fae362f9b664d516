"""Outside sources: recorded pushes in their own field names, and what becomes of them.

The signatures below were made with md5sum, sha256sum and openssl over the stored payloads, not by
the code that is tested.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from bot import app as service
from bot import cli, settings
from parcels import ingest, repository
from parcels.models import Scan, Status, SubStatus
from parcels.schemas import ParcelIn, ScanEvent
from parcels.sources import kuaidi100
from parcels.sources.statuses import Statuses
from store.engine import Database
from store.errors import PolicyError, SettingsError, SourceUnavailable
from tests.parcels.test_ingest import GOODS
from tests.rooms import POLICIES

PAYLOADS = Path(__file__).parent / "payloads"
STATUSES = Statuses.from_file(POLICIES / "statuses.yml")
OURS = "SF1000000000001"
SET = {
    "COURIER_KUAIDI100_KEY": "the-key",
    "COURIER_KUAIDI100_CUSTOMER": "the-customer",
    "COURIER_KUAIDI100_SALT": "the-salt-we-chose",
    "COURIER_KUAIDI100_ASKS_KEY": "courierdesk",
    "COURIER_KUAIDI100_ASKS_SECRET": "their-secret",
    "COURIER_17TRACK_KEY": "17-track-key",
    "COURIER_AFTERSHIP_SECRET": "aftership-secret",
}


@dataclass(frozen=True)
class Told:
    """A source's push: how it comes, and what it says at the end."""

    source: str
    number: str
    scans: int
    status: Status
    sub_status: SubStatus | None
    sign: str
    header: str = ""
    done: Mapping[str, object] = field(default_factory=dict)

    @property
    def payload(self) -> str:
        return next(PAYLOADS.glob(f"{self.source}_*.json")).read_text(encoding="utf-8")

    def post(self, page: TestClient, payload: str, sign: str) -> Any:
        path = f"/sources/{self.source}"
        if self.header:
            return page.post(path, content=payload.encode(), headers={self.header: sign})
        return page.post(
            path,
            content=f"sign={quote_plus(sign)}&param={quote_plus(payload)}",
            headers={"content-type": "application/x-www-form-urlencoded; charset=UTF-8"},
        )


TOLD = [
    Told(
        "kuaidi100",
        "JD0000000000017",
        4,
        Status.AVAILABLE_FOR_PICKUP,
        None,
        "B4474B410AA639D3A418A6F7FC46C458",
        done={"result": True, "returnCode": "200", "message": "成功"},
    ),
    Told(
        "17track",
        "RR123456785CN",
        2,
        Status.IN_TRANSIT,
        SubStatus.IN_CUSTOMS,
        "e868125870d9108c922b59397041bbe4b11685abcc3c3ec5b10d614916874ea5",
        "sign",
    ),
    Told(
        "aftership",
        "9405500000000000000017",
        3,
        Status.DELIVERY_FAILURE,
        SubStatus.NOBODY_THERE,
        "DQttQ4eraG2cParkZfr+gP4tqTMhZk5dvS6czVQo+3k=",
        "aftership-hmac-sha256",
    ),
]
EACH = pytest.mark.parametrize("told", TOLD, ids=[told.source for told in TOLD])


@pytest.fixture
def page(address: str, database: Database, tmp_path: Path, at: object) -> TestClient:
    chosen = {"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address, **SET}
    numbers = [told.number for told in TOLD] + [OURS]
    ingest.take_parcels(database, [ParcelIn(waybill_no=number) for number in numbers], GOODS)
    return TestClient(service.create(settings.load(chosen)), raise_server_exceptions=False)


def road(database: Database, number: str) -> list[Scan]:
    with database.read() as session:
        parcel = repository.by_waybill(session, number)
        assert parcel is not None
        return list(repository.scans(session, parcel.id))


def status(database: Database, number: str) -> Status:
    with database.read() as session:
        parcel = repository.by_waybill(session, number)
        assert parcel is not None
        return parcel.status


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Scan)) or 0


@EACH
def test_a_push_is_stored_once_and_thanked(
    page: TestClient, database: Database, told: Told
) -> None:
    for _ in range(2):
        answer = told.post(page, told.payload, told.sign)
        assert (answer.status_code, answer.json()) == (200, told.done)
    scans = road(database, told.number)
    assert len(scans) == told.scans
    assert (scans[-1].status, scans[-1].sub_status) == (told.status, told.sub_status)
    assert status(database, told.number) == told.status
    assert {scan.source for scan in scans} == {told.source}
    assert all(scan.words for scan in scans)


@EACH
def test_a_wrong_signature_stores_nothing(page: TestClient, database: Database, told: Told) -> None:
    forged = told.payload.replace("2026", "2025", 1)
    for payload, sign in (
        (forged, told.sign),
        (told.payload, ""),
        (told.payload, told.sign[:-1]),
        (told.payload, "签名"),
        (told.payload + " ", told.sign),
    ):
        if told.header and not sign.isascii():
            continue  # no header carries it
        assert told.post(page, payload, sign).status_code == 403
    assert count(database) == 0


@EACH
def test_a_source_that_is_off_is_not_there(
    address: str, tmp_path: Path, told: Told, at: object
) -> None:
    chosen = {"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address}
    bare = TestClient(service.create(settings.load(chosen)), raise_server_exceptions=False)
    assert told.post(bare, told.payload, told.sign).status_code == 404
    assert bare.post("/sources/kuaidi100/asks", content=b"").status_code == 404


@EACH
def test_a_push_of_a_parcel_not_ours_is_thanked_and_left_out(
    page: TestClient, database: Database, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with database.write() as session:
        parcel = repository.by_waybill(session, told.number)
        session.delete(parcel)
    assert told.post(page, told.payload, told.sign).status_code == 200
    assert count(database) == 0
    assert "left out" in caplog.text
    assert told.number not in caplog.text


def test_unknown_states_are_kept_raw_and_move_nothing(page: TestClient, database: Database) -> None:
    for told in TOLD:
        told.post(page, told.payload, told.sign)
    strange = road(database, TOLD[0].number)[0]
    assert (strange.code, strange.status, strange.words) == ("1999", None, "快件等待航班")
    strange = road(database, TOLD[2].number)[1]
    assert (strange.code, strange.status) == ("Teleported_001", None)


def test_times_are_what_the_source_means(page: TestClient, database: Database) -> None:
    for told in TOLD:
        told.post(page, told.payload, told.sign)
    beijing = road(database, TOLD[0].number)[-1]
    assert beijing.at == datetime(2026, 3, 1, 10, 5, 11, tzinfo=UTC)
    assert beijing.place == "陕西西安市雁塔区"
    assert road(database, TOLD[1].number)[0].at == datetime(2026, 2, 20, 2, 0, tzinfo=UTC)
    assert road(database, TOLD[2].number)[0].at == datetime(2026, 2, 25, 23, 10, tzinfo=UTC)


def test_a_node_of_no_usable_time_does_not_hold_up_the_road(
    page: TestClient, database: Database
) -> None:
    told = TOLD[0]
    payload = told.payload.replace("2026-02-28 12:00:00", "0001-01-01 00:00:00")
    sign = kuaidi100.signature(payload, SET["COURIER_KUAIDI100_SALT"])
    assert told.post(page, payload, sign).status_code == 200
    assert len(road(database, told.number)) == told.scans - 1


def test_what_is_signed_and_still_unreadable_is_refused(page: TestClient) -> None:
    kuaidi, track17, _ = TOLD
    for body in (b"", b"\xff\xfe", b"sign=&param=", b"param=%00&sign=%00"):
        assert page.post("/sources/kuaidi100", content=body).status_code == 403
    broken = kuaidi.post(page, "[1]", kuaidi100.signature("[1]the-salt-we-chose"))
    assert broken.status_code == 422
    assert page.post("/sources/17track", content=b"x" * 2_000_000).status_code == 413
    assert track17.post(page, "", "").status_code == 403


def asks(page: TestClient, **form: str) -> dict[str, Any]:
    answer = page.post("/sources/kuaidi100/asks", content=urlencode(form))
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_kuaidi100_asks_us_and_reads_no_personal_words(
    page: TestClient, database: Database
) -> None:
    with database.write() as session:
        told = [("1", 8, Status.IN_TRANSIT, "嘉兴"), ("2", 9, Status.OUT_FOR_DELIVERY, "杭州")]
        ingest.scans(
            session,
            [
                ScanEvent(
                    waybill_no=OURS,
                    event_id=event_id,
                    at=datetime(2026, 3, 1, hour, tzinfo=UTC),
                    status=state,
                    place=place,
                    words="快递员王五 13800006789",
                )
                for event_id, hour, state, place in told
            ],
        )
    # printf 'courierdeskSF1000000000001their-secret' | md5sum
    sign = "318A8D3CBB8265D130511A4FBAFA5A79"
    assert asks(page, key="courierdesk", num=OURS, sign=sign) == {
        "result": True,
        "message": "SUCCESS",
        "state": "5",
        "data": [
            {"context": "【杭州】派送中", "location": "杭州", "time": "2026-03-01 17:00:00"},
            {"context": "【嘉兴】运输中", "location": "嘉兴", "time": "2026-03-01 16:00:00"},
        ],
    }
    refused = {"result": False, "message": "验签失败", "data": []}
    assert asks(page, key="courierdesk", num=OURS, sign=sign[:-1]) == refused
    assert asks(page, key="another", num=OURS, sign=sign) == refused
    assert asks(page, key="courierdesk", num="SF1000000000002", sign=sign) == refused
    assert asks(page) == refused
    unknown = kuaidi100.signature("courierdesk", "SF9", "their-secret")
    assert asks(page, key="courierdesk", num="SF9", sign=unknown) == {
        "result": True,
        "message": "运单号不存在",
        "data": [],
    }


class Kuaidi100Server:
    """Its side over real HTTP; ``answer`` is what it says next, ``asked`` what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: tuple[int, bytes] = (200, b"")

    @contextmanager
    def serving(self) -> Iterator[str]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                outer.asked.append((self.path, form))
                code, content = outer.answer
                self.send_response(code)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


@pytest.fixture
def theirs(
    page: TestClient, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kuaidi100Server]:
    server = Kuaidi100Server()
    with server.serving() as api:
        for name, value in SET.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COURIER_HOME", str(tmp_path))
        monkeypatch.setenv("COURIER_DATABASE", address)
        monkeypatch.setenv("COURIER_KUAIDI100_API", api)
        yield server


def test_a_query_stores_the_road(
    theirs: Kuaidi100Server, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = json.loads(TOLD[0].payload)["lastResult"]
    theirs.answer = (200, json.dumps(pushed).encode())
    query = ["kuaidi100", "query", TOLD[0].number, "jd", "--phone", "6789"]
    assert cli.main(query) == 0
    assert cli.main(query) == 0
    assert "4 scans; 4 new, 0 known before." in capsys.readouterr().out
    assert status(database, TOLD[0].number) == Status.AVAILABLE_FOR_PICKUP
    path, form = theirs.asked[0]
    assert path == "/poll/query.do"
    assert form["customer"] == "the-customer"
    assert json.loads(form["param"])["num"] == TOLD[0].number
    # The param as sent, the key and the customer through md5sum.
    assert form["param"] == '{"com":"jd","num":"JD0000000000017","phone":"6789","resultv2":"4"}'
    assert form["sign"] == "DFF94D8598CCA2A6C35A4BA6AE9E4F33"


@pytest.mark.parametrize(
    ("code", "content", "works"),
    [
        (200, b'{"result":false,"returnCode":"500","message":"\xe6\x97\xa0\xe7\xbb\x93"}', True),
        (200, b'{"result":false,"returnCode":"503","message":"sign"}', False),
        (200, b"<html>", False),
        (502, b"", False),
    ],
)
def test_a_query_that_finds_nothing_or_fails(
    theirs: Kuaidi100Server, database: Database, code: int, content: bytes, works: bool
) -> None:
    theirs.answer = (code, content)
    assert cli.main(["kuaidi100", "query", TOLD[0].number, "jd"]) == (0 if works else 1)
    assert count(database) == 0


@pytest.mark.parametrize(("code", "works"), [("200", True), ("501", True), ("700", False)])
def test_a_subscription_names_where_to_push(
    theirs: Kuaidi100Server, code: str, works: bool
) -> None:
    answer = {"result": code == "200", "returnCode": code, "message": ""}
    theirs.answer = (200, json.dumps(answer).encode())
    to = "https://desk.example/sources/kuaidi100"
    arguments = ["kuaidi100", "subscribe", TOLD[0].number, "jd", "--callback", to]
    assert cli.main(arguments) == (0 if works else 1)
    path, form = theirs.asked[0]
    param = json.loads(form["param"])
    assert (path, form["schema"], param["key"]) == ("/poll", "json", "the-key")
    assert param["parameters"]["callbackurl"] == to
    assert param["parameters"]["salt"] == "the-salt-we-chose"


async def test_a_server_that_is_away_is_said_so() -> None:
    account = kuaidi100.Account("k", "c", "s", "http://127.0.0.1:9")
    with pytest.raises(SourceUnavailable, match="ConnectError"):
        await kuaidi100.Client(account, STATUSES).query("JD0000000000017", "jd")


def test_half_an_account_is_one_sentence(tmp_path: Path) -> None:
    given = {"COURIER_HOME": str(tmp_path)}
    with pytest.raises(SettingsError, match=r"COURIER_KUAIDI100_CUSTOMER and .*_SALT too"):
        settings.load(given | {"COURIER_KUAIDI100_KEY": "secret-thing"})
    with pytest.raises(SettingsError, match="COURIER_KUAIDI100_ASKS_SECRET too"):
        settings.load(given | {"COURIER_KUAIDI100_ASKS_KEY": "k"})
    assert settings.load(given).sources.kuaidi100 is None
    assert "secret" not in repr(settings.load(given | SET).sources).replace("asker", "")


def test_a_wrong_word_in_the_tables_is_named(tmp_path: Path) -> None:
    path = tmp_path / "statuses.yml"
    text = (POLICIES / "statuses.yml").read_text(encoding="utf-8")
    path.write_text(text.replace("InTransit_PickedUp", "InTransit_Flying", 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=r"line \d+, kuaidi100\.1.*InTransit_PickedUp"):
        Statuses.from_file(path)
    path.write_text(text.replace("  Returned: '4'", "", 1), encoding="utf-8")
    with pytest.raises(PolicyError, match="Returned missing"):
        Statuses.from_file(path)


def test_every_status_has_a_way_in_from_each_source() -> None:
    """What none of a source's codes means is listed, so that a gap is a decision."""
    for table, never in (
        (STATUSES.kuaidi100, {Status.NOT_FOUND}),
        (STATUSES.track17, set()),
        (STATUSES.aftership, set()),
    ):
        assert set(Status) - {state.status for state in table.values()} == never


Move = Callable[[datetime], None]


def test_a_scan_of_a_time_to_come_waits_for_the_next_push(
    page: TestClient, database: Database, at: Move
) -> None:
    told = TOLD[0]
    at(datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    assert told.post(page, told.payload, told.sign).status_code == 200
    assert status(database, told.number) == Status.OUT_FOR_DELIVERY
    at(datetime(2026, 3, 1, 11, 0, tzinfo=UTC))
    assert told.post(page, told.payload, told.sign).status_code == 200
    assert status(database, told.number) == Status.AVAILABLE_FOR_PICKUP
