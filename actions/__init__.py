"""What the bot can do: one module per skill, run inside the service by rasa-sdk's ActionExecutor.

rasa-sdk, for a type alone, loads sanic 21.12 (the release that Rasa's server needs), and that reads
a module of websockets by the name it had before version 11. The last websockets under that name has
no wheel for Python 3.12, so its new module is found under the old name too, from here on.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType


class _OldName(MetaPathFinder, Loader):
    """Gives `websockets.protocol` to whoever imports `websockets.connection`, and only then."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "websockets.connection":
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        names = vars(importlib.import_module("websockets.protocol"))
        module.__dict__.update({k: v for k, v in names.items() if not k.startswith("__")})
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the names are there."""


sys.meta_path.insert(0, _OldName())
