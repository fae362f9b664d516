"""Makes the environment that ./courier runs in, and hands over to it.

Standard library only, and runs on any Python from 3.8: it is what a fresh machine meets first. It
finds uv or installs one, finds a Python 3.11 to 3.13, makes `.venv` from the committed lock, and
replaces itself by `python -m bot.cli`. A stamp in the environment says which lock it was made from,
so that the next start costs only two file reads. Everything that can go wrong is one sentence with
the way out, and exit code 1.

`COURIER_PYTHON=3.12` (or a path) chooses the Python; each such choice has an environment of its
own, `.venv-3.12`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TOOLS = ROOT / ".tools"
LOCKS = {"run": ROOT / "requirements" / "run.txt", "dev": ROOT / "requirements" / "dev.txt"}
# Commands that also need what tests and measurements are made with.
DEV_COMMANDS = frozenset({"test", "bench"})
# Bytes that must be free before anything is installed; measured: 0.66 and 0.87 GB.
ROOM = {"run": 900_000_000, "dev": 1_200_000_000}
STAMP = "courier-stamp.json"


def main(arguments: list[str]) -> int:
    """Bring the environment up to date and replace this process by the command. Returns only on
    failure.
    """
    from tools.progress import Stop

    command = arguments[0] if arguments else ""
    try:
        if command == "lock":
            from tools import lock

            return lock.main(arguments[1:])
        group = "dev" if command in DEV_COMMANDS else "run"
        python = ensure_environment(group)
        hand_over(python, arguments)
    except Stop as stop:
        print(f"Courier Desk: {stop}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno == errno.ENOSPC:
            print(
                f"Courier Desk: the disk that holds {ROOT} is full: free some room and run the "
                "command again.",
                file=sys.stderr,
            )
        else:
            where = f" ({error.filename})" if error.filename else ""
            print(f"Courier Desk: {error.strerror or error}{where}.", file=sys.stderr)
    return 1


def environment_folder(choice: str | None) -> Path:
    """`.venv`, or `.venv-3.12` when a Python was chosen.

    Raises Stop when the choice is no Python that fits.
    """
    from tools import setup_steps as steps

    return ROOT / (f".venv-{steps.chosen_version(choice)}" if choice else ".venv")


def ensure_environment(group: str) -> Path:
    """The Python of an environment that holds `group` ("run" or "dev") as locked, made or renewed
    if need be.
    """
    choice = os.environ.get("COURIER_PYTHON") or None
    folder = environment_folder(choice)
    python = folder / "bin" / "python"
    if is_current(folder, group):
        return python
    with one_at_a_time():
        if not is_current(folder, group):
            make_environment(folder, group, choice)
    return python


def digest(group: str) -> str:
    return hashlib.sha256(LOCKS[group].read_bytes()).hexdigest()


def read_stamp(folder: Path) -> dict[str, str]:
    """Which locks the environment was made from, by group; empty when it is not there or not
    finished.
    """
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_current(folder: Path, group: str) -> bool:
    """Whether the environment is there and was made from today's lock of this group."""
    return (folder / "bin" / "python").exists() and read_stamp(folder).get(group) == digest(group)


def make_environment(folder: Path, group: str, choice: str | None) -> None:
    """Find or fetch what is missing, then install the lock. A broken run is taken up by the next
    one.
    """
    from tools import progress
    from tools import setup_steps as steps

    stamp = read_stamp(folder)
    if "dev" in stamp:
        group = "dev"  # Renewed, not shrunk: whoever ran the tests here will run them again.
    free, needed = shutil.disk_usage(ROOT).free, ROOM[group] // (3 if stamp else 1)
    if free < needed:
        raise progress.Stop(
            f"the disk that holds {ROOT} has {free // 1_000_000} MB free and the environment needs "
            f"{needed // 1_000_000} MB: free some room and run the command again."
        )
    began = time.monotonic()
    if not stamp:
        progress.say(f"Making the environment in {folder.name} (this happens once).")
    elif group in stamp:
        progress.say(f"Renewing the environment in {folder.name}: its lock has changed.")
    else:
        progress.say(f"Adding to {folder.name} what tests and measurements need.")
    uv = steps.find_or_install_uv(TOOLS, ROOT / "requirements" / "uv.txt")
    groups = ("run", "dev") if group == "dev" else ("run",)
    if stamp:
        # Should this be broken off, the next run knows what was there and that it is not whole.
        write_stamp(folder, dict.fromkeys(groups, ""))
    steps.make_venv(uv, folder, TOOLS, choice)
    steps.install(uv, folder, LOCKS[group], TOOLS)
    write_stamp(folder, {name: digest(name) for name in groups})
    progress.say(f"The environment is ready ({time.monotonic() - began:.0f} s).")


def write_stamp(folder: Path, stamp: dict[str, str]) -> None:
    (folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two commands started together on a fresh machine must not install into each other."""
    from tools import progress

    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "setup.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("Another ./courier is preparing the environment; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def hand_over(python: Path, arguments: list[str]) -> None:
    """Replace this process by the product's command line, in the caller's own folder."""
    environment = dict(os.environ)
    inherited = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{inherited}" if inherited else str(ROOT)
    # -P: a folder called "bot" where the caller stands must not be taken for ours.
    os.execve(str(python), [str(python), "-P", "-m", "bot.cli", *arguments], environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
