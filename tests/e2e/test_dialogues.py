"""Whole conversations through the console: real understanding, real forms, real tickets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot import demo
from tests.e2e import dialogues
from tests.e2e.dialogues import Dialogue
from tests.e2e.house import House

pytestmark = pytest.mark.slow

ALL = [dialogue for language in ("zh", "en") for dialogue in dialogues.read(language)]


@pytest.fixture(scope="module")
def parcels(house: House, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, str]]:
    """The numbers of every dialogue's own parcels, stored as ``./courier seed --file`` does."""
    made = {str(d): {n: dialogues.shipment(g) for n, g in d.parcels.items()} for d in ALL}
    path = tmp_path_factory.mktemp("seed") / "parcels.json"
    rows = [given.model_dump(mode="json") for each in made.values() for given in each.values()]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    with house.database.write() as session:
        assert demo.from_file(session, path) == len(rows)
    return {name: {n: g.waybill_no for n, g in each.items()} for name, each in made.items()}


@pytest.mark.parametrize("dialogue", ALL, ids=str)
def test_dialogue(
    house: House, parcels: Mapping[str, Mapping[str, str]], dialogue: Dialogue
) -> None:
    dialogues.play(house, dialogue, parcels[str(dialogue)])
