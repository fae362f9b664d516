"""Formats and check digits against the labelled numbers of tracking_number_data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from parcels.waybills import canonical, carriers, recognise, repair

LABELLED = Path(__file__).parents[3] / "shared" / "data" / "tracking"
# The data set leaves these without an id.
NAMELESS = {
    "LaserShip 1LS7 (18)": "lasership_1ls7_18",
    "Old Dominion": "old_dominion",
    "Old Dominion Guaranteed Shipment": "old_dominion_guaranteed",
    "UPS Waybill": "ups_waybill",
}


def labelled() -> Iterator[tuple[str, str, bool]]:
    """(format id, number, whether it is right) of every labelled number."""
    for path in sorted(LABELLED.glob("*.json")):
        for kind in json.loads(path.read_text(encoding="utf-8"))["tracking_numbers"]:
            name = kind.get("id") or NAMELESS[kind["name"]]
            for verdict in ("valid", "invalid"):
                for number in kind["test_numbers"][verdict]:
                    yield name, number, verdict == "valid"


@pytest.mark.skipif(not LABELLED.is_dir(), reason=f"the labelled numbers are not at {LABELLED}")
def test_every_labelled_number_is_judged_as_labelled() -> None:
    wrong = [
        (name, number, right)
        for name, number, right in labelled()
        if any(c.format_id == name and c.possible for c in recognise(number)) != right
    ]
    assert not wrong
    assert sum(1 for _ in labelled()) == 280


def test_our_own_number_is_known_by_its_check_digit() -> None:
    assert recognise("CD12345678901" + "?")[:1] == ()
    rights = [d for d in "0123456789" if recognise(f"CD12345678901{d}")[0].check]
    assert len(rights) == 1


@pytest.mark.parametrize(
    ("typed", "carrier"),
    [
        ("ＳＦ１２３４５６７８９０１２３", "SF Express"),
        ("sf 1234 5678 90123", "SF Express"),
        ("YT1234567890123", "YTO"),
        ("JD0012345678901-1-1-", "JD Logistics"),
        ("RB123456785CN", "Postal service"),
    ],
)
def test_a_number_is_recognised_however_it_is_typed(typed: str, carrier: str) -> None:
    assert carrier in [c.carrier for c in recognise(typed) if c.possible]


def test_a_slip_is_proposed_and_an_exact_number_needs_no_repair() -> None:
    known = ["SF1234567890123", "SF1234567890132", "SF9999999999999"]
    assert [r.number for r in repair("SF1234567890124", known)] == [
        "SF1234567890123",
        "SF1234567890132",
    ]
    assert repair("sf 1234567890123", known) == ()
    assert repair("SF5555555555555", known) == ()


def test_letters_that_look_like_digits_are_the_first_guess() -> None:
    first = repair("SF12345678901O3", ["SF1234567890133", "SF1234567890103"])[0]
    assert (first.number, first.reason) == ("SF1234567890103", "look-alike letters read as digits")


def test_a_right_check_digit_breaks_a_tie() -> None:
    right, wrong = "1Z5R89390357567127", "1Z5R89390357567138"
    assert [c.check for c in recognise(right) + recognise(wrong) if c.format_id == "ups"] == [
        True,
        False,
    ]
    assert repair("1Z5R89390357567128", [wrong, right])[0].number == right


def test_every_format_has_an_id_of_its_own_and_a_working_rule() -> None:
    ids = [f.id for f in carriers().formats]
    assert len(ids) == len(set(ids))
    assert canonical(" 1z-5r8 ") == "1Z5R8"
