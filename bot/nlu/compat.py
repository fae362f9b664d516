"""Rasa 3.6.21 on a modern Python, without TensorFlow: the one door through which this product
reaches Rasa.

`prepare()` must have run before anything imports `rasa`; `main(argv)` is Rasa's own command line
behind it, as `./courier rasa …`. What stands in for missing libraries is in `standins`, what
changes Rasa's code in `patches`.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from bot.nlu import patching, standins

SUPPORTED_RASA = "3.6.21"

# Rasa reads these from the environment only. Its makers get no usage reports; plots are drawn to
# files; numpy's thread pools stay at one thread, because a server is one process on one core and
# each idle thread costs memory.
_ENVIRONMENT = {
    "RASA_TELEMETRY_ENABLED": "false",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
}


class UnsupportedRasaError(RuntimeError):
    """The installed Rasa is not the one that stand-ins and patches were written for."""

    def __init__(self, found: str | None) -> None:
        self.found = found
        what = f"Rasa {found} is installed" if found else "Rasa is not installed"
        super().__init__(
            f"{what}, but bot/nlu/compat.py was written for Rasa {SUPPORTED_RASA}: run ./courier "
            f"to bring the environment back to its lock, or go through every patch before changing "
            f"the version."
        )


def installed_rasa() -> str | None:
    """The version of Rasa in this environment, or None if there is none."""
    try:
        return metadata.version("rasa")
    except metadata.PackageNotFoundError:
        return None


def prepare() -> None:
    """Make `import rasa` work in this process. Calling it again changes nothing.

    Raises UnsupportedRasaError before anything is touched if another Rasa is installed.
    """
    found = installed_rasa()
    if found != SUPPORTED_RASA:
        raise UnsupportedRasaError(found)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # Rasa needs it in every command, and its warning tells nobody here what to do.
        warnings.simplefilter("ignore")
        import pkg_resources  # noqa: F401
    standins.install()
    patching.install()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one Rasa command, for example ``["train", "--fixed-model-name", "x"]``; gives its exit
    code.

    A missing stand-in or a wrong version is told in one sentence on stderr, with exit code 1.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        prepare()
        from rasa.__main__ import main as rasa_main

        sys.argv = ["rasa", *arguments]
        # Components are named in config.yml by their place in this repository.
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        rasa_main()
    except (standins.AbsentLibraryError, UnsupportedRasaError) as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(("rasa", "bot")):
            raise
        print(
            f"This Rasa command needs {error.name}, which Courier Desk leaves out.", file=sys.stderr
        )
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
