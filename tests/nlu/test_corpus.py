"""Messages as data: annotations, near duplicates, leaks."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.nlu import corpus
from bot.nlu.corpus import CorpusError, Entity, Message


def message(text: str) -> Message:
    return Message(text, "greet", Path("x.yml"), "zh")


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "greet.yml"
    path.write_text(f"nlu:\n- intent: greet\n  examples: |\n    - {text}\n", encoding="utf-8")
    return path


def test_annotations_become_spans_of_the_plain_text() -> None:
    text, entities = corpus.parse_line("[大闸蟹](goods)到[嘉兴](place)了")
    assert text == "大闸蟹到嘉兴了"
    assert entities == (Entity(0, 3, "大闸蟹", "goods"), Entity(4, 6, "嘉兴", "place"))


@pytest.mark.parametrize("line", ["[x](colour)", "[x", "x](goods)", "[a [b](goods)](place)"])
def test_a_broken_annotation_is_refused(line: str) -> None:
    with pytest.raises(CorpusError):
        corpus.parse_line(line)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("just words")
    with pytest.raises(CorpusError, match=r"bad\.yml"):
        list(corpus.read(path))


def test_near_duplicates_are_found_and_others_left() -> None:
    a, b, c = map(message, ("我的快递到哪里了呀", "我的快递到哪里了！", "花瓶碎了一地"))
    ((score, first, second),) = corpus.near_duplicates([a, b, c])
    assert (first, second) == (a, b)
    assert score > corpus.NEAR_DUPLICATE


@given(st.lists(st.text("abc", min_size=1, max_size=9), max_size=12))
def test_prefix_filtering_misses_no_pair(texts: list[str]) -> None:
    bags = [corpus.trigrams(text) for text in texts]
    alike = sum(len(a & b) / len(a | b) > 0.7 for a, b in combinations(bags, 2))
    assert len(corpus.near_duplicates(map(message, texts))) == alike


def test_a_leak_is_told_without_the_words_of_the_test_set(tmp_path: Path) -> None:
    write(tmp_path / "nlu" / "zh", "我的快递到哪里了呀")
    write(tmp_path / "test" / "zh", "我的快递到哪里了！")
    (fault,) = corpus.check(tmp_path)
    assert "我的快递到哪里了呀" in fault
    assert "！" not in fault


def test_words_marked_here_and_bare_there_are_listed() -> None:
    lines = (
        "放[柜子](place)里",
        "柜子空的",
        "left in the [locker](place)",
        "my Locker, two lockers",
    )
    read = [
        Message(text, "greet", Path("x.yml"), "zh", entities=entities)
        for text, entities in map(corpus.parse_line, lines)
    ]
    assert corpus.uneven(read, "place") == [("locker", 1, 1), ("柜子", 1, 1)]
    assert corpus.uneven(read, "goods") == []
