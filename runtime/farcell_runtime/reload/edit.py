"""An edit: files of modules, as they are now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """The file of one module."""

    module: str  # its dotted name
    path: str
    source: bytes | None  # None: the file was deleted


@dataclass(frozen=True, slots=True)
class Edit:
    """Files that changed together, in any order."""

    files: tuple[File, ...]
