"""What Rasa loads: thin adapters around this room's pure parts, in the order of config.yml.

Rasa matches arguments by name (``training_data``, ``messages``), so these names are fixed. The
entities of a parsed message carry Rasa's keys, ``confidence_entity`` and, for numbers,
``normalised``: the number without separators and slips of the finger.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.tokenizers.tokenizer import Token as RasaToken
from rasa.nlu.tokenizers.tokenizer import Tokenizer
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu import reading
from bot.nlu.classifier import IntentModel
from bot.nlu.corpus import Entity
from bot.nlu.fallback import Doubt
from bot.nlu.tagger import EntityTagger
from bot.nlu.tokenizer import tokenize
from bot.nlu.vectors import UseVectors, open_vectors

_Type = DefaultV1Recipe.ComponentType


@DefaultV1Recipe.register([_Type.MESSAGE_TOKENIZER], is_trainable=False)
class MixedTokenizer(Tokenizer):
    """Tokens for Rasa's own tools (`rasa test` aligns entities by them)."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Rasa's two keys for cutting up intent names, which we never do."""
        return {"intent_tokenization_flag": False, "intent_split_symbol": "_"}

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Nothing: our components cut for themselves, and Rasa would hash every token."""
        return training_data

    def tokenize(self, message: Message, attribute: str) -> list[RasaToken]:
        """One token per CJK character, word or number."""
        return [RasaToken(t.text, t.start, t.end) for t in tokenize(message.get(attribute))]


class _Learned(GraphComponent):
    """What the two trained components share: where Rasa keeps their files."""

    def __init__(
        self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource
    ) -> None:
        self._config = config
        self._storage = model_storage
        self._resource = resource

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> _Learned:
        """An untrained component."""
        return cls(config, model_storage, resource)


@DefaultV1Recipe.register([_Type.INTENT_CLASSIFIER], is_trainable=True)
class IntentClassifier(_Learned):
    """Sets ``intent``, ``intent_ranking`` (all of them) and ``nearness``."""

    _model: IntentModel | None = None

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """``vectors``: "use-multilingual-3", or "none" to go by n-grams alone.

        ``lean``: intent to what is added to its score; see learning.train.
        """
        return {"vectors": UseVectors.name, "lean": {}}

    def train(self, training_data: TrainingData) -> Resource:
        """Learn every labelled message."""
        examples = [m for m in training_data.intent_examples if m.get("text")]
        # A server that only answers never loads what training needs: scikit-learn, 75 MB.
        from bot.nlu.learning import train

        self._model = train(
            [m.get("text") for m in examples],
            [m.get("intent") for m in examples],
            open_vectors(self._config["vectors"]),
            self._config["lean"],
        )
        with self._storage.write_to(self._resource) as folder:
            self._model.save(folder)
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> IntentClassifier:
        """The component with its trained model."""
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            component._model = IntentModel.load(folder)
        return component

    def process(self, messages: list[Message]) -> list[Message]:
        """Rank the intents of each message."""
        for message in messages:
            if self._model is not None:
                output = reading.intent_output(self._model.predict(message.get("text") or ""))
                for key, value in output.items():
                    message.set(key, value, add_to_output=True)
        return messages


@DefaultV1Recipe.register([_Type.ENTITY_EXTRACTOR], is_trainable=True)
class EntityExtractor(_Learned):
    """Sets ``entities``: numbers, tagged stretches and lexicon words, merged."""

    _tagger: EntityTagger | None = None

    def train(self, training_data: TrainingData) -> Resource:
        """Learn every annotated message (messages without entities teach where none are)."""
        examples = [m for m in training_data.nlu_examples if m.get("text")]
        self._tagger = EntityTagger.train(
            [m.get("text") for m in examples], [_entities(m) for m in examples]
        )
        with self._storage.write_to(self._resource) as folder:
            self._tagger.save(folder)
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> EntityExtractor:
        """The component with its trained tagger."""
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            component._tagger = EntityTagger.load(folder)
        return component

    def process(self, messages: list[Message]) -> list[Message]:
        """Find the entities of each message; what is there already (payloads of buttons) stays."""
        for message in messages:
            found = reading.entity_output(message.get("text") or "", self._tagger)
            message.set("entities", message.get("entities", []) + found, add_to_output=True)
        return messages


@DefaultV1Recipe.register([_Type.INTENT_CLASSIFIER], is_trainable=False)
class DoubtClassifier(GraphComponent):
    """Puts ``nlu_fallback`` on top where acting would be guessing, and says why."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._doubt = Doubt(**{key: config[key] for key in self.get_default_config()})

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """The limits of ``Doubt``."""
        limits = Doubt()
        return {key: getattr(limits, key) for key in Doubt.__slots__}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> DoubtClassifier:
        """A component with the limits of config.yml."""
        return cls(config)

    def process(self, messages: list[Message]) -> list[Message]:
        """Judge each message's ranking."""
        for message in messages:
            for key, value in reading.doubt_output(message.data, self._doubt).items():
                message.set(key, value, add_to_output=True)
        return messages


def _entities(message: Message) -> list[Entity]:
    return [
        Entity(e["start"], e["end"], e["value"], e["entity"]) for e in message.get("entities") or []
    ]
