"""Plain values: numbers, texts and small containers of these, of which many go into one pickle.

A notebook has thousands. A pickle, a digest and a message's part for each take longer than all else
that a cell needs.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, NoReturn

import xxhash

ATOMS = frozenset({int, float, complex, bool, str, bytes, type(None)})
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset})
_MOST_BYTES = 4096  # of the pickle
_MOST_ITEMS = 1000  # of a container, without looking into them
_KEPT_BYTES = 64  # a longer pickle is known by its hash


def pickled(value: object) -> bytes | None:
    """The pickle of a value that is plain and small; none of others."""
    kind: type = type(value)
    if kind in ATOMS:
        data = pickle.dumps(value, protocol=5)
        return data if len(data) <= _MOST_BYTES else None
    if kind not in _CONTAINERS or len(value) > _MOST_ITEMS:  # type: ignore[arg-type]
        return None
    file = _File()
    try:
        _Pickler(file, protocol=5).dump(value)
    except Exception:  # whoever pickles it by itself tells what there is to tell
        return None
    return file.data


def mark(data: bytes) -> bytes:
    """What tells a value with this pickle from others."""
    return data if len(data) <= _KEPT_BYTES else xxhash.xxh3_128_digest(data)


def dump(values: Mapping[str, Any]) -> bytes:
    """One pickle of plain values."""
    return pickle.dumps(values, protocol=5)


class _NotPlain(Exception):
    """There is something else in the value, or too much."""


class _File:
    """What the pickler writes to: once at the end, if all is small."""

    data = b""

    def write(self, data: Any) -> None:
        if self.data or len(data) > _MOST_BYTES:
            raise _NotPlain
        self.data = bytes(data)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: object) -> NoReturn:
        raise _NotPlain
