"""Imports of the project's modules, with the source that each was really made from.

What a file holds a moment after its import may be something else already; and a file that was saved
twice within a second is served by Python from a stale ``.pyc``.
"""

from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import cache_from_source

from farcell_runtime.project import is_source

_DOUBTFUL_S = 2.0  # a .pyc as old as its source, within so much, may be that of an older one

Loaded = Callable[[types.ModuleType, str, bytes], None]


class ProjectFinder:
    """Stands in front of Python's own finder, and tells what was loaded from where.

    Args:
        loaded: is called with each module of the project that was imported, its file, and the
            source that it was made from.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def install(self) -> None:
        """Have imports from now on go this way."""
        for place, finder in enumerate(sys.meta_path):
            if finder is PathFinder:
                sys.meta_path.insert(place, self)
                return
        sys.meta_path.append(self)

    def uninstall(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return spec
        if is_source(name, spec.origin) and spec.origin is not None:
            spec.loader = ProjectLoader(name, spec.origin, self._loaded)
        return spec

    def invalidate_caches(self) -> None:
        """Python's own finder, which is asked, has its own turn."""


class ProjectLoader(SourceFileLoader):
    """Loads a module of the project, and keeps its source until that was told."""

    def __init__(self, name: str, path: str, loaded: Loaded) -> None:
        super().__init__(name, path)
        self._loaded = loaded
        self._source = b""

    def get_code(self, fullname: str) -> types.CodeType | None:
        path = self.get_filename(fullname)
        self._source, modified_s = _read(path)
        if _has_trusted_cache(path, modified_s):
            code = super().get_code(fullname)
            if os.stat(path).st_mtime == modified_s:
                return code
        return self.source_to_code(self._source, path)

    def exec_module(self, module: types.ModuleType) -> None:
        super().exec_module(module)
        self._loaded(module, self.path, self._source)


def _read(path: str) -> tuple[bytes, float]:
    """What a file holds, and when that was written."""
    while True:
        before = os.stat(path)
        with open(path, "rb") as file:
            source = file.read()
        after = os.stat(path)
        if (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino):
            return source, after.st_mtime


def _has_trusted_cache(path: str, modified_s: float) -> bool:
    try:
        cached_s = os.stat(cache_from_source(path)).st_mtime
    except (OSError, NotImplementedError):
        return time.time() - modified_s > _DOUBTFUL_S  # Python writes a good one
    return cached_s - modified_s > _DOUBTFUL_S
