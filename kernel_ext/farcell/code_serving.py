"""Answers workers that import what they don't have: modules of the project, and their files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from farcell_runtime import project
from farcell_runtime.transport import farcell_pb2 as pb

_MOST_BYTES = 256 << 20  # of one file


class CodeServing:
    """Finds modules as the notebook's own imports would, without importing them.

    What is installed, what is compiled and what lies outside the project's roots is never served.

    Args:
        source: the text of a module in the version that runs; none, if it is not tracked.
        folders: those of modules that the notebook has imported, which are roots too.
    """

    def __init__(
        self, source: Callable[[str], bytes | None], folders: Callable[[], Sequence[str]]
    ) -> None:
        self._source = source
        self._folders = folders

    def answer(self, find: pb.Find) -> pb.Found:
        """What there is to say to a worker."""
        try:
            match find.kind:
                case "module":
                    found = self._module(find.module)
                case _:
                    found = self._file(find.kind, find.module, find.path)
        except Exception as error:  # a finder's of the user's own, or a file's that has just gone
            found = _nothing(f"{type(error).__name__}: {error}")
        found.request = find.request
        return found

    def _roots(self) -> tuple[str, ...]:
        return project.roots([*sys.path, *self._folders()], os.getcwd())

    def _module(self, name: str) -> pb.Found:
        spec = _spec_of(name)
        roots = self._roots()
        if spec is None:
            return pb.Found(kind="nothing", searched=roots)
        places = list(spec.submodule_search_locations or ())
        if spec.origin is None and places:
            if any(project.is_within(each, roots) for each in places):
                return pb.Found(kind="namespace")
            return _nothing(f"{places[0]} is outside of the project")
        if (why := self._why_not(name, spec, roots)) or spec.origin is None:
            return _nothing(why)
        source = self._source(name)
        if source is None:
            source = Path(spec.origin).read_bytes()
        kind = "package" if spec.submodule_search_locations is not None else "module"
        return pb.Found(kind=kind, path=spec.origin, data=source)

    def _why_not(self, name: str, spec: ModuleSpec, roots: Sequence[str]) -> str:
        path = spec.origin
        if path is None or not os.path.exists(path):
            return f"'{name}' is not made from a file"
        if project.is_installed(path):
            return f"'{name}' is installed there, in {path}, and what is installed is not sent"
        if not project.is_source(name, path):
            return f"'{name}' is {path}, and only Python source is sent"
        if not project.is_within(path, roots):
            return f"{path} is outside of the project"
        return ""

    def _file(self, kind: str, package: str, path: str) -> pb.Found:
        spec = _spec_of(package)
        if spec is None or spec.origin is None:
            return _nothing(f"package '{package}' is not there")
        if why := self._why_not(package, spec, self._roots()):
            return _nothing(why)
        folder = os.path.realpath(os.path.dirname(spec.origin))
        real = os.path.realpath(os.path.join(folder, path))
        if real != folder and not project.is_within(real, (folder,)):
            return _nothing("it is outside of its package")
        if kind == "list" and os.path.isdir(real):
            with os.scandir(real) as found:
                entries = [f"{each.name}/" if each.is_dir() else each.name for each in found]
            return pb.Found(kind="list", entries=sorted(entries))
        if kind == "data" and os.path.isfile(real):
            if os.path.getsize(real) > _MOST_BYTES:
                return _nothing("it is too large; use %cluster put")
            return pb.Found(kind="data", data=Path(real).read_bytes())
        return _nothing("there is no such file")


def _spec_of(name: str) -> ModuleSpec | None:
    """Where a module comes from, or would."""
    module = sys.modules.get(name)
    if module is not None:
        spec = getattr(module, "__spec__", None)
        return spec if isinstance(spec, ModuleSpec) else None
    path = None
    parent = name.rpartition(".")[0]
    if parent:
        above = _spec_of(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        path = list(above.submodule_search_locations)
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is not None and (spec := find_spec(name, path, None)) is not None:
            return spec if isinstance(spec, ModuleSpec) else None
    return None


def _nothing(why: str) -> pb.Found:
    return pb.Found(kind="nothing", why=why)
