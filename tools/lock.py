"""Re-makes the locks in requirements/: `./courier lock` keeps every version it can, `./courier lock
--upgrade` takes the newest that pyproject.toml allows, `./courier lock --upgrade-package NAME` one
package's.

The locks hold for Python 3.11 to 3.13 on every kind of machine (markers say which line is for
which), carry the hash of every file, and name no registry: whoever installs them chooses where
from.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tools import progress
from tools import setup_steps as steps

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools"
LOCKS = ROOT / "requirements"
_HEAD = "# Made by ./courier lock from {source}: change that, never this.\n"


def main(options: list[str]) -> int:
    """Write the three locks. `options` go to uv as they are. Raises Stop when nothing fits
    together.
    """
    TOOLS.mkdir(exist_ok=True)
    uv = steps.find_or_install_uv(TOOLS, LOCKS / "uv.txt")
    compile_lock(uv, "run.txt", ["pyproject.toml"], options)
    compile_lock(
        uv,
        "dev.txt",
        ["pyproject.toml", "--group", "dev", "--constraint", "requirements/run.txt"],
        options,
    )
    compile_lock(uv, "uv.txt", ["requirements/uv.in"], options)
    return 0


def compile_lock(uv: str, name: str, source: list[str], options: list[str]) -> None:
    """Resolve `source` into requirements/`name`. What the file holds already is kept unless the
    options say so.
    """
    target = LOCKS / name
    with progress.Step(f"Locking requirements/{name}") as step:
        heard = progress.run(
            [
                uv,
                "--project",
                str(ROOT),
                "--directory",
                str(ROOT),
                "pip",
                "compile",
                *source,
                *options,
                "--universal",
                "--python-version",
                "3.11",
                "--generate-hashes",
                "--no-annotate",
                "--no-header",
                "--quiet",
                "--output-file",
                str(target),
            ],
            step,
        )
        if heard.code != 0:
            raise progress.explain(f"Locking requirements/{name}", heard, TOOLS)
    target.write_text(
        _HEAD.format(source=source[0]) + without_addresses(target.read_text(encoding="utf-8")),
        encoding="utf-8",
    )


def without_addresses(text: str) -> str:
    """The lock less every line that says where to fetch from. Raises Stop if an address stands
    inside a package's line.
    """
    kept = [
        line
        for line in text.splitlines(keepends=True)
        if not re.match(r"\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host|#)", line)
    ]
    if any("://" in line for line in kept):
        raise progress.Stop(
            "the lock would hold an address: pyproject.toml may only name packages that a "
            "registry has."
        )
    return "".join(kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
