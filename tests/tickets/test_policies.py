"""Policies that decide about tickets: checked at start, put in force, each change logged."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bot import app, assembly, settings
from store.errors import PolicyError
from tests import rooms


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The company's policies, for a test to spoil."""
    ours = tmp_path / "policies"
    shutil.copytree(rooms.POLICIES, ours)
    monkeypatch.setattr(assembly, "POLICIES", ours)
    return ours


def edit(file: Path, was: str, now: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert was in text
    file.write_text(text.replace(was, now, 1), encoding="utf-8")


def chosen(address: str, home: Path) -> settings.Settings:
    return settings.load({"COURIER_HOME": str(home), "COURIER_DATABASE": address})


@pytest.mark.parametrize(
    ("name", "was", "now", "told"),
    [
        ("taxonomy", "goods_class:", "goods_classes:", "goods_class: Field required"),
        ("taxonomy", "precedence:", "precedence: all\nbefore:", "precedence: Input should be a"),
        ("urgency", "[report_perishable]", "[report_rotten]", "'report_rotten' is not an intent: "),
        ("urgency", "[valuable]", "[jewels]", "'document', .*'valuable'"),
        ("urgency", "colour: yellow", "colour: pink", "'red', 'orange', 'yellow' or 'green'"),
        ("urgency", "contacts_at_least: 3", "contacts_at_least: many", "valid integer"),
        ("urgency", "words: [受伤", "words: ['', 受伤", "at least 1 character"),
        ("urgency", "  - rule: valuables\n    colour: orange", "  - rule: v", "colour: Field requ"),
        ("teams", "team: night,", "team: evening,", "'evening' is not one of first_line, second"),
        ("teams", "[injury_or_danger]", "[injury]", "'injury' is not a rule of urgency: .*inj"),
        ("teams", "above: regional", "above: region", "'region' is not one of first_line"),
        ("teams", "shift: night", "shift: dusk", "'dusk' is not a calendar: always"),
        ("teams", "{zh: 夜间应急, en", "{zh: 夜间应急, name", "teams.night.en: Field required"),
        ("calendars", '["22:00-07:00"]', '["22-07"]', "not a window such as 08:30-12:00"),
        ("calendars", "week: {mon-sat", "weeks: {mon-sat", "branches.week: Field required"),
        ("intake", "  report_loss:", "  report_lost:", "'report_lost' is not a class: claim_"),
        ("intake", "  complain: {", "  #complain: {", "nothing is said of complain"),
        ("intake", "ask: [waybill_no]", "ask: [number]", "'waybill_no', 'goods', 'amount' or 'det"),
        ("intake", "{photo: 2}", "{photo: two}", "valid integer"),
        ("promises", "calendar: couriers", "calendar: courier", "'courier' is not a calendar: alw"),
        ("promises", "pauses: false", "pause: false", "pauses: Field required"),
        ("compensation", "second_line: 200", "second_lane: 200", "not a team: .*second_line"),
        ("compensation", "percent: 100", "percent: all", "valid integer"),
        ("compensation", "gift:", "gifts:", "gift: Field required"),
        ("after", "report_loss,", "report_lost,", "'report_lost' is not a class: claim_comp"),
        ("after", "low: 2", "low: two", "valid integer"),
        ("after", "reopen_days: 30", "", "reopen_days: Field required"),
        ("after", "zh: [没有, 没,", "zh: []\n    xx: [没,", "words.deny.zh: Tuple should have at"),
        ("incidents", "[report_damage]", "[report_broken]", "'report_broken' is not a class: clai"),
        ("incidents", "tickets: 5", "tickets: 1", "greater than or equal to 2"),
        ("incidents", "usual_days: 28", "", "usual_days: Field required"),
        ("anger", "offer_at: 2", "offer_at: soon", "valid integer"),
        ("anger", "strong:", "stronger:", "strong: Field required"),
        ("files", "max_megabytes: 20", "max_megabytes: big", "valid integer"),
        ("webhooks", "systems: {}", "systems: {crm: {}}", "callback: Field required"),
        ("notices", "quiet:", "silence:", "silence: Extra inputs are not permitted"),
        ("changes", "\nidentity:", "\nidentities:", "identity: Field required"),
        ("goods", "perishable:", "rotting:", "rotting"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_mistake_is_refused_at_start_with_file_line_and_what_is_allowed(
    address: str, folder: Path, tmp_path: Path, name: str, was: str, now: str, told: str
) -> None:
    edit(folder / f"{name}.yml", was, now)
    with pytest.raises(PolicyError) as refused:
        app.create(chosen(address, tmp_path))
    assert re.search(rf"{name}\.yml: line \d+, .*{told}", str(refused.value)), refused.value


@pytest.mark.parametrize(
    ("name", "was", "now"),
    [
        ("teams", "team: night,", "team: evening,"),
        ("teams", "above: regional", "above: region"),
        ("intake", "{photo: 2}", "{photo: two}"),
        ("compensation", "second_line: 200", "second_lane: 200"),
    ],
)
@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_the_line_is_the_one_with_the_mistake(
    address: str, folder: Path, tmp_path: Path, name: str, was: str, now: str
) -> None:
    file = folder / f"{name}.yml"
    edit(file, was, now)
    at = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if now in text)
    with pytest.raises(PolicyError, match=rf"{name}\.yml: line {at}, "):
        app.create(chosen(address, tmp_path))


def test_every_change_of_a_policy_is_logged_line_by_line_and_once(
    address: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def start() -> list[str]:
        caplog.clear()
        with TestClient(app.create(chosen(address, tmp_path))):
            pass
        return [r.getMessage() for r in caplog.records if r.name == "store.policy_versions"]

    assert start() == []
    files = sorted(folder.glob("*.yml"))
    for file in files:
        with file.open("a", encoding="utf-8") as end:
            end.write("# seen by the works council\n")
    assert start() == [f"policy {f.name} has changed: {last_line_added(f)}" for f in files]
    assert start() == []


def last_line_added(file: Path) -> str:
    """How that is told."""
    count = len(file.read_text(encoding="utf-8").splitlines())
    return f"@@ -{count - 1},0 +{count} @@ | +# seen by the works council"
