"""Changes to Rasa 3.6.21's own code that only concern training: what it costs.

tests/rasa/test_compat.py holds each to what it promises.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

_LEVEL = 6  # of gzip's nine


def merge_only_what_differs(module: ModuleType) -> None:
    """Between file and component Rasa merges the corpus with nothing several times: each merge
    copies every message in depth and fingerprints it afresh to drop duplicates, 20 s of a training
    on 29,000 messages.

    A merge with nothing gives the data itself; a message whose intent needs no trimming keeps its
    fingerprint.
    """
    data = module.TrainingData
    merge = data.merge
    parts = ("training_examples", "entity_synonyms", "regex_features", "lookup_tables", "responses")

    def merge_full(self: Any, *others: Any) -> Any:
        full = [d for d in (self, *others) if d and any(getattr(d, part) for part in parts)]
        return full[0] if len(full) == 1 else merge(self, *others)

    def sanitize_examples(examples: list[Any]) -> list[Any]:
        for message in examples:
            for name in (module.INTENT, module.RESPONSE):
                label = message.get(name)
                if label and label != label.strip():
                    message.set(name, label.strip())
        return list(dict.fromkeys(examples))

    data.merge = merge_full
    data.sanitize_examples = staticmethod(sanitize_examples)


def pack_fast(module: ModuleType) -> None:
    """Rasa packs a model at gzip's highest level: 6 s of processor time for 50 MB of numbers, where
    the usual level takes 2 s and the archive is the same size.
    """

    class TarSafe(module.TarSafe):  # type: ignore[name-defined]
        @classmethod
        def gzopen(
            cls, name: Any, mode: Any = "r", fileobj: Any = None, compresslevel: int = _LEVEL
        ) -> Any:
            return super().gzopen(name, mode, fileobj, compresslevel)

    module.TarSafe = TarSafe  # type: ignore[attr-defined]
