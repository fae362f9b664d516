"""Folding, cutting and masking: the same meaning in, the same features out, offsets kept."""

from __future__ import annotations

import pytest

from bot.nlu.features import Vocabulary, clauses, grams, masked
from bot.nlu.normalise import normalise
from bot.nlu.tokenizer import tokenize


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("我個包裹去咗邊", "我个包裹去了边"),
        ("ＳＦ１２３４，在嗎？", "SF1234,在吗?"),
        ("等…\u200b很久", "等...很久"),
        ("③天 ㎏", "3天 kg"),
        ("", ""),
    ],
)
def test_text_is_folded(typed: str, folded: str) -> None:
    assert normalise(typed).text == folded


def test_a_value_keeps_the_customers_own_characters() -> None:
    message = normalise("單號：ＳＦ１２…③天")
    start = message.text.index("SF")
    assert message.value(start, start + 4) == "ＳＦ１２"
    dots = message.text.index("...")
    assert message.value(dots, dots + 3) == "…"
    assert message.span(dots, dots + 3) == (7, 8)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("我的parcel呢", ["我", "的", "parcel", "呢"]),
        ("don't at 15:30", ["don't", "at", "15:30"]),
        ("5pm 20kg", ["5", "pm", "20", "kg"]),
        ("$35.50!", ["$", "35.50", "!"]),
        ("SF1234567890123到了", ["SF1234567890123", "到", "了"]),
    ],
)
def test_tokens_are_characters_and_words(text: str, tokens: list[str]) -> None:
    cut = tokenize(text)
    assert [token.text for token in cut] == tokens
    assert all(text[token.start : token.end] == token.text for token in cut)


def test_numbers_are_replaced_by_their_kind() -> None:
    assert masked("查SF1234567890123") == "查 NUM "
    assert masked("call 13812345678, CS261121-0042") == "call  TEL ,  TICKET "


def test_a_message_is_cut_into_clauses() -> None:
    assert clauses("等了三天，还没到。急！") == ["等了三天", "还没到"]
    assert clauses("a") == ["a"]


def test_grams_know_both_scripts() -> None:
    found = set(grams("快递late"))
    assert {"c快", "c快递", "wlate", "l<lat", "llate"} <= found


def test_weights_have_norm_one_and_unknown_text_none() -> None:
    vocabulary = Vocabulary.learn(["快递到了", "快递没到", "where is it"])
    columns, values = vocabulary.weigh("快递到了吗")
    assert abs(float(values @ values) - 1) < 1e-5
    assert len(columns) == len(values) > 0
    assert len(vocabulary.weigh("zzz")[0]) == 0
    # A word of every message says less than one of a single message.
    rare, common = (vocabulary.idf[vocabulary.weigh(text)[0][0]] for text in ("了", "快"))
    assert rare > common
