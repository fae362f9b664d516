"""A bot of three intents and one custom action: enough to exercise all that we use of Rasa."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "config.yml": """
recipe: default.v1
assistant_id: tiny
language: en
pipeline:
- name: WhitespaceTokenizer
- name: RegexFeaturizer
- name: CountVectorsFeaturizer
- name: LogisticRegressionClassifier
- name: RegexEntityExtractor
policies:
- name: MemoizationPolicy
- name: RulePolicy
""",
    "domain.yml": """
version: "3.1"
intents: [greet, bye, track]
entities: [waybill]
slots:
  waybill:
    type: text
    influence_conversation: false
    mappings:
    - {type: from_entity, entity: waybill}
responses:
  utter_hello: [{text: "Hello"}]
  utter_bye: [{text: "Goodbye"}]
actions: [action_track]
session_config: {session_expiration_time: 60, carry_over_slots_to_new_session: true}
""",
    "data/nlu.yml": r"""
version: "3.1"
nlu:
- intent: greet
  examples: |
    - hello
    - hi there
    - good morning
- intent: bye
  examples: |
    - bye
    - see you
    - good night
- intent: track
  examples: |
    - where is my parcel [SF1234567](waybill)
    - track [YT7654321](waybill)
    - where is [ZT1112223](waybill) now
- regex: waybill
  examples: |
    - [A-Z]{2}\d{7}
""",
    "data/rules.yml": """
version: "3.1"
rules:
- rule: greet
  steps: [{intent: greet}, {action: utter_hello}]
- rule: bye
  steps: [{intent: bye}, {action: utter_bye}]
- rule: track
  steps: [{intent: track}, {action: action_track}]
stories:
- story: greet and track
  steps: [{intent: greet}, {action: utter_hello}, {intent: track}, {action: action_track}]
""",
    "credentials.yml": "rest:\n",
    "tests/test_stories.yml": """
version: "3.1"
stories:
- story: a customer greets and leaves
  steps:
  - {user: hello, intent: greet}
  - {action: utter_hello}
  - {user: bye, intent: bye}
  - {action: utter_bye}
""",
}


def write(folder: Path) -> Path:
    """Lay the bot's files into `folder` and give it back."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"), encoding="utf-8")
    return folder
