"""How much memory values take up in this process, without pickling or copying any of them."""

from __future__ import annotations

import gc
import itertools
import sys
import time
from collections.abc import Iterable, Mapping
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType
from typing import Any

_BUDGET_S = 0.5  # of looking at the values of one process
_MOST_LOOKED_AT = 1000  # of the parts of one container: more are reckoned from so many
_LOOKED_AT_ONCE = 256
# What belongs to the process, not to a value that refers to it.
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, FrameType)


def footprints(values: Mapping[str, Any]) -> dict[str, int]:
    """How many bytes each of ``values`` takes up, by name; what several share counts for the first.

    The memory of arrays, tensors and tables is told exactly, wherever it lies; that of containers
    of over 1000 parts is reckoned from as many of them. What C code keeps to itself is not seen.
    After half a second the rest is left out.
    """
    # What is reached through a module is the process's own.
    seen: set[object] = {
        id(module.__dict__) for module in list(sys.modules.values()) if type(module) is ModuleType
    }
    until_s = time.monotonic() + _BUDGET_S
    # What can be told at once goes first: those are the large ones.
    ordered = sorted(values, key=lambda name: _own_bytes(values[name], set()) is None)
    return {name: round(_size(values[name], seen, until_s)) for name in ordered}


def _size(root: Any, seen: set[object], until_s: float) -> float:
    total = 0.0
    waiting: list[tuple[Any, float]] = [(root, 1.0)]  # each with how many it stands for
    for number in itertools.count(1):
        if not waiting or (number % _LOOKED_AT_ONCE == 0 and time.monotonic() > until_s):
            return total
        value, weight = waiting.pop()
        if id(value) in seen or issubclass(type(value), _SHARED):
            continue
        own_bytes = _own_bytes(value, seen)
        seen.add(id(value))
        if own_bytes is not None:
            total += weight * own_bytes
        else:
            total += weight * _python_bytes(value)
        if own_bytes is None or _has_objects(value):
            parts, each = _parts(value)
            waiting.extend((part, weight * each) for part in parts)
    raise AssertionError("itertools.count ended")


def _parts(value: Any) -> tuple[list[Any], float]:
    """What ``value`` refers to, or an even selection of that, each of which stands for so many."""
    found: Iterable[Any]
    if _has_objects(value):
        found, count = value.ravel(), value.size
    elif type(value) in (list, tuple, set, frozenset, dict):
        found, count = value, len(value)
    else:
        return gc.get_referents(value), 1.0
    parts = list(itertools.islice(found, 0, None, max(1, count // _MOST_LOOKED_AT)))
    each = count / len(parts) if parts else 1.0
    if type(value) is dict:
        parts += [value[key] for key in parts]
    return parts, each


def _python_bytes(value: Any) -> int:
    try:
        if isinstance(type(value).__sizeof__, FunctionType):
            return object.__sizeof__(value)  # a table adds what it holds
        return sys.getsizeof(value, 0)
    except Exception:  # what its own ``__sizeof__`` raises
        return 0


def _has_objects(value: Any) -> bool:
    """Whether ``value`` is an array of Python's objects, which the collector does not see."""
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray and value.dtype.hasobject


def _own_bytes(value: Any, seen: set[object]) -> int | None:
    """The memory of an array, tensor or table of Arrow's; None if ``value`` is none.

    Of several that share their memory, the first has it.
    """
    kind = type(value).__module__.partition(".")[0]
    try:
        if kind == "numpy" and isinstance(value, sys.modules["numpy"].ndarray):
            owner = value
            while isinstance(owner.base, type(value)):
                owner = owner.base
            return _once(id(owner), int(owner.nbytes), seen) if owner is not value else value.nbytes
        if kind == "torch" and hasattr(value, "untyped_storage"):
            storage = value.untyped_storage()
            return _once(("torch", storage.data_ptr()), int(storage.nbytes()), seen)
        if kind == "pyarrow" and hasattr(value, "nbytes"):
            return int(value.nbytes)
    except Exception:  # whatever a library says to a question that it was not made for
        return None
    return None


def _once(place: object, count_bytes: int, seen: set[object]) -> int:
    if place in seen:
        return 0
    seen.add(place)
    return count_bytes
