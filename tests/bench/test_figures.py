"""What ``./courier bench`` shows, and that it says nothing else on stdout."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

import pytest

from bench import figures, main
from bench.driver import dialogues


def test_json_is_one_object_with_four_facts_of_each_figure() -> None:
    found = [figures.plain("held", 12.34567, "MiB"), figures.at_most("p50", 0.7, "ratio", 0.5)]
    assert json.loads(figures.as_json(found)) == {
        "held": {"value": 12.35, "unit": "MiB", "target": None, "ok": True},
        "p50": {"value": 0.7, "unit": "ratio", "target": 0.5, "ok": False},
    }


@pytest.mark.parametrize(
    ("make", "value", "ok"),
    [
        (figures.at_most, 5.0, True),
        (figures.at_most, 5.1, False),
        (figures.below, 5.0, False),
        (figures.below, 4.9, True),
        (figures.at_least, 5.0, True),
        (figures.at_least, 4.9, False),
    ],
)
def test_a_target_is_met_or_missed(make: object, value: float, ok: bool) -> None:
    assert callable(make)
    assert make("x", value, "ms", 5.0).ok is ok


def test_a_target_is_judged_before_the_value_is_rounded() -> None:
    assert not figures.at_most("x", 0.500001, "ratio", 0.5).ok


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert figures.percentile(values, 0.5) == 50
    assert figures.percentile(values, 0.95) == 95
    assert figures.percentile([7.0], 0.95) == 7
    with pytest.raises(ValueError, match="nothing was measured"):
        figures.percentile([], 0.5)


def test_stdout_carries_the_object_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: main.Options) -> list[figures.Figure]:
        options.console.print("measuring …")
        assert options.quick
        assert not options.peer
        return [figures.plain("x", 1, "ms")]

    monkeypatch.setattr(importlib, "import_module", lambda _: SimpleNamespace(run=run))
    assert main.main(["turn", "--json", "--quick"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["x"]
    assert main.main(["turn", "--quick"]) == 0
    assert "x" in capsys.readouterr().out


def test_every_registered_bench_is_there() -> None:
    for name in main.BENCHES:
        assert callable(importlib.import_module(f"bench.{name}").run)


def test_dialogues_are_words_in_both_languages() -> None:
    said = [text for words in dialogues() for text in words]
    assert all(text.strip() for text in said)
    assert any(text.isascii() for text in said)
    assert any(not text.isascii() for text in said)
