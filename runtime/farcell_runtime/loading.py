"""Imports of the project's modules, with the source that each was really made from.

What a file holds a moment after its import may be something else already; and a file that was saved
twice within a second is served by Python from a stale ``.pyc``.
"""

from __future__ import annotations

import os
import struct
import sys
import time
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import cache_from_source

from farcell_runtime.project import is_source

_HEADER = struct.Struct("<4sIII")  # of a .pyc: magic number, flags, its source's time and size
_DOUBTFUL_S = 2.0  # a .pyc as old as its source, within so much, may be that of an older one

Loaded = Callable[[str, str, bytes], None]


class ProjectFinder:
    """Stands in front of Python's own finder, and tells what was loaded from where.

    Args:
        loaded: is called with the name of each module of the project that is about to be made,
            its file, and the source that it is made from.
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
        for finder in sys.meta_path if spec is None else ():
            # Of a package that was installed to be edited; it stands behind Python's own.
            if getattr(finder, "__module__", "").startswith("__editable__"):
                spec = spec or finder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return spec
        if is_source(name, spec.origin) and spec.origin is not None:
            spec.loader = ProjectLoader(name, spec.origin, self._loaded)
        return spec

    def invalidate_caches(self) -> None:
        """Python's own finder, which is asked, has its own turn."""


class ProjectLoader(SourceFileLoader):
    """Loads a module of the project, and tells its source.

    Not after it was loaded: a frame of this file's would stand in the traceback of a module that
    raises.
    """

    def __init__(self, name: str, path: str, loaded: Loaded) -> None:
        super().__init__(name, path)
        self._loaded = loaded

    def get_code(self, fullname: str) -> types.CodeType | None:
        path = self.get_filename(fullname)
        source, modified_s = _read(path)
        code = None
        if _has_trusted_cache(path, modified_s):
            code = super().get_code(fullname)
            if os.stat(path).st_mtime != modified_s:
                code = None
        if code is None:
            code = self.source_to_code(source, path)
        if is_being_made(fullname, self):
            self._loaded(fullname, path, source)
        return code


def has_from_imports(code: str) -> bool:
    """Whether a cell may import by ``from m import x``."""
    return "import" in code and "from" in code


def python_of(code: str) -> str:
    """A cell's code without its lines that are magics."""
    lines = code.splitlines()
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def is_being_made(name: str, loader: object) -> bool:
    """Whether the module of this name is being made by ``loader``, rather than looked at."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and spec.loader is loader


def is_made(name: str) -> bool | None:
    """Whether the module of this name is whole by now; none, if it is not there any more."""
    module = sys.modules.get(name)
    if module is None:
        return None
    return not getattr(getattr(module, "__spec__", None), "_initializing", False)


def is_outdated(name: str) -> bool:
    """Whether a module's file was changed since the module was made, as its ``.pyc`` tells."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if spec is None or not spec.origin or not spec.cached or sys.dont_write_bytecode:
        return False
    try:
        with open(spec.cached, "rb") as file:
            _, flags, modified_s, size_bytes = _HEADER.unpack(file.read(_HEADER.size))
        found = os.stat(spec.origin)
    except (OSError, struct.error):
        return False
    now = int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF
    return flags == 0 and (modified_s, size_bytes) != now


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
