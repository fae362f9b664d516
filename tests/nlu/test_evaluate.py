"""The figures are computed as they are said to be."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.nlu import evaluate, report
from bot.nlu.corpus import Entity, Message
from bot.nlu.evaluate import Judged, Ratio
from bot.nlu.learning import train
from bot.nlu.vectors import NoVectors
from tests.nlu.small import ROOT, messages


def judged(
    gold: str, said: str, goods: str = "", found: str = "", confidence: float = 0.5
) -> Judged:
    entities = (Entity(0, len(goods), goods, "goods"),) if goods else ()
    message = Message(goods or "x", gold, Path("x.yml"), "zh", 3, entities)
    return Judged(message, said, confidence, (("goods", found),) if found else ())


ALL = [
    judged("report_delay", "report_delay", "胰岛素", "胰岛素"),
    judged("report_delay", "track_parcel", "护照", "护照", 0.9),
    judged("report_perishable", "report_delay", "蛋糕", "蛋糕"),
    judged("out_of_scope", "out_of_scope"),
    judged("out_of_scope", "thank"),
    judged("thank", "out_of_scope", confidence=0.7),
]


def test_intent_figures() -> None:
    assert evaluate.accuracy(ALL) == Ratio(2, 6)
    # report_delay 1/2 and 1/2, report_perishable 0, out_of_scope 1/2 and 1/2, thank 0
    assert evaluate.macro_f1(ALL) == pytest.approx((0.5 + 0 + 0.5 + 0) / 4)
    assert evaluate.out_of_scope(ALL) == (Ratio(1, 2), Ratio(1, 4))
    assert evaluate.confusions(ALL)[0][2] == 1
    assert [one.confidence for one in evaluate.confident_mistakes(ALL, 2)] == [0.9, 0.7]


def test_red_urgency_needs_the_problem_and_the_goods() -> None:
    goods = yaml.safe_load((ROOT / "policies" / "goods.yml").read_text(encoding="utf-8"))
    # Insulin late: red. Passport taken for tracking: missed. Cake taken for a delay: red still.
    assert evaluate.red_recall(ALL, goods) == Ratio(2, 3)


def test_entities_count_by_value() -> None:
    assert evaluate.entity_f1(ALL)["goods"] == (1.0, 3)
    missed = [judged("thank", "thank", "蛋糕"), judged("thank", "thank", "", "花")]
    assert evaluate.entity_f1(missed)["goods"] == (0.0, 1)


@pytest.mark.slow
def test_cross_validation_judges_each_message_once_by_the_others() -> None:
    corpus = messages()
    like = train([m.text for m in corpus], [m.intent for m in corpus], NoVectors())
    crossed = evaluate.cross_validate(corpus, like)
    assert len({id(one.message) for one in crossed}) == len(corpus)
    assert evaluate.accuracy(crossed).share > 0.7


def test_a_report_replaces_only_its_own_part(tmp_path: Path) -> None:
    document = tmp_path / "understanding.md"
    document.write_text(
        f"# Head\nkept\n{report.BEGIN}\nold\n{report.END}\ntail\n", encoding="utf-8"
    )
    report.write(
        document,
        report.markdown(
            ALL,
            ALL,
            {"medicine": {"zh": [], "en": []}}
            | {kind: {"zh": [], "en": []} for kind in ("perishable", "document")},
            4.2,
        ),
    )
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Head\nkept\n")
    assert text.endswith("tail\n")
    assert "\nold\n" not in text
    assert "| parse p50, one thread | 4.2 ms |" in text
