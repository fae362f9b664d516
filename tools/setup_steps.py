"""The steps of making an environment: a uv, a Python, a venv, the locked packages. Standard library
only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterable, NamedTuple

OLDEST, NEWEST = (3, 11), (3, 13)
WANTED = "Python 3.11, 3.12 or 3.13"
# Fetched when the machine has no fitting Python of its own.
FETCHED = "3.12"
_OLDEST_UV = (0, 5)
_PROBE = "import json,platform,sys;print(json.dumps([sys.executable,sys.version_info[:2],platform.python_implementation()]))"


class Stop(Exception):
    """The set-up cannot go on. The text is one sentence for a person: what is wrong and the way
    out.
    """


class Python(NamedTuple):
    """A Python that was run and answered."""

    path: str
    version: tuple[int, int]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Step:
    """One line of progress: what is being done and for how long. On a terminal the line is kept up
    to date.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = ""
        self._began = time.monotonic()
        self._done = threading.Event()
        self._live = sys.stderr.isatty()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Step":
        if not self._live:
            say(f"  {self._what} …")
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._done.set()
        self._thread.join()
        took = time.monotonic() - self._began
        if self._live:
            sys.stderr.write(
                f"\r\x1b[K  {self._what}: {'failed' if kind else 'done'} ({took:.1f} s)\n"
            )
            sys.stderr.flush()
        elif took > 5 and not kind:
            say(f"  … done ({took:.0f} s)")

    def note(self, line: str) -> None:
        """The latest thing heard from the program that does the work."""
        self._last = line.strip()

    def _tick(self) -> None:
        every = 0.2 if self._live else 15.0
        while not self._done.wait(every):
            took = time.monotonic() - self._began
            line = f"  {self._what} … {took:.0f} s  {self._last}"
            if self._live:
                width = shutil.get_terminal_size().columns - 1
                sys.stderr.write(f"\r\x1b[K{line[:width]}")
                sys.stderr.flush()
            else:
                say(line)


class Result(NamedTuple):
    """How a program ended: its exit code and all it said."""

    code: int
    text: str


def run(
    command: list[str], step: Step | None = None, environment: dict[str, str] | None = None
) -> Result:
    """Run a program to its end, handing each line it says to the step. A program that is not there
    gives code 127.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        )
    except OSError as error:
        return Result(127, str(error))
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if step is not None:
                step.note(line)
        return Result(process.wait(), "".join(lines))
    except BaseException:
        process.terminate()
        process.wait()
        raise


# What a failed program said, the sentence for it. The first that fits is told.
_CAUSES = (
    (
        r"no space left|os error 28\b|disk quota",
        "the disk is full: free about 1.5 GB and run the command again",
    ),
    (
        r"hash mismatch|do not match the hashes",
        "a downloaded package is not the one that was locked: run the command again, and if it stays so do not trust "
        "the network or mirror you are on",
    ),
    (
        r"externally.managed",
        "this Python may not be written to: install uv yourself and run the command again",
    ),
    (
        r"dns error|error sending request|connect(ion)? (error|refused|reset|timed)|timed? ?out|unreachable|"
        r"name resolution|name or service not known|failed to (fetch|download)|could not fetch|"
        r"newconnectionerror|max retries|could not find a version|no matching distribution|offline",
        "the package registry cannot be reached: check the network (or the mirror set for uv and pip) and run the "
        "command again",
    ),
    (
        r"no wheels? with a matching|no compatible wheel|building source distributions .* disabled|no-build",
        "a package has no ready-made wheel for this kind of machine: use 64-bit Linux or macOS",
    ),
    (
        r"permission denied|os error 13\b",
        "a file may not be written: run the command as the owner of this folder",
    ),
)


def explain(doing: str, result: Result, log_folder: Path) -> Stop:
    """The one sentence for a failed step. All that was said goes to a log beside it."""
    log = log_folder / "setup.log"
    try:
        log.write_text(result.text, encoding="utf-8")
        kept = f" (all it said: {log})"
    except OSError:
        kept = ""
    for pattern, sentence in _CAUSES:
        if re.search(pattern, result.text, re.IGNORECASE):
            return Stop(f"{doing} failed: {sentence}{kept}.")
    said = [line.strip() for line in result.text.splitlines() if line.strip()]
    return Stop(f"{doing} failed: {said[-1] if said else 'it said nothing'}{kept}.")


def find_or_install_uv(tools: Path, lock: Path) -> str:
    """The path of a uv that runs: ours, the machine's own, or one installed into `tools` with pip."""
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
                "neither uv nor pip is here: install one of them (on Debian and Ubuntu: apt-get install python3-pip) "
                "and run the command again."
            )
        raise explain("Installing uv", heard, tools)


def _uv_version(path: str) -> tuple[int, ...]:
    """(0, 13) for a uv that runs; () for anything else, such as a pyenv shim that is not selected."""
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
            f"COURIER_PYTHON={choice} is not {WANTED}: say 3.11, 3.12, 3.13 or a path, or leave it unset."
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
    found: list[str] = []
    for name in names:
        if os.sep in name:
            found.append(name)
            continue
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder or ".", name)
            if os.access(path, os.X_OK) and path not in found:
                found.append(path)
    return found


def probe(path: str) -> Python | None:
    """Run an interpreter and see what it is. None if it does not run or is not CPython."""
    heard = run([path, "-ISc", _PROBE])
    try:
        real, version, kind = json.loads(heard.text)
    except ValueError:
        return None
    return Python(real, (version[0], version[1])) if heard.code == 0 and kind == "CPython" else None


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
                f"no {WANTED} is on this machine and none could be fetched: install one (on Debian and Ubuntu: "
                f"apt-get install python3), or name one with COURIER_PYTHON=/path/to/python."
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
