"""Whole conversations through the console: real understanding, real forms, real tickets."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
import yaml

from actions.talk import SURELY_OUT_OF_SCOPE
from parcels import service as parcels
from tests.e2e import dialogues
from tests.e2e.dialogues import Dialogue, Then, Turn
from tests.e2e.house import House

ALL = [dialogue for language in ("zh", "en") for dialogue in dialogues.read(language)]


@pytest.fixture(scope="module")
def numbers(house: House) -> Mapping[str, Mapping[str, str]]:
    """The numbers of every dialogue's own parcels, by the dialogue's and the parcel's names."""
    made = {str(d): {n: dialogues.shipment(g) for n, g in d.parcels.items()} for d in ALL}
    with house.database.write() as session:
        for each in made.values():
            for given in each.values():
                parcels.store_shipment(session, given)
    return {name: {n: g.waybill_no for n, g in each.items()} for name, each in made.items()}


@pytest.mark.parametrize("dialogue", ALL, ids=str)
def test_dialogue(
    house: House, numbers: Mapping[str, Mapping[str, str]], dialogue: Dialogue
) -> None:
    dialogues.play(house, dialogue, numbers[str(dialogue)])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_two_failures_in_a_row_bring_a_person(house: House, language: str) -> None:
    first, second = _doubted(house, language)
    said = Dialogue(
        name="two failures in a row",
        language=language,
        parcels={},
        turns=(
            Turn(first, Then(holder="bot", texts=("talk.not_understood",))),
            Turn(second, Then(holder="waiting", reason="two_failures", promised=True)),
        ),
    )
    dialogues.play(house, said, {})


def _doubted(house: House, language: str) -> list[str]:
    """Two messages that the trained model cannot place, or hardly."""
    strange = yaml.safe_load((dialogues.HERE / "strange.yml").read_text(encoding="utf-8"))
    found = []
    for words in strange[language]:
        parsed = httpx.post(
            f"{house.settings.rasa_url}/model/parse",
            json={"text": words},
            timeout=20,
            trust_env=False,
        )
        intent = parsed.json()["intent"]
        if intent["name"] == "nlu_fallback" or (
            intent["name"] == "out_of_scope" and intent["confidence"] < SURELY_OUT_OF_SCOPE
        ):
            found.append(words)
    assert len(found) >= 2, f"the model doubts only {found}"
    return found[:2]
