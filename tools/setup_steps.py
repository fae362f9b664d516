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

from tools.progress import Step, Stop, explain, run

# Newest first: so they are looked for.
FITTING = ("3.13", "3.12", "3.11")
WANTED = "Python 3.11, 3.12 or 3.13"
# Fetched when the machine has no fitting Python of its own.
FETCHED = "3.12"
_OLDEST_UV = (0, 5)
_PROBE = (
    "import json, sys; "
    "print(json.dumps([sys.executable, '%d.%d' % sys.version_info[:2], sys.implementation.name]))"
)


class Python(NamedTuple):
    """A Python that was run and answered."""

    path: str
    version: str


def find_or_install_uv(tools: Path, lock: Path) -> str:
    """The path of a uv that runs: ours, the machine's, or one that pip installs into `tools`."""
    ours, home = tools / "uv" / "bin" / "uv", Path.home()
    for candidate in (ours, shutil.which("uv"), home / ".local/bin/uv", home / ".cargo/bin/uv"):
        if candidate and _uv_version(str(candidate)) >= _OLDEST_UV:
            return str(candidate)
    with Step("Installing uv, which installs the rest") as step:
        python = _python_with_pip()
        if not python:
            raise Stop(
                "neither uv nor pip is here: install one of them (on Debian and Ubuntu: apt-get "
                "install python3-pip) and run the command again."
            )
        shutil.rmtree(tools / "uv", ignore_errors=True)
        # --target leaves the machine's own packages alone, which an externally managed Python asks.
        how = ["--disable-pip-version-check", "--no-input", "--retries", "1", "--require-hashes"]
        what = ["--only-binary", ":all:", "--target", str(tools / "uv"), "-r", str(lock)]
        heard = run([python, "-m", "pip", "install", *how, *what], step)
        if heard.code != 0 or _uv_version(str(ours)) < _OLDEST_UV:
            raise explain("Installing uv", heard, tools)
    return str(ours)


def _python_with_pip() -> str | None:
    """The first Python of this machine, whatever its version, whose pip runs."""
    names = ["python3", "/usr/bin/python3", *(f"python{version}" for version in FITTING)]
    for python in [*_interpreters(names), sys.executable]:
        if run([python, "-m", "pip", "--version"]).code == 0:
            return python
    return None


def _uv_version(path: str) -> tuple[int, ...]:
    """(0, 13) for a uv that runs; () for anything else, as a pyenv shim that is not selected."""
    heard = run([path, "--version"])
    found = re.match(r"uv (\d+)\.(\d+)", heard.text)
    return tuple(int(part) for part in found.groups()) if heard.code == 0 and found else ()


def chosen_version(choice: str) -> str:
    """What COURIER_PYTHON names, as "3.12": it may say just that, or the path of an interpreter.

    Raises Stop when it is not a Python that fits.
    """
    if choice in FITTING:
        return choice
    chosen = probe(choice) if os.sep in choice else None
    if chosen is None or chosen.version not in FITTING:
        raise Stop(
            f"COURIER_PYTHON={choice} is not {WANTED}: say one of these or a path, or leave it "
            f"unset."
        )
    return chosen.version


def find_python(choice: str | None) -> Python | None:
    """A Python of this machine that fits, or None. Unless one was chosen, the machine's own
    `python3` comes first, then the newest.
    """
    if choice and os.sep in choice:
        return probe(choice)
    fitting = (choice,) if choice else FITTING
    names = ([] if choice else ["python3"]) + [f"python{version}" for version in fitting]
    kept = Path.home() / ".pyenv" / "versions"
    pyenv = [path for version in fitting for path in sorted(kept.glob(f"{version}.*/bin/python"))]
    for path in [*_interpreters(names), *map(str, pyenv)]:
        found = probe(path)
        if found and found.version in fitting:
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
    return Python(real, version) if heard.code == 0 and kind == "cpython" else None


def make_venv(uv: str, folder: Path, tools: Path, choice: str | None) -> None:
    """An empty environment in `folder`, unless one of a fitting Python is there. Fetches a Python
    if none is.
    """
    there = probe(str(folder / "bin" / "python"))
    if there and there.version in FITTING:
        return
    python = find_python(choice)
    shutil.rmtree(folder, ignore_errors=True)
    version = choice or FETCHED
    if python:
        what, asked = f"Using Python {python.version} at {python.path}", [python.path]
    else:
        what, asked = f"Fetching Python {version}", [version, "--managed-python"]
    with Step(what) as step:
        heard = run([uv, "venv", "--no-project", "--python", *asked, str(folder)], step)
        if heard.code != 0 and python is None:
            raise Stop(
                f"no {WANTED} is on this machine and none could be fetched: install one (on Debian "
                f"and Ubuntu: apt-get install python3), or name one with "
                f"COURIER_PYTHON=/path/to/python."
            )
        if heard.code != 0:
            raise explain("Making the environment", heard, tools)


def install(uv: str, folder: Path, lock: Path, tools: Path) -> None:
    """Bring the environment to exactly what the lock names, every file checked by its hash and
    compiled to bytecode, which halves Rasa's start.
    """
    packages = len(re.findall(r"^[A-Za-z0-9]", lock.read_text(encoding="utf-8"), re.MULTILINE))
    # The folder is given so that no other project's settings apply where the caller stands.
    where = ["--directory", str(lock.parents[1]), "--python", str(folder / "bin" / "python")]
    how = ["--require-hashes", "--no-build", "--compile-bytecode"]
    with Step(f"Installing {packages} locked packages (some 300 MB the first time)") as step:
        heard = run([uv, "pip", "sync", *where, *how, str(lock)], step)
        if heard.code != 0:
            raise explain("Installing the packages", heard, tools)
