"""The committed locks: whole, hashed, without an address, and in step with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.nlu.compat import SUPPORTED_RASA
from tools import lock
from tools.progress import Stop

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["run.txt", "dev.txt", "uv.txt"]


def entries(name: str) -> list[str]:
    """Each package of a lock with all its continuation lines, joined to one."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return re.split(r"\n(?=\S)", "\n".join(lines))


def pinned(name: str) -> set[str]:
    """The lines of a lock without their hashes, as ``numpy==2.5.5 ; python_full_version >= …``."""
    return {re.split(r"\s*\\\n", entry)[0] for entry in entries(name)}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_and_hashed(name: str) -> None:
    for entry in entries(name):
        assert re.match(r"[a-z0-9.-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_an_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(--index|--extra|--find|-i|-f)", text, re.MULTILINE)


def test_tests_run_on_the_very_packages_that_customers_get() -> None:
    assert pinned("run.txt") <= pinned("dev.txt")


def test_what_the_project_asks_for_is_in_the_locks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for asked, name in (
        (project["project"]["dependencies"], "run.txt"),
        (project["dependency-groups"]["dev"], "dev.txt"),
    ):
        versions: dict[str, set[str]] = {}
        for line in pinned(name):
            requirement = Requirement(line)
            versions.setdefault(canonicalize_name(requirement.name), set()).add(
                str(requirement.specifier).removeprefix("==")
            )
        for text in asked:
            wanted = Requirement(text)
            found = versions.get(canonicalize_name(wanted.name), set())
            assert found, f"{wanted.name} is not in {name}: run ./courier lock"
            assert all(wanted.specifier.contains(version) for version in found), text


def test_the_lock_holds_the_rasa_that_the_patches_are_for() -> None:
    assert f"rasa=={SUPPORTED_RASA}" in pinned("run.txt")


@pytest.mark.parametrize("name", ["tensorflow", "keras", "django", "docopt", "grpcio"])
def test_what_is_left_out_stays_out(name: str) -> None:
    assert not [line for line in pinned("run.txt") if line.startswith(f"{name}==")]


def test_addresses_are_stripped_from_a_new_lock() -> None:
    made = "--index-url https://somewhere/simple\n# from nowhere\nsix==1.16.0 \\\n    --hash=x\n"
    assert lock.without_addresses(made) == "six==1.16.0 \\\n    --hash=x\n"


def test_a_package_from_an_address_cannot_be_locked() -> None:
    with pytest.raises(Stop, match="address"):
        lock.without_addresses("six @ https://somewhere/six.whl\n")
