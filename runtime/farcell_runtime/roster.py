"""The names that a worker holds, where others can read them while it is in a cell."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

import xxhash

_FILE = "names"
_HEAD = struct.Struct("<IQ")  # how many bytes follow, and their hash
_TRIES = 3


class Roster:
    """Written in place, in one step: a reader that comes in between sees that by the hash."""

    def __init__(self, folder: str) -> None:
        self._descriptor = os.open(Path(folder) / _FILE, os.O_WRONLY | os.O_CREAT, 0o600)

    def write(self, names: Iterable[str]) -> None:
        """These are the names from now on. On a full disk, those before stay."""
        text = "\n".join(names).encode()
        head = _HEAD.pack(len(text), xxhash.xxh3_64_intdigest(text))
        try:
            os.pwrite(self._descriptor, head + text, 0)
        except OSError:
            return  # then nobody can read names while a cell runs


def read(folder: str) -> list[str]:
    """The names that the worker with this log folder holds; none if they can't be read."""
    for _ in range(_TRIES):
        try:
            content = (Path(folder) / _FILE).read_bytes()
        except OSError:
            return []
        if len(content) < _HEAD.size:
            return []
        size, digest = _HEAD.unpack_from(content)
        text = content[_HEAD.size : _HEAD.size + size]
        if xxhash.xxh3_64_intdigest(text) == digest:
            return text.decode().split("\n") if text else []
    return []
