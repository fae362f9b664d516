"""The trained model: named after everything that made it, so nothing is trained twice."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bot.settings import ROOT, Settings
from store.errors import CourierError

SERVING_ONLY = frozenset({"serving.py"})
"""Code in bot/nlu that training never runs."""
_FILES = ("config.yml", "domain.yml", "policies/gazetteer.yml", "requirements/run.txt")
TRAINING_DATA = ("data/nlu", "data/rules", "data/stories")


class TrainingFailed(CourierError):
    """Rasa could not train; the text is one sentence with the way out."""

    code = "training_failed"


def made_of() -> Iterator[Path]:
    """Every file that a model depends on: data, configuration, code of the components, the lock."""
    yield from (ROOT / name for name in _FILES)
    for folder in TRAINING_DATA:
        yield from sorted((ROOT / folder).rglob("*.yml"))
    code = sorted((ROOT / "bot" / "nlu").glob("*.py"))
    yield from (path for path in code if path.name not in SERVING_ONLY)


def name() -> str:
    """``courier-`` and the first 16 digits of the hash of what the model is made of."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in made_of():
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return f"courier-{digest.hexdigest()[:16]}"


def fitting(settings: Settings) -> Path | None:
    """The model that fits the present files, if it was trained."""
    path = settings.models / f"{name()}.tar.gz"
    return path if path.exists() else None


def train(settings: Settings) -> Path:
    """Train a model for the present files, in a process of its own; TrainingFailed says why not."""
    settings.models.mkdir(parents=True, exist_ok=True)
    settings.logs.mkdir(parents=True, exist_ok=True)
    wanted = settings.models / f"{name()}.tar.gz"
    # Trained under another name first: a run that is cut off leaves no half model behind.
    part = f"part-{wanted.name.removesuffix('.tar.gz')}"
    journal = settings.logs / "train.log"
    command = [sys.executable, "-m", "bot.cli", "rasa", "train", "--data", *TRAINING_DATA]
    # Rasa's cache looks at a component's class, not at the modules that it is made of.
    # The tests hold data and domain together (`rasa data validate`): 12 s less here.
    command += ["--force", "--skip-validation"]
    command += ["--out", str(settings.models), "--fixed-model-name", part]
    with journal.open("wb") as output:
        result = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False)
    made = settings.models / f"{part}.tar.gz"
    if result.returncode or not made.exists():
        raise TrainingFailed(
            f"The bot could not be trained; the reason is at the end of {journal}. "
            "Mend data/ or config.yml and run ./courier train."
        )
    made.replace(wanted)
    for old in settings.models.glob("courier-*.tar.gz"):
        if old != wanted:
            old.unlink()
    return wanted
