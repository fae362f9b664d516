"""Stand-ins for libraries that Rasa imports and this product never uses.

Rasa 3.6.21 imports TensorFlow, and the clients of every channel and database it has ever known,
before it looks at a bot. None of that is installed here: it would cost a gigabyte of memory, three
of disk, and hold the whole environment on Python 3.10. In its place stand modules whose every name
is an empty class, so that Rasa's own modules load; making an object of one fails with a sentence
that names the library.

Nothing here imports Rasa, and a library that really is installed always wins over its stand-in.
"""

from __future__ import annotations

import importlib.machinery
import secrets
import sys
from abc import ABCMeta
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any

# Each name with the part of Rasa that imports it while loading. A name covers the modules below it.
# What Rasa imports only when it is used needs no stand-in: it is missed by name then.
ABSENT: dict[str, str] = {
    "tensorflow": "DIET, TED, UnexpecTED, ResponseSelector, ConveRT and language model components",
    "keras": "the same components",
    "boto3": "the DynamoDB tracker store and models kept in S3",
    "botocore": "the DynamoDB tracker store and models kept in S3",
    "pymongo": "the MongoDB tracker store",
    "aiogram": "the telegram channel",
    "twilio": "the twilio and twilio_voice channels",
    "slack_sdk": "the slack channel",
    "fbmessenger": "the facebook channel",
    "webexteamssdk": "the webexteams channel",
    "socketio": "the socketio channel",
    "cachecontrol": "the hangouts channel",
    "google.auth": "the hangouts channel",
    "google.oauth2": "the hangouts channel",
    "aio_pika": "the RabbitMQ event broker",
    "aiormq": "the RabbitMQ event broker",
    "confluent_kafka": "the Kafka event broker",
    "colorclass": "rasa interactive",
}

# Namespace packages that must exist for a name above, but whose other parts are not ours to answer
# for.
_PARENTS = frozenset({"google"})

_ERROR_ENDINGS = ("Error", "Exception", "Failure", "Timeout")


class AbsentLibraryError(RuntimeError):
    """Something asked for an object of a library that is not installed here.

    `library` is the import name, for example ``tensorflow``.
    """

    def __init__(self, library: str, wanted: str) -> None:
        self.library = library
        use = ABSENT.get(library, "a part of Rasa")
        super().__init__(
            f"{wanted} needs the library {library}, which Courier Desk leaves out: it serves only "
            f"{use}."
        )


class _AbsentMeta(ABCMeta):
    """Lets `tf.keras.layers.Layer` be written as a base class or in a type: every attribute is a
    class again.

    It descends from ABCMeta so that Rasa may mix such a class with its own abstract ones.
    """

    def __getattr__(cls, name: str) -> type:
        if name.startswith("_"):
            raise AttributeError(name)
        return absent_class(f"{cls.__module__}.{cls.__qualname__}", name)


class Absent(metaclass=_AbsentMeta):
    """The base of every class that a stand-in gives. It can be named and inherited from, never
    made.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Absent:
        library = next(base for base in cls.__mro__ if "absent_library" in base.__dict__)
        raise AbsentLibraryError(str(library.__dict__["absent_library"]), cls.__name__)


def absent_class(module: str, name: str) -> type:
    """A class called `name` that stands for `module`.`name`.

    A name that reads like an error's gives an exception class: Rasa puts such names into `except`
    clauses that other errors pass through.
    """
    library = next((lib for lib in ABSENT if module == lib or module.startswith(lib + ".")), module)
    bases = (Absent, Exception) if name.endswith(_ERROR_ENDINGS) else (Absent,)
    return _AbsentMeta(name, bases, {"__module__": module, "absent_library": library})


class StandInModule(ModuleType):
    """A module whose every public name is an empty class, made when first asked for."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        made = absent_class(self.__name__, name)
        setattr(self, name, made)
        return made


class _StandInLoader(Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return StandInModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: names are made when asked for."""


class StandInFinder(MetaPathFinder):
    """Answers for the names in ABSENT. It stands last on `sys.meta_path`: an installed library is
    found first.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _PARENTS and not is_absent(fullname):
            return None
        return importlib.machinery.ModuleSpec(fullname, _StandInLoader(), is_package=True)


def is_absent(fullname: str) -> bool:
    """Whether a stand-in would answer for the module of this full name, were it not installed."""
    return any(fullname == name or fullname.startswith(name + ".") for name in ABSENT)


def _random_names() -> ModuleType:
    """Stands for `randomname` (source only, no wheel): Rasa uses it to tell two models of one
    second apart.
    """
    module = ModuleType("randomname")
    module.__dict__["get_name"] = lambda: secrets.token_hex(4)
    return module


def _sentry() -> ModuleType:
    """Stands for `structlog_sentry`: Rasa puts this processor into its log chain even when nothing
    is reported.

    Error reporting to Rasa's makers stays off, so the processor hands every event on unchanged.
    """

    class SentryProcessor:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            """Takes and ignores the real processor's options."""

        def __call__(self, logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
            return event

    module = ModuleType("structlog_sentry")
    module.__dict__["SentryProcessor"] = SentryProcessor
    return module


def install() -> None:
    """Put the stand-ins in place. Calling it again changes nothing."""
    if not any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(StandInFinder())
    sys.modules.setdefault("randomname", _random_names())
    sys.modules.setdefault("structlog_sentry", _sentry())
    _numpy_names()
    _packaging_names()


def _numpy_names() -> None:
    """numpy 2 moved `VisibleDeprecationWarning` to `numpy.exceptions`; Rasa reads the old place
    when it loads.
    """
    import numpy as np

    if not hasattr(np, "VisibleDeprecationWarning"):
        np.VisibleDeprecationWarning = np.exceptions.VisibleDeprecationWarning  # type: ignore[attr-defined]


def _packaging_names() -> None:
    """packaging 22 dropped `LegacyVersion`; Rasa asks whether a version is one. None is, any more:
    it now raises.
    """
    from packaging import version

    if not hasattr(version, "LegacyVersion"):
        version.LegacyVersion = type("LegacyVersion", (), {})  # type: ignore[attr-defined]
