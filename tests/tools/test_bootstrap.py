"""./courier makes its environment, hands over to it, and says in one sentence why it cannot."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap, progress, setup_steps

ROOT = Path(__file__).resolve().parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def script(path: Path, text: str) -> Path:
    """An executable shell script at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that holds only what a fresh machine meets first."""
    folder = tmp_path / "checkout"
    for part in ("tools", "requirements"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "courier", folder / "courier")
    return folder


@pytest.fixture
def ready(checkout: Path) -> Path:
    """The checkout with an environment that its stamp calls current, and a command line to call."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    script(checkout / ".venv" / "bin" / "python", f'exec "{sys.executable}" "$@"')
    stamp = {
        group: hashlib.sha256((checkout / "requirements" / f"{group}.txt").read_bytes()).hexdigest()
        for group in ("run", "dev")
    }
    (checkout / ".venv" / bootstrap.STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    (checkout / "bot").mkdir()
    (checkout / "bot" / "__init__.py").touch()
    (checkout / "bot" / "cli.py").write_text(
        "import os, sys\nprint(os.getcwd(), sys.argv[1:])\n", encoding="utf-8"
    )
    return checkout


def courier(
    folder: Path, *arguments: str, cwd: Path, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run ./courier of that checkout, standing in `cwd`."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(folder / "courier"), *arguments],
        cwd=cwd,
        env={**environment, **extra},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_current_environment_is_handed_over_to_without_a_word(
    ready: Path, tmp_path: Path
) -> None:
    ended = courier(ready, "say", "--as", "ann", cwd=tmp_path)
    assert ended.stderr == ""
    assert ended.stdout.strip() == f"{tmp_path} ['say', '--as', 'ann']"


def test_a_folder_called_bot_where_the_caller_stands_is_not_taken_for_ours(
    ready: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "bot").mkdir(parents=True)
    (elsewhere / "bot" / "__init__.py").touch()
    (elsewhere / "bot" / "cli.py").write_text("print('somebody else')\n", encoding="utf-8")
    assert "somebody else" not in courier(ready, "up", cwd=elsewhere).stdout


def test_courier_runs_from_anywhere(ready: Path) -> None:
    assert courier(ready, "migrate", cwd=Path("/")).stdout.strip() == "/ ['migrate']"


def test_a_changed_lock_makes_the_environment_stale(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = ready / "requirements" / "run.txt"
    monkeypatch.setitem(bootstrap.LOCKS, "run", lock)
    assert bootstrap.is_current(ready / ".venv", "run")
    lock.write_text(lock.read_text(encoding="utf-8") + "six==1.16.0\n", encoding="utf-8")
    assert not bootstrap.is_current(ready / ".venv", "run")


def test_an_environment_that_was_broken_off_is_not_current(ready: Path) -> None:
    bootstrap.write_stamp(ready / ".venv", {"run": "", "dev": ""})
    assert not bootstrap.is_current(ready / ".venv", "run")
    (ready / ".venv" / bootstrap.STAMP).write_text("{half a st", encoding="utf-8")
    assert bootstrap.read_stamp(ready / ".venv") == {}


def test_a_disk_without_room_is_said_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bootstrap.ROOM, "run", 10**18)
    with pytest.raises(progress.Stop, match="free some room"):
        bootstrap.make_environment(tmp_path / ".venv", "run", None)
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("choice", ["3.10", "2.7", "4", "/bin/sh", "/no/such/python"])
def test_a_python_that_does_not_fit_is_refused_in_one_sentence(checkout: Path, choice: str) -> None:
    ended = courier(checkout, "up", cwd=checkout, COURIER_PYTHON=choice)
    assert ended.returncode == 1
    assert f"COURIER_PYTHON={choice} is not Python 3.11, 3.12 or 3.13" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_each_chosen_python_has_an_environment_of_its_own() -> None:
    assert bootstrap.environment_folder(None).name == ".venv"
    assert bootstrap.environment_folder("3.12").name == ".venv-3.12"
    assert bootstrap.environment_folder(sys.executable).name == f".venv-{VERSION}"


@pytest.mark.slow
def test_a_registry_that_cannot_be_reached_is_said_in_one_sentence(
    checkout: Path, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:9"
    ended = courier(
        checkout,
        "up",
        cwd=checkout,
        HTTPS_PROXY=nowhere,
        https_proxy=nowhere,
        ALL_PROXY=nowhere,
        UV_CACHE_DIR=str(tmp_path / "cache"),
        HOME=str(tmp_path),
        COURIER_PYTHON=sys.executable,
    )
    assert ended.returncode == 1
    assert "the package registry cannot be reached" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


# What the machine has


def test_a_shim_that_fails_is_passed_over_for_a_python_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "shims" / "python3", "echo 'pyenv: version not set' >&2; exit 127")
    script(tmp_path / "real" / "python3", f'exec "{sys.executable}" "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{tmp_path / 'real'}:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = setup_steps.find_python(None)
    assert found is not None
    assert found.version == VERSION


def test_a_python_in_pyenvs_folder_is_found_though_not_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / ".pyenv" / "versions" / f"{VERSION}.99" / "bin" / "python"
    script(kept, f'exec "{sys.executable}" "$@"')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = setup_steps.find_python(None)
    assert found is not None
    assert found.version == VERSION


def test_a_machine_without_a_fitting_python_is_known_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = """echo '["/usr/bin/python3", "3.9", "cpython"]'"""
    script(tmp_path / "python3", old)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert setup_steps.find_python(None) is None


def test_a_pypy_is_not_taken(tmp_path: Path) -> None:
    other = script(tmp_path / "python3", """echo '["/usr/bin/pypy3", "3.11", "pypy"]'""")
    assert setup_steps.probe(str(other)) is None


def test_a_uv_that_does_not_run_counts_as_none(tmp_path: Path) -> None:
    shim = script(tmp_path / "uv", "echo 'uv 0.9.1'; exit 127")
    assert setup_steps._uv_version(str(shim)) == ()
    assert setup_steps._uv_version(str(tmp_path / "nowhere")) == ()
    fine = script(tmp_path / "uv2", "echo 'uv 0.9.1 (x86_64)'")
    assert setup_steps._uv_version(str(fine)) == (0, 9)


# What a failure says


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("error: failed to write: No space left on device (os error 28)", "the disk is full"),
        ("Hash mismatch for `six==1.16.0`", "not the one that was locked"),
        ("error sending request for url: dns error", "registry cannot be reached"),
        ("Could not fetch URL: connection broken", "registry cannot be reached"),
        ("sklearn has no wheels with a matching platform tag", "no ready-made wheel"),
        ("Permission denied (os error 13)", "may not be written"),
        ("first line\n  something unheard of\n", "something unheard of"),
        ("", "it said nothing"),
    ],
)
def test_a_failed_step_is_told_in_one_sentence(said: str, sentence: str, tmp_path: Path) -> None:
    told = str(progress.explain("Installing", progress.Result(1, said), tmp_path))
    assert sentence in told
    assert "\n" not in told
    assert (tmp_path / "setup.log").read_text(encoding="utf-8") == said


def test_all_that_a_program_says_is_heard_and_its_code_kept(tmp_path: Path) -> None:
    heard = progress.run([str(script(tmp_path / "x", "echo one; echo two >&2; exit 3"))])
    assert heard == progress.Result(3, "one\ntwo\n")
