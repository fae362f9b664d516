"""Learning, asking, saving and doubting intents, on real messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.nlu import learning
from bot.nlu.classifier import IntentModel, Prediction
from bot.nlu.fallback import Doubt
from bot.nlu.learning import best_temperature, folds, solve, train
from bot.nlu.vectors import NoVectors, SentenceVectors, use_vectors
from tests.nlu.small import INTENTS, messages

pytestmark = pytest.mark.slow


def trained(vectors: SentenceVectors) -> tuple[IntentModel, float]:
    """A model of four fifths, and its accuracy on the last fifth."""
    corpus = messages()
    labels = np.array([INTENTS.index(message.intent) for message in corpus])
    seen, unseen = folds(labels)[0]
    model = train([corpus[i].text for i in seen], [corpus[i].intent for i in seen], vectors)
    right = [model.predict(corpus[i].text).intent == corpus[i].intent for i in unseen]
    return model, sum(right) / len(right)


@pytest.fixture(scope="module")
def model() -> IntentModel:
    learned, accuracy = trained(use_vectors())
    assert accuracy > 0.85
    return learned


def test_it_stands_without_sentence_vectors() -> None:
    learned, accuracy = trained(NoVectors())
    assert accuracy > 0.75
    assert learned.views == ()
    assert learned.predict("寄一箱苹果多少钱").nearness == 1.0


def test_probabilities_are_a_ranking(model: IntentModel) -> None:
    ranking = model.predict("寄到北京要多少运费").ranking
    assert {name for name, _ in ranking} == set(INTENTS)
    assert ranking[0][0] == "ask_price"
    assert [p for _, p in ranking] == sorted((p for _, p in ranking), reverse=True)
    assert sum(p for _, p in ranking) == pytest.approx(1, abs=1e-4)


def test_what_it_never_saw_is_less_near(model: IntentModel) -> None:
    assert model.predict("寄到北京要多少运费").nearness > model.predict("ᚠᚢᚦᚨᚱᚲ qwxz").nearness


@pytest.mark.parametrize("text", ["", " ", "😀", "\x00", "ا" * 40, "x" * 5000])
def test_any_text_gets_an_answer(model: IntentModel, text: str) -> None:
    assert sum(p for _, p in model.predict(text).ranking) == pytest.approx(1, abs=1e-4)


def test_a_saved_model_answers_the_same(model: IntentModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = IntentModel.load(tmp_path)
    for message in messages()[::40]:
        before, after = model.predict(message.text), again.predict(message.text)
        assert after.intent == before.intent
        assert after.confidence == pytest.approx(before.confidence, abs=0.02)


def test_the_evidence_names_the_words_that_decided(model: IntentModel) -> None:
    evidence = model.evidence("杯子碎了", "report_damage", "thank")
    assert "碎" in [gram for gram, _ in evidence[:3]]
    assert evidence[0][1] > 0


def test_the_messages_that_weigh_most_stand_for_all(
    model: IntentModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "_KEPT", len(model.dense) // 2)
    learned, accuracy = trained(use_vectors())
    assert accuracy > 0.85
    assert len(learned.dense) == len(learned.views[0].known) == len(model.dense) // 2
    known = messages()[::7]
    same = [model.predict(m.text).intent == learned.predict(m.text).intent for m in known]
    assert sum(same) / len(same) > 0.95


def test_conjugate_gradients_solve_the_system() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, 40)).astype(np.float32)
    kernel = (rows @ rows.T / 40 + np.eye(300)).astype(np.float32)
    targets = rng.normal(size=(300, 3)).astype(np.float32)
    exact = np.linalg.solve(kernel + learning.RIDGE * np.eye(300), targets)
    assert np.abs(solve(kernel, targets) - exact).max() < 0.05


def test_folds_share_out_every_message_once_and_every_intent_evenly() -> None:
    labels = np.array([0] * 50 + [1] * 10)
    parts = folds(labels)
    assert sorted(np.concatenate([unseen for _, unseen in parts]).tolist()) == list(range(60))
    assert {int((labels[unseen] == 1).sum()) for _, unseen in parts} == {2}
    assert all(not set(seen.tolist()) & set(unseen.tolist()) for seen, unseen in parts)


def test_the_temperature_makes_confidence_truthful() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(4000, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(4, p=share) for share in shares])
    assert best_temperature((logits * 0.25).astype(np.float32), labels) == pytest.approx(
        0.25, rel=0.1
    )


def predicted(best: float, second: float, nearness: float = 1.0) -> Prediction:
    return Prediction((("report_loss", best), ("report_delay", second)), nearness)


def test_doubt_names_its_reason() -> None:
    doubt = Doubt(confidence=0.35, margin=0.08, nearness=0.3, strange_confidence=0.6)
    assert doubt.reason(predicted(0.9, 0.05)) is None
    assert doubt.reason(predicted(0.3, 0.1)) == "confidence 0.30 is under 0.35"
    assert doubt.reason(predicted(0.45, 0.4)) == "leads report_delay by only 0.05"
    assert doubt.reason(predicted(0.55, 0.1, 0.2)) == "like nothing in training (nearness 0.20)"
    assert doubt.reason(predicted(0.8, 0.1, 0.2)) is None


def test_a_lean_makes_an_intent_likelier() -> None:
    corpus = messages()
    texts, intents = [m.text for m in corpus], [m.intent for m in corpus]
    plain, leaning = (
        dict(train(texts, intents, NoVectors(), lean).predict("嗯").ranking)
        for lean in ({}, {"report_damage": 0.2})
    )
    assert leaning["report_damage"] > plain["report_damage"]
