"""What a person sees of a set-up: lines of progress, and one sentence when it fails.

Standard library only, for Python 3.8 and later.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple


class Stop(Exception):
    """The set-up cannot go on. The text is one sentence for a person: what is wrong and the way
    out.
    """


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

    def __enter__(self) -> Step:
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
            # A company's own certificate authority is known to its system, not to uv.
            env={"UV_SYSTEM_CERTS": "true", **(environment or os.environ)},
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


# What a failed program said, and the sentence for it. The first that fits is told.
_CAUSES = (
    (
        r"no space left|os error 28\b|disk quota",
        "the disk is full: free about 1.5 GB and run the command again",
    ),
    (
        r"hash mismatch|do not match the hashes",
        "a downloaded package is not the one that was locked: run the command again, and if it "
        "stays so do not trust the network or mirror you are on",
    ),
    (
        r"externally.managed",
        "this Python may not be written to: install uv yourself and run the command again",
    ),
    (
        r"dns error|error sending request|connect(ion)? (error|refused|reset|timed)|timed? ?out"
        r"|unreachable|name resolution|name or service not known|failed to (fetch|download)"
        r"|could not fetch|newconnectionerror|max retries|could not find a version"
        r"|no matching distribution|offline",
        "the package registry cannot be reached: check the network (or the mirror set for uv and "
        "pip) and run the command again",
    ),
    (
        r"no wheels? with a matching|no compatible wheel|building source .* disabled|no-build",
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
