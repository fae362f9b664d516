"""How well messages are understood: figures on held-out messages and by cross-validation.

The held-out messages (data/test) are for measuring only. Nothing here decides anything; what was
decided by these figures stands in docs/understanding.md, above the part that `main` rewrites.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from bot.nlu import learning, report
from bot.nlu.corpus import ENTITIES, Message, load

if TYPE_CHECKING:
    from bot.nlu.classifier import IntentModel
    from bot.nlu.understand import Understanding

_RED_INTENTS = frozenset({"report_perishable", "escalate_threat"})
_RED_GOODS = ("medicine", "perishable", "document")
_PROBLEMS = frozenset(
    {"report_delay", "report_loss", "report_damage", "report_misdelivery", "complain", "ask_human"}
    | {"report_courier_attitude", "claim_compensation", "dispute_payment", "cancel_or_return"}
)
OUT_OF_SCOPE = "out_of_scope"


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled message and what was made of it."""

    message: Message
    intent: str
    confidence: float
    entities: tuple[tuple[str, str], ...] = ()

    @property
    def right(self) -> bool:
        """Whether the intent is the labelled one."""
        return self.intent == self.message.intent


@dataclass(frozen=True, slots=True)
class Ratio:
    """``right`` of ``total``."""

    right: int
    total: int

    @property
    def share(self) -> float:
        """Between 0 and 1; 0 of nothing."""
        return self.right / self.total if self.total else 0.0


def accuracy(judged: Iterable[Judged]) -> Ratio:
    """Messages with the right intent."""
    verdicts = [one.right for one in judged]
    return Ratio(sum(verdicts), len(verdicts))


def macro_f1(judged: Sequence[Judged]) -> float:
    """The mean over labelled intents of F1."""
    gold = Counter(one.message.intent for one in judged)
    said = Counter(one.intent for one in judged)
    hit = Counter(one.intent for one in judged if one.right)
    scores = [2 * hit[intent] / (gold[intent] + said[intent]) for intent in gold]
    return sum(scores) / len(scores) if scores else 0.0


def out_of_scope(judged: Sequence[Judged]) -> tuple[Ratio, Ratio]:
    """Recall of out_of_scope, and false alarms on everything else."""
    outside = [one for one in judged if one.message.intent == OUT_OF_SCOPE]
    inside = [one for one in judged if one.message.intent != OUT_OF_SCOPE]
    return accuracy(outside), Ratio(sum(one.intent == OUT_OF_SCOPE for one in inside), len(inside))


def red_recall(judged: Sequence[Judged], goods: dict[str, Any]) -> Ratio:
    """Messages of red urgency recognised as such, as far as one message tells.

    Red: perishables and threats, and a problem with goods of class medicine, perishable or
    document (by the words of policies/goods.yml, whole-word matching left to the product).
    """
    red = [
        one
        for one in judged
        if _red(
            one.message.intent, [e.value for e in one.message.entities if e.kind == "goods"], goods
        )
    ]
    found = [one for one in red if _red(one.intent, _named(one), goods)]
    return Ratio(len(found), len(red))


def entity_f1(judged: Sequence[Judged]) -> dict[str, tuple[float, int]]:
    """By kind: F1 of values (each occurrence counted) and how many are labelled."""
    figures = {}
    for kind in sorted(ENTITIES):
        hit = gold = said = 0
        for one in judged:
            labelled = Counter(e.value for e in one.message.entities if e.kind == kind)
            found = Counter(value for name, value in one.entities if name == kind)
            hit += sum((labelled & found).values())
            gold += sum(labelled.values())
            said += sum(found.values())
        figures[kind] = (2 * hit / (gold + said) if gold + said else 0.0, gold)
    return figures


def confusions(judged: Iterable[Judged]) -> list[tuple[str, str, int]]:
    """(labelled, taken for, how often), most frequent first."""
    wrong = Counter((one.message.intent, one.intent) for one in judged if not one.right)
    return [(gold, said, count) for (gold, said), count in wrong.most_common()]


def confident_mistakes(judged: Iterable[Judged], count: int = 30) -> list[Judged]:
    """The wrong ones that were surest."""
    wrong = [one for one in judged if not one.right]
    return sorted(wrong, key=lambda one: -one.confidence)[:count]


def read_all(
    understanding: Understanding, messages: Sequence[Message]
) -> tuple[list[Judged], float]:
    """Every message judged by the trained model, and the median time of one parse in ms."""
    judged, times = [], []
    for message in messages:
        start = time.perf_counter()
        parsed = understanding.parse(message.text)
        times.append(time.perf_counter() - start)
        best = next(r for r in parsed["intent_ranking"] if r["name"] != "nlu_fallback")
        entities = tuple((e["entity"], e["value"]) for e in parsed["entities"])
        judged.append(Judged(message, best["name"], best["confidence"], entities))
    return judged, float(np.median(times)) * 1000


def cross_validate(messages: Sequence[Message], like: IntentModel) -> list[Judged]:
    """Every training message judged by a model of the other four fifths, leaning like ``like``."""
    ready = learning.prepare(
        [message.text for message in messages],
        [message.intent for message in messages],
        like.vectors,
    )
    kernel, targets = ready.kernel(), ready.targets()
    judged: list[Judged] = []
    for seen, unseen in learning.folds(ready.labels):
        scores = learning.held_out(kernel, targets, seen, unseen) + like.lean
        for index, row in zip(unseen.tolist(), scores, strict=True):
            best = int(row.argmax())
            sure = 1 / float(np.exp((row - row[best]) / like.temperature).sum())
            judged.append(Judged(messages[index], ready.intents[best], sure))
    return judged


def main(understanding: Understanding, root: Path) -> int:
    """Measure, print the summary, rewrite the report part of docs/understanding.md."""
    train, test = load(root / "data" / "nlu"), load(root / "data" / "test")
    goods = yaml.safe_load((root / "policies" / "goods.yml").read_text(encoding="utf-8"))
    held_out, parse_ms = read_all(understanding, test)
    crossed = cross_validate(train, understanding.intents)
    text = report.markdown(held_out, crossed, goods, parse_ms)
    report.write(root / "docs" / "understanding.md", text)
    print(report.summary(held_out, crossed, goods, parse_ms))
    return 0


def _named(one: Judged) -> list[str]:
    """The goods found; where none was, the whole message, as the product reads it then."""
    return [value for kind, value in one.entities if kind == "goods"] or [one.message.text]


def _red(intent: str, goods: Iterable[str], classes: dict[str, Any]) -> bool:
    if intent in _RED_INTENTS:
        return True
    return intent in _PROBLEMS and any(_red_goods(name.lower(), classes) for name in goods)


def _red_goods(name: str, classes: dict[str, Any]) -> bool:
    words = name.split()
    return any(word in name for kind in _RED_GOODS for word in classes[kind]["zh"]) or any(
        word in words for kind in _RED_GOODS for word in classes[kind]["en"]
    )
