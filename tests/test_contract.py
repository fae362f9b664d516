"""The label contract, Rasa's domain, the training data, the texts and the code say the same."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from bot import contract
from bot.contract import Contract
from bot.nlu import corpus
from bot.settings import ROOT
from conversations.texts import Texts
from parcels.models import GoodsClass
from tickets import intake
from tickets.models import Urgency
from tickets.routing import Routing
from tickets.urgency import UrgencyRules

POLICIES = ROOT / "policies"
SHARED = ROOT.parent / "shared" / "taxonomy.yml"
FREQUENT = 150, 70
OTHERS = 80, 40


@pytest.fixture(scope="module")
def agreed() -> Contract:
    return contract.read(POLICIES / "taxonomy.yml")


@pytest.fixture(scope="module")
def domain() -> dict[str, list[str]]:
    return yaml.safe_load((ROOT / "domain.yml").read_text())  # type: ignore[no-any-return]


def test_our_copy_is_the_contract() -> None:
    if not SHARED.exists():
        pytest.skip(f"the owner's copy is not on this machine: {SHARED}")
    ours = yaml.safe_load((POLICIES / "taxonomy.yml").read_text())
    assert ours == yaml.safe_load(SHARED.read_text())


def test_the_domain_has_the_contracts_intents_and_entities(
    agreed: Contract, domain: dict[str, list[str]]
) -> None:
    assert set(domain["intents"]) - {"nlu_fallback"} == set(agreed.intents)
    assert set(domain["entities"]) == set(agreed.entities) == set(corpus.ENTITIES)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_intent_has_a_file_of_messages_in_each_language(
    agreed: Contract, language: str
) -> None:
    files = {path.stem for path in (ROOT / "data" / "nlu" / language).glob("*.yml")}
    assert files == set(agreed.intents)


def test_every_intent_has_enough_messages(agreed: Contract) -> None:
    counts = corpus.counts(corpus.load(ROOT / "data" / "nlu"))
    frequent = {i for i in agreed.intents if i.startswith("report_")} | {"track_parcel"}
    short = {
        (language, intent): counts[language][intent]
        for intent in agreed.intents
        for language, least in zip(
            ("zh", "en"), FREQUENT if intent in frequent else OTHERS, strict=True
        )
        if counts[language][intent] < least
    }
    assert short == {}


def test_each_boundary_has_twenty_messages_from_both_sides(agreed: Contract) -> None:
    sides: dict[int, dict[str, int]] = {}
    for message in corpus.load(ROOT / "data" / "nlu"):
        if message.boundary:
            tally = sides.setdefault(message.boundary, {})
            tally[message.intent] = tally.get(message.intent, 0) + 1
    assert set(sides) == set(range(1, len(agreed.boundaries) + 1))
    assert all(sum(tally.values()) >= 20 for tally in sides.values()), sides


@pytest.mark.slow
def test_no_near_duplicates_and_no_leak_into_the_test_set() -> None:
    assert corpus.check(ROOT / "data") == []


def test_a_file_holds_only_its_own_intent() -> None:
    strangers = {
        message.path
        for message in corpus.load(ROOT / "data" / "nlu")
        if message.intent != message.path.stem
    }
    assert strangers == set()


def test_classes_and_colours_are_the_contracts(agreed: Contract) -> None:
    assert list(agreed.goods_class) == [c.value for c in GoodsClass]
    assert list(agreed.urgency) == [u.value for u in Urgency]


def test_every_problem_has_intake_texts_and_a_name(agreed: Contract) -> None:
    texts = Texts(POLICIES / "texts", ZoneInfo("Asia/Shanghai"))
    assert intake.from_file(POLICIES / "intake.yml", agreed.problems).classes
    for problem in agreed.problems:
        assert texts.has(f"report.feel.{problem}")
        assert texts.has(f"words.kind.{problem}")


def test_rules_name_only_intents_of_the_contract(agreed: Contract) -> None:
    urgency = UrgencyRules.from_file(POLICIES / "urgency.yml", agreed.intents)
    teams = Routing.from_file(
        POLICIES / "teams.yml", ZoneInfo("Asia/Shanghai"), agreed.intents, urgency.names
    ).policy
    named = {i for rule in urgency.policy.rules for i in rule.intents}
    named |= {i for rule in teams.rules for i in rule.intents}
    assert named <= set(agreed.intents)


def test_every_intent_has_a_rule(agreed: Contract) -> None:
    ruled = {
        step["intent"]
        for path in Path(ROOT / "data" / "rules").glob("*.yml")
        for rule in yaml.safe_load(path.read_text())["rules"]
        for step in rule["steps"]
        if "intent" in step
    }
    assert ruled == {*agreed.intents, "nlu_fallback"}
