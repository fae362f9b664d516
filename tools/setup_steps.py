"""The steps of making an environment: a uv, a Python, a venv, the locked packages.

Standard library only, for Python 3.8 and later.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Iterable, NamedTuple

from tools.progress import Result, Step, Stop, explain, run

OLDEST, NEWEST = (3, 11), (3, 13)
WANTED = "Python 3.11, 3.12 or 3.13"
# Fetched when the machine has no fitting Python of its own.
FETCHED = "3.12"
_OLDEST_UV = (0, 5)
_PROBE = (
    "import json, sys; "
    "print(json.dumps([sys.executable, sys.version_info[:2], sys.implementation.name]))"
)


class Python(NamedTuple):
    """A Python that was run and answered."""

    path: str
    version: tuple[int, int]


def find_or_install_uv(tools: Path, lock: Path) -> str:
    """The path of a uv that runs: ours, the machine's, or one that pip installs into `tools`."""
    ours = tools / "uv" / "bin" / "uv"
    home = Path.home()
    for candidate in (
        str(ours),
        shutil.which("uv"),
        str(home / ".local/bin/uv"),
        str(home / ".cargo/bin/uv"),
    ):
        if candidate and _uv_version(candidate) >= _OLDEST_UV:
            return candidate
    with Step("Installing uv (the installer)") as step:
        heard = Result(1, "")
        for python in _interpreters(
            [
                "python3",
                "/usr/bin/python3",
                "python3.13",
                "python3.12",
                "python3.11",
                sys.executable,
            ]
        ):
            if run([python, "-m", "pip", "--version"]).code != 0:
                continue
            shutil.rmtree(tools / "uv", ignore_errors=True)
            # --target leaves the machine's own packages alone, so an externally managed Python
            # allows it.
            heard = run(
                [
                    python,
                    "-m",
                    "pip",
                    "install",
                    "--disable-pip-version-check",
                    "--no-input",
                    "--only-binary",
                    ":all:",
                    "--require-hashes",
                    "--target",
                    str(tools / "uv"),
                    "-r",
                    str(lock),
                ],
                step,
            )
            if heard.code == 0 and _uv_version(str(ours)) >= _OLDEST_UV:
                return str(ours)
        if not heard.text:
            raise Stop(
                "neither uv nor pip is here: install one of them (on Debian and Ubuntu: apt-get "
                "install python3-pip) and run the command again."
            )
        raise explain("Installing uv", heard, tools)


def _uv_version(path: str) -> tuple[int, ...]:
    """(0, 13) for a uv that runs; () for anything else, as a pyenv shim that is not selected."""
    heard = run([path, "--version"])
    found = re.match(r"uv (\d+)\.(\d+)", heard.text)
    return tuple(int(part) for part in found.groups()) if heard.code == 0 and found else ()


def find_python(choice: str | None) -> Python | None:
    """A Python of this machine that fits, or None. `choice` is "3.12", a path, or None for the
    machine's own first.

    Raises Stop when a path was chosen and does not fit.
    """
    if choice and os.sep in choice:
        chosen = probe(choice)
        if chosen is None or not OLDEST <= chosen.version <= NEWEST:
            raise Stop(f"COURIER_PYTHON={choice} is not {WANTED}: name another, or leave it unset.")
        return chosen
    if choice and choice not in {"3.11", "3.12", "3.13"}:
        raise Stop(
            f"COURIER_PYTHON={choice} is not {WANTED}: say one of these or a path, or leave it "
            f"unset."
        )
    names = [f"python{choice}"] if choice else ["python3", "python3.13", "python3.12", "python3.11"]
    kept = sorted(Path.home().glob(f".pyenv/versions/{choice or '3.1'}*/bin/python"), reverse=True)
    for path in [*_interpreters(names), *(str(path) for path in kept)]:
        found = probe(path)
        if (
            found
            and OLDEST <= found.version <= NEWEST
            and (not choice or choice == "%d.%d" % found.version)
        ):
            return found
    return None


def _interpreters(names: Iterable[str]) -> list[str]:
    """Every file of these names on PATH, not only the first: a shim in front may fail where a later
    one runs.
    """
    found: dict[str, None] = {}
    for name in names:
        if os.sep in name:
            found[name] = None
            continue
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = str(Path(folder) / name)
            if os.access(path, os.X_OK):
                found[path] = None
    return list(found)


def probe(path: str) -> Python | None:
    """Run an interpreter and see what it is. None if it does not run or is not CPython."""
    heard = run([path, "-ISc", _PROBE])
    try:
        real, version, kind = json.loads(heard.text)
    except ValueError:
        return None
    return Python(real, (version[0], version[1])) if heard.code == 0 and kind == "cpython" else None


def make_venv(uv: str, folder: Path, choice: str | None) -> None:
    """An empty environment in `folder`, unless one of a fitting Python is there. Fetches a Python
    if none is.
    """
    there = probe(str(folder / "bin" / "python"))
    if there and OLDEST <= there.version <= NEWEST:
        return
    python = find_python(choice)
    shutil.rmtree(folder, ignore_errors=True)
    if python:
        what, asked = (
            f"Using Python {python.version[0]}.{python.version[1]} at {python.path}",
            ["--python", python.path],
        )
    else:
        version = choice or FETCHED
        what, asked = (
            f"Fetching Python {version}",
            ["--python", version, "--python-preference", "only-managed"],
        )
    with Step(what) as step:
        heard = run([uv, "venv", "--no-project", "--no-config", *asked, str(folder)], step)
        if heard.code != 0 and python is None:
            raise Stop(
                f"no {WANTED} is on this machine and none could be fetched: install one (on Debian "
                f"and Ubuntu: apt-get install python3), or name one with "
                f"COURIER_PYTHON=/path/to/python."
            )
        if heard.code != 0:
            raise explain("Making the environment", heard, folder.parent / ".tools")


def install(uv: str, folder: Path, lock: Path, tools: Path) -> None:
    """Bring the environment to exactly what the lock names, every file checked by its hash,
    compiled to bytecode.
    """
    packages = len(re.findall(r"^[A-Za-z0-9]", lock.read_text(encoding="utf-8"), re.MULTILINE))
    with Step(
        f"Installing {packages} locked packages (about 300 MB to fetch the first time)"
    ) as step:
        heard = run(
            [
                uv,
                "pip",
                "sync",
                "--python",
                str(folder / "bin" / "python"),
                "--require-hashes",
                "--no-build",
                "--compile-bytecode",
                str(lock),
            ],
            step,
        )
        if heard.code != 0:
            raise explain("Installing the packages", heard, tools)
