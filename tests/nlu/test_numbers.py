"""Numbers are found wherever they stand and however they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.nlu.corpus import load
from bot.nlu.normalise import normalise
from bot.nlu.numbers import find_numbers

ROOT = Path(__file__).parents[2]
NUMBERS = {"waybill_no", "phone", "ticket_no"}


def found(text: str) -> list[tuple[str, str, str]]:
    """(kind, as typed, as read) of every number of a message."""
    folded = normalise(text)
    return [(n.kind, folded.value(n.start, n.end), n.value) for n in find_numbers(folded.text)]


@pytest.mark.parametrize(
    ("text", "kind", "typed", "read"),
    [
        ("单号SF1234567890123到哪了", "waybill_no", "SF1234567890123", "SF1234567890123"),
        (
            "查下ＳＦ１２３４５６７８９０１２３",
            "waybill_no",
            "ＳＦ１２３４５６７８９０１２３",
            "SF1234567890123",
        ),
        ("SF 1234 5678 90123 please", "waybill_no", "SF 1234 5678 90123", "SF1234567890123"),
        ("sf12345678901O3", "waybill_no", "sf12345678901O3", "SF1234567890103"),
        ("YT78I2345678901在哪", "waybill_no", "YT78I2345678901", "YT7812345678901"),
        ("it's 1Z999AA10123456784.", "waybill_no", "1Z999AA10123456784", "1Z999AA10123456784"),
        ("RA 123 456 785 AU where", "waybill_no", "RA 123 456 785 AU", "RA123456785AU"),
        ("运单七三二零九九一七六五零二", "waybill_no", "七三二零九九一七六五零二", "732099176502"),
        (
            "我念 7 7 3 2 0 0 1 9 8 4 5 6 3",
            "waybill_no",
            "7 7 3 2 0 0 1 9 8 4 5 6 3",
            "7732001984563",
        ),
        ("打13812345678找我", "phone", "13812345678", "13812345678"),
        ("138 1234 5678", "phone", "138 1234 5678", "13812345678"),
        ("call me on 07700 900461", "phone", "07700 900461", "07700900461"),
        ("手机尾号是8821", "phone", "8821", "8821"),
        ("last four 4821", "phone", "4821", "4821"),
        ("放门口，手机尾3305", "phone", "3305", "3305"),
        ("放地垫底下，7203尾号", "phone", "7203", "7203"),
        ("5583 is my last four", "phone", "5583", "5583"),
        ("4821", "phone", "4821", "4821"),
        ("cs2611210042有结果吗", "ticket_no", "cs2611210042", "CS261121-0042"),
        ("CS261121-0042", "ticket_no", "CS261121-0042", "CS261121-0042"),
    ],
)
def test_a_number_is_found_as_typed_and_read(text: str, kind: str, typed: str, read: str) -> None:
    assert found(text) == [(kind, typed, read)]


@pytest.mark.parametrize(
    "text",
    [
        "3.14159265",
        "赔我200块",
        "10/10",
        "在3号楼2单元1201",
        "2026-11-21",
        "9-12点",
        "room 1203",
        "两三天",
        "20kg 3 boxes",
    ],
)
def test_other_digits_are_no_number_of_ours(text: str) -> None:
    assert found(text) == []


def test_a_waybill_and_a_phone_side_by_side_stay_two() -> None:
    assert [kind for kind, _, _ in found("SF1234567890123 13812345678")] == ["waybill_no", "phone"]
    assert [kind for kind, _, _ in found("SF1234567890123 8821")] == ["waybill_no", "phone"]


def test_the_labelled_numbers_of_the_corpus_are_found() -> None:
    for folder, least in (("nlu", 0.98), ("test", 0.98)):
        hit = said = gold = 0
        for message in load(ROOT / "data" / folder):
            got = {(kind, typed) for kind, typed, _ in found(message.text)}
            labelled = {(e.kind, e.value) for e in message.entities if e.kind in NUMBERS}
            hit, said, gold = hit + len(got & labelled), said + len(got), gold + len(labelled)
        assert gold > 50
        assert 2 * hit / (said + gold) >= least
