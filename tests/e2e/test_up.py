"""``./courier`` as a person types it: up, a second up, say, seed, Ctrl-C, and up again."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from bot.settings import ROOT, Settings
from tests.e2e import dialogues
from tests.e2e import house as houses
from tests.e2e.house import eventually

COMMAND = str(ROOT / "courier")
LOGINS = ("lin", "zhou", "chen")


@dataclass
class Typed:
    """One installation as somebody at a terminal has it."""

    settings: Settings
    environment: dict[str, str]

    def run(self, *words: str, says: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *words],
            env=self.environment,
            input=says,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def up(self) -> Up:
        return Up(self)


class Up:
    """A running ``./courier up``, once it says that it is ready."""

    def __init__(self, typed: Typed) -> None:
        self._screen = typed.settings.home / "screen.txt"
        with self._screen.open("w") as output:
            self.process = subprocess.Popen(
                [COMMAND, "up"],
                env=typed.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(lambda: "Ctrl-C" in self.screen or self.ended, "up being ready", seconds=120)
        assert not self.ended, self.screen

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def screen(self) -> str:
        return self._screen.read_text(encoding="utf-8")

    @property
    def passwords(self) -> dict[str, str]:
        """What the table of people says."""
        found = re.findall(
            r"^\s*(?:agent|supervisor)\s+(\S+)\s+(\S+)\s*$", self.screen, re.MULTILINE
        )
        return dict(found)

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until it and all its processes are gone."""
        family = self.family()
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(15) == 0
        took = time.monotonic() - began
        assert gone(family)
        return took

    def family(self) -> list[psutil.Process]:
        """Every process it has started."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        assert len(found) >= 2
        return found

    def close(self) -> None:
        if not self.ended:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()


def gone(family: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    settings = houses.lent(houses.settings_in(tmp_path_factory.mktemp("up")))
    environment = {
        **os.environ,
        "COURIER_HOME": str(settings.home),
        "COURIER_PORT": str(settings.port),
        "COURIER_RASA_PORT": str(settings.rasa_port),
    }
    return Typed(settings, environment)


@pytest.fixture(scope="module")
def up(typed: Typed) -> Iterator[Up]:
    running = typed.up()
    yield running
    running.close()


def test_up_prints_page_desk_and_people(typed: Typed, up: Up) -> None:
    base = typed.settings.service_url
    page, desk = re.findall(r"http://\S+", up.screen)[:2]
    assert (page.rstrip("/"), desk) == (base, f"{base}/desk")
    assert httpx.get(page, timeout=10, trust_env=False).status_code == 200
    assert tuple(up.passwords) == LOGINS
    for login, password in up.passwords.items():
        entered = httpx.post(
            f"{base}/api/session",
            json={"login": login, "password": password},
            timeout=10,
            trust_env=False,
        )
        assert entered.status_code == 200
        assert (entered.json()["role"] == "supervisor") == (login == "chen")


def test_a_second_up_says_in_one_sentence_that_the_port_is_in_use(typed: Typed, up: Up) -> None:
    second = typed.run("up")
    assert second.returncode == 1
    (sentence,) = (second.stdout + second.stderr).strip().splitlines()
    assert str(typed.settings.port) in sentence
    assert "in use" in sentence
    assert not up.ended


def test_say_plays_a_script_as_json(typed: Typed, up: Up) -> None:
    crabs = "YT7788990011223"
    played = typed.run(
        "say", "--as", "小王", "--json", says=f"你好\n我的大闸蟹 {crabs} 还没到，快死了\n"
    )
    assert (played.returncode, played.stderr) == (0, "")
    turns = [
        [json.loads(line) for line in turn.splitlines()]
        for turn in played.stdout.strip("\n").split("\n\n")
    ]
    assert len(turns) == 2
    assert all(
        set(a) == {"text", "buttons", "holder", "ticket", "urgency"} for t in turns for a in t
    )
    assert turns[0][-1]["holder"] == "bot"
    last = turns[1][-1]
    assert (last["holder"], last["urgency"]) == ("waiting", "red")
    assert any(last["ticket"] in answer["text"] for answer in turns[1])
    assert played.stdout.endswith("\n\n")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_seeded_shipments_are_known_at_once(
    typed: Typed, up: Up, tmp_path: Path, form: str
) -> None:
    given = [dialogues.shipment({"goods": "书", "state": "moving"}) for _ in range(2)]
    path = tmp_path / f"shipments.{form}"
    if form == "json":
        rows = [g.model_dump(mode="json", exclude_none=True) for g in given]
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file)
            writer.writerow(["waybill_no", "goods", "eta_to", "scan_at", "scan_place"])
            for g in given:
                writer.writerow([g.waybill_no, g.goods, g.eta_to, g.scans[0].at, g.scans[0].place])
    seeded = typed.run("seed", "--file", str(path))
    assert seeded.returncode == 0, seeded.stderr
    assert "2" in seeded.stdout
    for g in given:
        played = typed.run("say", "--as", f"{form} reader", "--json", says=f"{g.waybill_no} 到哪了")
        assert "武汉转运中心" in played.stdout


def test_a_broken_file_is_one_sentence_and_stores_nothing(typed: Typed, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('[{"waybill_no": "YT1"}]', encoding="utf-8")
    seeded = typed.run("seed", "--file", str(path))
    assert seeded.returncode == 1
    assert len(seeded.stderr.strip().splitlines()) == 1
    assert "broken.json" in seeded.stderr


def test_up_starts_again_what_dies(typed: Typed, up: Up) -> None:
    for child in up.family():
        child.kill()
    eventually(lambda: up.screen.count("starting it again") >= 2, "up noticing", seconds=10)

    def answers() -> bool:
        try:
            health = httpx.get(f"{typed.settings.service_url}/health", timeout=3, trust_env=False)
        except httpx.TransportError:
            return False
        return bool(health.json() == {"ok": True, "bot": True})

    eventually(answers, "service and bot", seconds=60)
    assert not up.ended


def test_ctrl_c_ends_all_and_the_next_up_knows_everything(typed: Typed, up: Up) -> None:
    passwords = up.passwords
    typed.run("say", "--as", "小李", "--json", says="我的快递好几天没动了，请帮我催一下")
    assert up.interrupt() < 5
    with pytest.raises(httpx.TransportError):
        httpx.get(typed.settings.service_url, timeout=2, trust_env=False)
    again = typed.up()
    try:
        assert again.passwords == passwords
        played = typed.run("say", "--as", "小李", "--json", says="没有单号")
        answer = json.loads(played.stdout.strip().splitlines()[-1])
        # The form goes on where it stood before the restart.
        assert answer["ticket"] is not None
        # Killed hard, it leaves nothing behind either.
        family = again.family()
        again.process.kill()
        eventually(lambda: gone(family), "an end of all processes", seconds=10)
    finally:
        again.close()
