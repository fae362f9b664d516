"""``./courier import``: a file of parcels or scans, all of it or nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from bot import cli
from parcels import repository
from parcels.models import GoodsClass, Scan, Shipment, Status
from store import clock
from store.engine import Database

PARCELS = "tracking_no,goods,colour\nSF1000000000001,护照,blue\nsf 1000000000002,,\n"
SCANS = (
    "id,number,time,status,location\n"
    "1,SF1000000000001,2026-03-01 08:00,InTransit,嘉兴\n"
    "2,SF1000000000001,2026-03-01T09:00:00Z,delivered,杭州\n"
)
Run = Callable[..., int]


@pytest.fixture
def run(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COURIER_HOME", str(tmp_path))
    monkeypatch.setenv("COURIER_DATABASE", address)

    def ran(text: str | bytes, *options: str) -> int:
        path = tmp_path / "given.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return cli.main(["import", str(path), *options])

    return ran


def rows(database: Database) -> tuple[int, int]:
    with database.read() as session:
        return (
            session.scalar(select(func.count()).select_from(Shipment)) or 0,
            session.scalar(select(func.count()).select_from(Scan)) or 0,
        )


def refused(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "given.refused.csv").open(encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_parcels_then_scans_and_again(
    run: Run, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(PARCELS) == 0
    said = capsys.readouterr()
    assert said.out == "2 new, 0 known before.\n"
    assert "Columns not used: colour" in said.err
    assert run(SCANS) == 0
    assert run(SCANS) == 0
    assert capsys.readouterr().out == "2 new, 0 known before.\n0 new, 2 known before.\n"
    with database.read() as session:
        parcel = repository.by_waybill(session, "SF1000000000001")
    assert parcel is not None
    assert (parcel.status, parcel.goods_class) == (Status.DELIVERED, GoodsClass.DOCUMENT)
    assert rows(database) == (2, 2)
    assert not (tmp_path / "given.refused.csv").exists()


def test_a_dry_run_stores_nothing(
    run: Run, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(PARCELS, "--dry-run") == 0
    assert "2 of 2 lines can be used; nothing was stored." in capsys.readouterr().out
    assert rows(database) == (0, 0)


def test_one_bad_line_and_nothing_is_stored(run: Run, database: Database, tmp_path: Path) -> None:
    run(PARCELS)
    long = "x" * 10_000_000
    bad = SCANS + (
        "3,SF1000000000009,2026-03-01 08:00,InTransit,unknown\n"
        "4,SF1000000000001,2126-03-01 08:00,InTransit,future\n"
        "5,SF1000000000001,yesterday,Flying,time\n"
        "1,SF1000000000001,2026-03-01 08:00,Delivered,another content\n"
        "6,,2026-03-01 08:00,InTransit,nobody\n"
        "7,SF1000000000001,2026-03-01 08:00,InTransit,here,there\n"
        f"8,SF1000000000001,2026-03-01 08:00,InTransit,{long}\n"
    )
    assert run(bad) == 1
    assert rows(database) == (2, 0)
    told = refused(tmp_path)
    assert [(row["line"], row["field"]) for row in told] == [
        ("4", "waybill_no"),
        ("5", "at"),
        ("6", "at; status"),
        ("7", "event_id"),
        ("8", "waybill_no"),
        ("9", ""),
        ("10", ""),
    ]
    assert (told[0]["location"], told[0]["reason"][:9]) == ("unknown", "no parcel")
    assert run(bad, "--skip-refused") == 0
    assert rows(database) == (2, 2)


def test_a_quote_that_is_not_closed_swallows_no_line(
    run: Run, database: Database, tmp_path: Path
) -> None:
    run(PARCELS)
    head, first, second, _ = SCANS.split("\n")
    broken = first.replace("嘉兴", '"嘉兴')
    assert run("\n".join((head, second, broken, first, ""))) == 1
    assert [(row["line"], row["reason"]) for row in refused(tmp_path)] == [
        ("3", "a cell too long, or a quote that is not closed")
    ]
    assert rows(database) == (2, 0)


def test_two_columns_of_one_meaning_are_refused(
    run: Run, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("number,tracking_no\nSF1000000000001,SF1000000000002\n") == 1
    assert "several columns are waybill_no" in capsys.readouterr().err
    assert rows(database) == (0, 0)


def test_a_time_without_zone_is_the_companys_and_a_clock_ahead_is_borne_for_ten_minutes(
    run: Run, database: Database, tmp_path: Path
) -> None:
    run(PARCELS)
    now = clock.now()
    here = f"{now.astimezone(ZoneInfo('Asia/Shanghai')) + timedelta(minutes=8):%Y-%m-%d %H:%M:%S}"
    ahead = (now + timedelta(minutes=12)).isoformat()
    head = "id,number,time\n"
    assert run(f"{head}1,SF1000000000001,{here}\n") == 0
    assert run(f"{head}2,SF1000000000001,{ahead}\n") == 1
    assert [row["reason"] for row in refused(tmp_path)] == ["lies in the future"]
    with database.read() as session:
        stored = session.scalars(select(Scan.at)).all()
    assert [abs(at - now - timedelta(minutes=8)) < timedelta(seconds=1) for at in stored] == [True]


def test_the_same_line_twice_is_harmless(run: Run, database: Database) -> None:
    assert run(PARCELS + "SF1000000000001,护照,blue\n") == 0
    assert run(SCANS + SCANS.split("\n")[1] + "\n") == 0
    assert rows(database) == (2, 2)


def test_lines_without_an_id_are_known_by_what_they_say(run: Run, database: Database) -> None:
    run(PARCELS)
    scans = "waybill_no,at,place\nSF1000000000001,2026-03-01T08:00Z,嘉兴\n"
    assert run(scans) == 0
    assert run(scans) == 0
    assert rows(database) == (2, 1)


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"name,goods\n1,2\n", "运单号,货物\n".encode("gb18030"), b"\xff\xfe\x00"]
)
def test_what_is_no_such_file_is_one_sentence(
    run: Run, database: Database, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    assert run(text) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "given.csv" in said


def test_a_file_that_is_not_there(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "/nowhere/x.csv"]) == 1
    assert "No such file" in capsys.readouterr().err
