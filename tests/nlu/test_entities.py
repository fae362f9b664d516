"""Goods, places, times, sums and names are found, saved and merged."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.nlu.corpus import Entity
from bot.nlu.gazetteer import gazetteer, marks
from bot.nlu.merge import merge
from bot.nlu.normalise import normalise
from bot.nlu.reading import entity_output
from bot.nlu.tagger import EntityTagger, Span, tags
from bot.nlu.tokenizer import tokenize
from tests.nlu.small import messages


@pytest.fixture(scope="module")
def tagger() -> EntityTagger:
    corpus = messages()
    return EntityTagger.train([m.text for m in corpus], [m.entities for m in corpus])


def hinted(text: str) -> set[tuple[str, str]]:
    tokens = tokenize(text)
    return {(h.kind, text[h.start : h.end]) for h in gazetteer().hints(text, tokens)}


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("我的大闸蟹呢", "goods", "大闸蟹"),
        ("two frozen dumplings", "goods", "frozen dumplings"),
        ("the Vases broke", "goods", "Vases"),
        ("放在菜鸟驿站", "kind", "菜鸟驿站"),
        ("到乌鲁木齐了", "place", "乌鲁木齐"),
        ("明天下午三点到五点送", "time", "明天下午三点到五点"),
        ("come tomorrow after 6pm", "time", "tomorrow after 6pm"),
        ("赔我两百块", "money", "两百块"),
        ("that's £14.50", "money", "£14.50"),
        ("李师傅送的", "name", "李师傅"),
        ("投诉张伟", "full", "张伟"),
        ("it was Priya", "given", "Priya"),
        ("发到苏州市工业园区星湖街328号", "chain", "苏州市工业园区星湖街328号"),
        ("27 Station Road please", "street", "27 Station Road"),
        ("SW11 4NB", "postcode", "SW11 4NB"),
        ("leave it at flat 3B", "unit", "flat 3B"),
    ],
)
def test_hints(text: str, kind: str, words: str) -> None:
    assert (kind, words) in hinted(text)


def test_marks_say_where_in_a_hint_a_token_stands() -> None:
    text = "大闸蟹坏了"
    tokens = tokenize(text)
    assert [row[:1] for row in marks(gazetteer().hints(text, tokens), tokens)][:4] == [
        ["B-goods"],
        ["I-goods"],
        ["E-goods"],
        [],
    ]


def test_labels_are_begin_inside_last_unit_and_outside() -> None:
    text = "花瓶寄Leeds"
    folded = normalise(text)
    entities = (Entity(0, 2, "花瓶", "goods"), Entity(3, 8, "Leeds", "place"))
    assert tags(tokenize(folded.text), folded, entities) == ["B-goods", "L-goods", "O", "U-place"]


@pytest.mark.slow
def test_a_trained_tagger_finds_goods_it_saw_in_other_words(tagger: EntityTagger) -> None:
    found = {(s.kind, "我的花瓶碎了"[s.start : s.end]) for s in tagger.find("我的花瓶碎了")}
    assert ("goods", "花瓶") in found
    assert tagger.find("") == []


@pytest.mark.slow
def test_values_are_the_customers_characters(tagger: EntityTagger) -> None:
    text = "我個花樽ＳＦ１２３４５６７８９０１２３爛咗"
    found = {e["entity"]: e for e in entity_output(text, tagger)}
    assert found["waybill_no"]["value"] == "ＳＦ１２３４５６７８９０１２３"
    assert found["waybill_no"]["normalised"] == "SF1234567890123"
    for entity in found.values():
        assert text[entity["start"] : entity["end"]] == entity["value"]


@pytest.mark.slow
def test_a_saved_tagger_finds_the_same(tagger: EntityTagger, tmp_path: Path) -> None:
    tagger.save(tmp_path)
    again = EntityTagger.load(tmp_path)
    for message in messages()[::30]:
        assert again.find(message.text) == tagger.find(message.text)


def test_of_overlapping_spans_the_most_trusted_stays() -> None:
    number = Span("waybill_no", 2, 17, 1.0, "numbers")
    inside = Span("amount", 5, 8, 0.99, "tagger")
    before = Span("goods", 0, 2, 0.4, "tagger")
    longer = Span("place", 0, 4, 0.3, "tagger")
    assert merge([inside, before, number, longer]) == [before, number]
    assert merge([]) == []
