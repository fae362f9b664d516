"""Libraries that Rasa loads with its own modules but uses only to train, to draw or to chat.

A server that answers customers does none of these, yet would pay for scikit-learn, matplotlib and
questionary: 90 MB of memory and half a second of its start. While one of the modules below is being
loaded, it is handed names that fetch the real thing when they are first called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

# The importing module, then for each library what it takes from there. All of these are called,
# never inherited from or compared with.
DEFERRED: dict[str, dict[str, tuple[str, ...]]] = {
    "rasa.utils.tensorflow.model_data": {"sklearn.model_selection": ("train_test_split",)},
    "rasa.nlu.featurizers.sparse_featurizer.count_vectors_featurizer": {
        "sklearn.feature_extraction.text": ("CountVectorizer",)
    },
    "rasa.nlu.classifiers.logistic_regression_classifier": {
        "sklearn.linear_model": ("LogisticRegression",)
    },
    "rasa.core.channels.console": {
        "questionary": ("Question", "select", "text"),
        "prompt_toolkit.styles": ("Style",),
    },
    "rasa.utils.plotting": {
        "matplotlib": ("get_backend", "use"),
        "matplotlib.ticker": ("FormatStrFormatter",),
    },
}


def fetch_when_called(library: str, name: str) -> Callable[..., Any]:
    """Stands for `library`.`name`, which must be something that is called."""

    def fetch(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(library), name)(*arguments, **options)

    fetch.__name__ = fetch.__qualname__ = name
    return fetch


@contextmanager
def in_place_for(importer: str) -> Iterator[None]:
    """While `importer` is loaded, what it imports from a deferred library is a name that waits.

    A library that is loaded already is used as it is.
    """
    placed: list[str] = []
    for library, names in DEFERRED.get(importer, {}).items():
        if library not in sys.modules:
            module = ModuleType(library)
            module.__dict__.update({name: fetch_when_called(library, name) for name in names})
            sys.modules[library] = module
            placed.append(library)
    try:
        yield
    finally:
        for library in placed:
            sys.modules.pop(library, None)
