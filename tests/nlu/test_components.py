"""Inside real Rasa: training on the small corpus, parsing, and the same answer without Rasa."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.nlu.corpus import ENTITIES
from bot.nlu.understand import BrokenModel, Understanding, main, told
from tests.nlu.small import INTENTS, ROOT, messages

TEXTS = ["寄到北京要多少钱", "花瓶碎了，单号SF1234567890123", "thanks a lot", "/thank", "ᚠᚢᚦ"]

# Programs of their own, so that other tests keep an interpreter without Rasa.
TRAIN = """
import sys
from bot.nlu import compat
sys.exit(compat.main(sys.argv[1:]))
"""
PARSE = """
import asyncio, json, sys
from bot.nlu import compat
compat.prepare()
from rasa.core.agent import Agent
agent = Agent.load(sys.argv[1])
async def parse():
    return [await agent.parse_message(text) for text in json.loads(sys.argv[2])]
print("\\n" + json.dumps(asyncio.run(parse())))
"""


def run(program: str, *arguments: str) -> str:
    """The output of a Python program in the repository."""
    command = [sys.executable, "-c", program, *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that Rasa trained from a small corpus with the repository's config.yml."""
    folder = tmp_path_factory.mktemp("bot")
    examples: dict[str, list[str]] = {intent: [] for intent in INTENTS}
    for message in messages():
        text, moved = message.text, 0
        for e in message.entities:
            mark = f"[{e.value}]({e.kind})"
            text = text[: e.start + moved] + mark + text[e.end + moved :]
            moved += len(mark) - len(e.value)
        examples[message.intent].append(f"- {text}")
    nlu = folder / "data" / "nlu" / "zh"
    nlu.mkdir(parents=True)
    for intent, lines in examples.items():
        blocks = [{"intent": intent, "examples": "\n".join(lines) + "\n"}]
        document = yaml.safe_dump({"version": "3.1", "nlu": blocks}, allow_unicode=True)
        (nlu / f"{intent}.yml").write_text(document, encoding="utf-8")
    steps = [{"intent": "thank"}, {"action": "utter_thank"}]
    rules = {"version": "3.1", "rules": [{"rule": "thanks", "steps": steps}]}
    (folder / "data" / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    domain = {
        "version": "3.1",
        "intents": list(INTENTS),
        "entities": sorted(ENTITIES),
        "responses": {"utter_thank": [{"text": "🙂"}]},
    }
    (folder / "domain.yml").write_text(yaml.safe_dump(domain), encoding="utf-8")
    run(
        TRAIN,
        *("train", "--force", "--skip-validation", "--config", str(ROOT / "config.yml")),
        *("--domain", str(folder / "domain.yml"), "--data", str(folder / "data")),
        *("--out", str(folder / "models"), "--fixed-model-name", "small"),
    )
    return folder / "models" / "small.tar.gz"


def plain(parsed: dict[str, Any]) -> Any:
    """What both answers must share, to four digits."""
    keep = ("intent", "intent_ranking", "entities", "nearness", "doubt")
    shared = {key: parsed[key] for key in keep if key in parsed}
    return json.loads(json.dumps(shared), parse_float=lambda number: round(float(number), 4))


@pytest.mark.slow
def test_rasa_and_the_command_answer_the_same(model: Path) -> None:
    understanding = Understanding.load(model)
    answers = json.loads(run(PARSE, str(model), json.dumps(TEXTS)).splitlines()[-1])
    for text, answer in zip(TEXTS, answers, strict=True):
        if not text.startswith("/"):  # a button's payload is Rasa's own affair
            assert plain(understanding.parse(text)) == plain(answer)
    assert answers[0]["intent"]["name"] == "ask_price"
    assert answers[3]["intent"]["name"] == "thank"
    waybill = next(e for e in answers[1]["entities"] if e["entity"] == "waybill_no")
    assert (waybill["start"], waybill["end"]) == (7, 22)


@pytest.mark.slow
def test_the_command_tells_what_and_why(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["花瓶碎了"], model) == 0
    assert capsys.readouterr().out.startswith("report_damage ")
    assert main(["--json", "寄到北京要多少钱"], model) == 0
    assert json.loads(capsys.readouterr().out)["intent"]["name"] == "ask_price"
    monkeypatch.setattr("sys.stdin", iter(["谢谢\n", "\n", "碎了\n"]))
    assert main(["--json"], model) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_what_is_told_of_a_doubt() -> None:
    ranking = [{"name": name, "confidence": p} for name, p in (("thank", 0.2), ("greet", 0.19))]
    parsed = {
        "intent": {"name": "nlu_fallback", "confidence": 0.25},
        "intent_ranking": [{"name": "nlu_fallback", "confidence": 0.25}, *ranking],
        "entities": [],
        "nearness": 0.4,
        "doubt": "confidence 0.20 is under 0.25",
    }
    lines = told(parsed, [("谢", 0.3)]).splitlines()
    assert lines[1] == "  not acted on: confidence 0.20 is under 0.25"
    assert "thank over greet by: 谢 +0.30" in lines[-1]


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "courier.tar.gz"
    broken.write_bytes(b"nothing")
    with pytest.raises(BrokenModel, match="is not a model of this project"):
        Understanding.load(broken)
    assert main(["x"], broken) == 1
