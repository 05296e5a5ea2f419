"""A module that was loaded, and the text that it was loaded from."""

from __future__ import annotations

import importlib.util
import types
import weakref
from typing import Any

from farcell_runtime.reload.imports import Import, imports_of, may_import, package_of
from farcell_runtime.reload.statements import Chunk, split
from farcell_runtime.reload.swaps import Lineage


class Tracked:
    """What is known of one module."""

    def __init__(self, module: types.ModuleType, source: bytes) -> None:
        self.module = module
        self.name = module.__name__
        self.source = source
        self.known: weakref.WeakSet[Any] = weakref.WeakSet()
        self.lineage = Lineage()
        self._chunks: list[Chunk] | None = None
        self._imports: list[Import] | None = None

    @property
    def path(self) -> str:
        """What the module's code calls its file."""
        return getattr(self.module, "__file__", None) or f"<{self.name}>"

    @property
    def chunks(self) -> list[Chunk]:
        """The text that runs, by top-level statement."""
        if self._chunks is None:
            self._chunks = split(importlib.util.decode_source(self.source))
        return self._chunks

    @property
    def imports(self) -> list[Import]:
        """What it imports at its top level."""
        if self._imports is None:
            self._imports = imports_in(self.chunks, self.module)
        return self._imports

    def may_know(self, name: str) -> bool:
        """Whether its text can import the module ``name``; no for most of a large package."""
        return name.rpartition(".")[2].encode() in self.source or self.name.startswith(f"{name}.")

    def adopt(self, source: bytes, chunks: list[Chunk]) -> None:
        """Take a text as the one that runs now."""
        self.source = source
        self._chunks = chunks
        self._imports = None


def imports_in(chunks: list[Chunk], module: types.ModuleType) -> list[Import]:
    """What a text of ``module`` imports at its top level."""
    package = package_of(module)
    return [
        each
        for chunk in chunks
        if may_import(chunk.text)
        for each in imports_of([statement.node for statement in chunk.statements], package)
    ]
