"""Reads data/nlu for Rasa with the project's own reader.

Rasa parses and validates each of its YAML files up to six times in pure Python: 40 s of a training
on 21,000 messages. `./courier corpus check` already holds these files to their format, so they
are read once, by the reader that every other part uses. Stories, rules and whatever else lies
below the given paths stay with Rasa's own importer.
"""

from __future__ import annotations

from pathlib import Path

from rasa.shared.importers.rasa import RasaFileImporter
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu import corpus

_FOLDER = "nlu"
# Held-out messages are never learned, not even by `rasa train` on the whole of data/.
_NOT_OTHERS = frozenset({_FOLDER, "test"})


class CorpusImporter(RasaFileImporter):
    """Takes folders called ``nlu``, and those inside the given paths, for the corpus."""

    def __init__(
        self,
        config_file: str | None = None,
        domain_path: str | None = None,
        training_data_paths: list[str] | str | None = None,
    ) -> None:
        """The three arguments Rasa gives, by these names."""
        given = (
            [training_data_paths] if isinstance(training_data_paths, str) else training_data_paths
        )
        paths = [Path(path) for path in given or []]
        self._corpus: list[Path] = []
        others: list[str] = []
        for path in paths:
            inside = path / _FOLDER
            if path.name == _FOLDER and path.is_dir():
                self._corpus.append(path)
            elif inside.is_dir():
                self._corpus.append(inside)
                others += [
                    str(entry) for entry in sorted(path.iterdir()) if entry.name not in _NOT_OTHERS
                ]
            else:
                others.append(str(path))
        super().__init__(config_file, domain_path, others)

    def get_nlu_data(self, language: str | None = "en") -> TrainingData:
        """The corpus' messages, and those of the other paths if they hold any."""
        messages = [_message(m) for root in self._corpus for m in corpus.load(root)]
        ours = TrainingData(messages)
        return super().get_nlu_data(language).merge(ours) if self._nlu_files else ours


def _message(message: corpus.Message) -> Message:
    entities = [
        {"start": e.start, "end": e.end, "value": e.value, "entity": e.kind}
        for e in message.entities
    ]
    return Message.build(message.text, message.intent, entities)
