"""Modules that this worker does not have, imported from the notebook that does.

Only when they are imported, and one by one. They know their source, so that tracebacks and
``inspect`` do, and read the files of their packages through ``importlib.resources``.
"""

from __future__ import annotations

import importlib.util
import io
import os
import posixpath
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.resources.abc import Traversable, TraversableResources
from typing import Any, Protocol

from farcell_runtime import project
from farcell_runtime.loading import Loaded, is_being_made
from farcell_runtime.transport import farcell_pb2 as pb

_PLACE = "farcell:"  # what the search path of such a package begins with: no folder's name


class Ask(Protocol):
    """Puts a question to the notebook; no answer if nobody is there."""

    def __call__(self, kind: str, module: str, path: str = "") -> pb.Found | None: ...


class RemoteFinder:
    """Stands behind all finders of this process's own.

    Args:
        loaded: is called with each module that was imported this way.
    """

    def __init__(self, ask: Ask, loaded: Loaded) -> None:
        self._ask = ask
        self._loaded = loaded
        self._missed: dict[str, pb.Found] = {}

    def install(self) -> None:
        """Have imports that fail come here."""
        sys.meta_path.append(self)

    def begin_run(self) -> None:
        """What the notebook did not have, it may have by now."""
        self._missed.clear()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None and not any(each.startswith(_PLACE) for each in path):
            return None  # what is missing of a package that is here is missing
        if name in self._missed:
            return None
        found = self._ask("module", name)
        if found is None:
            return None
        if found.kind == "nothing":
            self._missed[name] = found
            return None
        loader = None
        if found.kind != "namespace":
            loader = RemoteLoader(name, found, self._ask, self._loaded)
        is_package = found.kind in ("package", "namespace")
        spec = ModuleSpec(name, loader, origin=found.path or None, is_package=is_package)
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(_PLACE + name)
        spec.has_location = bool(found.path)
        return spec

    def explain(self, error: BaseException | None) -> None:
        """Note on an error of an import where the module was looked for."""
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        missed = self._missed.pop(name, None) if name else None
        if missed is None or error is None:
            return
        here = _told(project.roots(sys.path, os.getcwd()))
        there = missed.why or f"looked for in {_told(missed.searched)}"
        error.add_note(f"on the worker: looked for in {here}\nin the notebook: {there}")


class RemoteLoader(InspectLoader):
    """Makes one module from source that came from the notebook."""

    def __init__(self, name: str, found: pb.Found, ask: Ask, loaded: Loaded) -> None:
        self._name = name
        self._path = found.path
        self._source = found.data
        self._is_package = found.kind == "package"
        self._ask = ask
        self._loaded = loaded

    def is_package(self, fullname: str) -> bool:
        return self._is_package

    def get_filename(self, fullname: str) -> str:
        """Where the file is on the notebook's machine."""
        return self._path

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self._source)

    def get_code(self, fullname: str) -> types.CodeType:
        code = self.source_to_code(self._source, self._path)
        if is_being_made(fullname, self):
            self._loaded(fullname, self._path, self._source)
        return code

    def get_data(self, path: str) -> bytes:
        """A file of the package, by the path that it has on the notebook's machine."""
        folder = posixpath.dirname(self._path) + "/"
        if not path.startswith(folder):
            raise FileNotFoundError(path)
        return RemoteFile(self._ask, self._home(), path.removeprefix(folder)).read_bytes()

    def get_resource_reader(self, fullname: str) -> TraversableResources | None:
        """What ``importlib.resources`` reads the package's files with."""
        return _Resources(self._ask, fullname) if self._is_package else None

    def _home(self) -> str:
        return self._name if self._is_package else self._name.rpartition(".")[0]


class _Resources(TraversableResources):
    def __init__(self, ask: Ask, package: str) -> None:
        self._ask = ask
        self._package = package

    def files(self) -> Traversable:
        return RemoteFile(self._ask, self._package, "")


class RemoteFile(Traversable):
    """A file or folder in a package's folder on the notebook's machine.

    Args:
        path: below that folder; empty: the folder itself.
    """

    def __init__(self, ask: Ask, package: str, path: str) -> None:
        self._ask = ask
        self._package = package
        self._path = path

    @property
    def name(self) -> str:
        return posixpath.basename(self._path) or self._package.rpartition(".")[2]

    def iterdir(self) -> Iterator[Traversable]:
        found = self._ask("list", self._package, self._path)
        if found is None or found.kind != "list":
            raise NotADirectoryError(self._told())
        for entry in found.entries:
            yield self.joinpath(entry.rstrip("/"))

    def is_dir(self) -> bool:
        found = self._ask("list", self._package, self._path)
        return found is not None and found.kind == "list"

    def is_file(self) -> bool:
        above, name = posixpath.split(self._path)
        found = self._ask("list", self._package, above)
        return found is not None and name in found.entries

    def joinpath(self, *descendants: str | os.PathLike[str]) -> RemoteFile:
        path = posixpath.join(self._path, *(os.fspath(each) for each in descendants))
        return RemoteFile(self._ask, self._package, path)

    def __truediv__(self, child: str | os.PathLike[str]) -> RemoteFile:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        found = self._ask("data", self._package, self._path)
        if found is None or found.kind != "data":
            raise FileNotFoundError(self._told() + (f": {found.why}" if found else ""))
        return found.data

    def read_text(self, encoding: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = io.BytesIO(self.read_bytes())
        return file if "b" in mode else io.TextIOWrapper(file, *args, **kwargs)

    def __str__(self) -> str:
        return self._told()

    def _told(self) -> str:
        return f"{self._path or '.'} of package {self._package}, in the notebook"


def _told(folders: Iterable[str]) -> str:
    return ", ".join([*folders, "what is installed"])
