"""What is to be done around the import of a module, whenever code imports it, and whoever does."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Entered before a module's code runs, and left when it has run.
Around = Callable[[ModuleType], AbstractContextManager[None]]

_awaited: dict[str, list[Around]] = {}


def around_import(name: str, around: Around) -> None:
    """Have the next import of the module ``name`` happen within ``around``.

    Nothing comes of it where the module is imported already, or its loader can't be observed.
    """
    arounds = _awaited.setdefault(name, [])
    if around not in arounds:
        arounds.append(around)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


class _Finder(MetaPathFinder):
    """Finds what the other finders find, if somebody waits for it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _awaited:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                _observe(fullname, spec.loader)
                return spec
        return None


_FINDER = _Finder()


def _observe(name: str, loader: Any) -> None:
    execute = getattr(loader, "exec_module", None)
    if execute is None or isinstance(loader, type):
        return  # a namespace, or a loader that is shared by all modules of its kind

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        with contextlib.ExitStack() as stack:
            for around in _awaited.get(name, []):
                stack.enter_context(around(module))
            execute(module)
            _awaited.pop(name, None)

    with contextlib.suppress(AttributeError):  # one that takes no attributes
        loader.exec_module = exec_module
