"""`./courier understand`: what was understood of a message, and why, without any server.

Loads the components out of a trained model's archive and runs the same functions as Rasa's
pipeline does, so that `POST /model/parse` answers the same; Rasa itself is not loaded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.nlu import reading
from bot.nlu.classifier import IntentModel
from bot.nlu.fallback import Doubt
from bot.nlu.tagger import EntityTagger

_ROOT = Path(__file__).parents[2]
_TOP = 3
_EVIDENCE = 6


class BrokenModel(RuntimeError):
    """The archive holds no model of this project; the text says what is missing."""


@dataclass(frozen=True)
class Understanding:
    """The three parts of a trained model that read a message."""

    intents: IntentModel
    tagger: EntityTagger
    doubt: Doubt

    @classmethod
    def load(cls, archive: Path) -> Understanding:
        """Read a model that `rasa train` wrote.

        Raises:
            BrokenModel: no archive, or not one with our components.
        """
        try:
            with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as tar:
                # Python 3.11.0 to 3.11.3 (Debian 12) know no filters; the archive is our own.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(folder)  # noqa: S202
                root = Path(folder)
                metadata = json.loads((root / "metadata.json").read_text(encoding="utf-8"))
                nodes = list(metadata["predict_schema"]["nodes"].values())
                return cls(
                    IntentModel.load(_folder(root, nodes, "IntentClassifier")),
                    EntityTagger.load(_folder(root, nodes, "EntityExtractor")),
                    Doubt(**_node(nodes, "DoubtClassifier")["config"]),
                )
        except (OSError, tarfile.TarError, KeyError, TypeError, ValueError) as error:
            raise BrokenModel(f"{archive} is not a model of this project: {error}") from error

    def parse(self, text: str) -> dict[str, Any]:
        """What Rasa's parse answers: intent, intent_ranking, entities, nearness, perhaps doubt."""
        parsed: dict[str, Any] = {"text": text, "entities": []}
        parsed |= reading.intent_output(self.intents.predict(text))
        parsed["entities"] = reading.entity_output(text, self.tagger)
        return parsed | reading.doubt_output(parsed, self.doubt)

    def evidence(self, text: str) -> list[tuple[str, float]]:
        """The n-grams that spoke most for the best intent against the second, strongest first."""
        best, second = (name for name, _ in self.intents.predict(text).ranking[:2])
        return self.intents.evidence(text, best, second)[:_EVIDENCE]


def main(arguments: list[str], model: Path) -> int:
    """The command's own arguments, and the archive of a trained model."""
    parser = argparse.ArgumentParser(
        prog="./courier understand", description="what is understood of a message, and why"
    )
    parser.add_argument("text", nargs="*", help="the message; without one, lines from stdin")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, as Rasa's")
    parser.add_argument(
        "--report", action="store_true", help="measure everything, write docs/understanding.md"
    )
    options = parser.parse_args(arguments)
    try:
        understanding = Understanding.load(model)
    except BrokenModel as error:
        print(f"{error} Run ./courier train.", file=sys.stderr)
        return 1
    if options.report:
        from bot.nlu.evaluate import main as measure  # trains, so it loads scipy

        return measure(understanding, _ROOT)
    for text in [" ".join(options.text)] if options.text else _lines():
        parsed = understanding.parse(text)
        if options.json:
            print(json.dumps(parsed, ensure_ascii=False), flush=True)
        else:
            print(told(parsed, understanding.evidence(text)), flush=True)
    return 0


def told(parsed: Mapping[str, Any], evidence: list[tuple[str, float]]) -> str:
    """A parse for people to read."""
    lines = [f"{parsed['intent']['name']}  {parsed['intent']['confidence']:.2f}"]
    if "doubt" in parsed:
        lines.append(f"  not acted on: {parsed['doubt']}")
    ranked = [item for item in parsed["intent_ranking"] if item["name"] != "nlu_fallback"][:_TOP]
    lines += [f"  {item['confidence']:5.2f}  {item['name']}" for item in ranked]
    lines.append(f"  nearest known message: {parsed['nearness']:.2f}")
    if evidence:
        words = ", ".join(f"{gram} {weight:+.2f}" for gram, weight in evidence)
        lines.append(f"  {ranked[0]['name']} over {ranked[1]['name']} by: {words}")
    for entity in parsed["entities"]:
        read = entity.get("normalised", entity["value"])
        as_read = f" = {read}" if read != entity["value"] else ""
        lines.append(
            f"  {entity['entity']}: {entity['value']}{as_read}"
            f"  ({entity['extractor']} {entity['confidence_entity']:.2f})"
        )
    return "\n".join(lines)


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        if line.strip():
            yield line.rstrip("\n")


def _node(nodes: list[dict[str, Any]], component: str) -> dict[str, Any]:
    for node in nodes:
        if node["uses"] == f"bot.nlu.components.{component}":
            return node
    raise KeyError(f"no {component} in it")


def _folder(root: Path, nodes: list[dict[str, Any]], component: str) -> Path:
    return root / "components" / str(_node(nodes, component)["resource"]["name"])
