"""Whole conversations through the console: real understanding, real forms, real tickets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from parcels import service as parcels
from tests.e2e import dialogues
from tests.e2e.dialogues import Dialogue
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
