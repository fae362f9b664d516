"""Puts patches on a module at the moment it is loaded, so that nothing is loaded for their sake."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType

from bot.nlu.deferred import DEFERRED, in_place_for
from bot.nlu.patches import PATCHES


class _PatchingLoader(Loader):
    """Runs a module as its own loader would, less what is deferred, then puts its patch on."""

    def __init__(self, inner: Loader) -> None:
        self._inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps its real loader: pkg_resources and inspect ask it for files and source.
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        with in_place_for(module.__name__):
            self._inner.exec_module(module)
        for patch in PATCHES.get(module.__name__, ()):
            patch(module)


class PatchFinder(MetaPathFinder):
    """Stands first on `sys.meta_path`; answers only for modules in PATCHES or DEFERRED."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in PATCHES and fullname not in DEFERRED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _PatchingLoader(spec.loader)
        return spec


def install() -> None:
    """Put the patches in place, on modules loaded from now on and on those loaded already. Once is
    enough.
    """
    if any(isinstance(finder, PatchFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, PatchFinder())
    for name in PATCHES.keys() & sys.modules.keys():
        for patch in PATCHES[name]:
            patch(sys.modules[name])
