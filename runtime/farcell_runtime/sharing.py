"""Which values have a mutable part in common: what changes in one of them changes in all."""

from __future__ import annotations

import collections
import contextlib
import enum
import functools
import gc
import io
import itertools
import logging
import mmap
import sys
import threading
import types
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from farcell_runtime.reads import ATOMS, cell_parts, defines

_ATOMS = ATOMS - {bytearray}
# How many objects of one value are looked at, breadth first: of one whose change is asked about,
# and of each of the others.
_MOST_OF_CHANGED, _MOST_OF_OTHERS = 20_000, 2000
# What slices of a memoryview have in common.
_MANAGED_BUFFER = type(gc.get_referents(memoryview(b""))[0])
_PLAIN = frozenset({list, tuple, set, frozenset, collections.deque})
_SAMPLE = 100  # of a longer container: if all are atoms, so are the others

# Objects of these types are part of no value: processes have their own.
_OUTSIDE = (
    type, enum.Enum, io.IOBase, logging.Logger, types.GeneratorType, types.CoroutineType,
    types.FrameType, types.TracebackType, weakref.ref, type(threading.Lock()),
)  # fmt: skip
# Objects of these types don't change, but what they hold may.
_THROUGH = (
    tuple, frozenset, types.FunctionType, types.MethodType, types.BuiltinFunctionType,
    types.MappingProxyType, functools.partial, staticmethod, classmethod, property,
    _MANAGED_BUFFER,
)  # fmt: skip


_PROBE = {"": [bytearray()]}
_LONE_REFERENCES = sys.getrefcount(_PROBE[""])
_INNER_REFERENCES = set(map(sys.getrefcount, gc.get_referents(_PROBE[""])))
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset, collections.deque})


def is_alone(namespace: Mapping[str, Any], name: str, *, others: int = 0) -> bool:
    """Whether no other value has a part in common with what ``namespace`` has under ``name``.

    That is so if all that refers to its parts is itself, without looking through the others. Of
    what is not made of containers and arrays alone this is not known, and so false.

    Args:
        others: how many references to the value there are beside that of ``namespace``.
    """
    return sys.getrefcount(namespace[name]) == _LONE_REFERENCES + others and _is_closed(
        namespace[name]
    )


def _is_closed(value: object) -> bool:
    """Whether nothing but ``value`` refers to what it holds, at any depth."""
    numpy: Any = sys.modules.get("numpy")
    array = getattr(numpy, "ndarray", None)
    level: list[Any] = [value]
    count = 0
    while level:
        inner: list[Any] = []
        for part in level:
            kind: Any = type(part)
            if kind in _CONTAINERS:
                if not _holds_atoms(part):
                    inner += [each for each in gc.get_referents(part) if type(each) not in _ATOMS]
            elif kind is array:
                if part.dtype.hasobject:
                    return False
                if type(part.base) is bytearray:  # it arrived in a pickle, as have thousands
                    if sys.getrefcount(part.base) != _LONE_REFERENCES:
                        return False
                elif part.base is not None:
                    inner.append(part.base)
            elif kind is memoryview:
                if not _is_own_memory(part):
                    return False
            elif kind is not bytearray:
                return False
        count += len(inner)
        if count > _MOST_OF_CHANGED or not set(map(sys.getrefcount, inner)) <= _INNER_REFERENCES:
            return False
        level = inner
    return True


def _holds_atoms(container: Any) -> bool:
    items = container.values() if type(container) is dict else container
    return len(container) > _SAMPLE and all(
        type(item) in _ATOMS for item in itertools.islice(items, _SAMPLE)
    )


def _is_own_memory(view: memoryview) -> bool:
    """Whether what ``view`` shows is of no use to others: its part of what arrived is its own."""
    kind = type(view.obj)
    if kind is bytearray:
        return sys.getrefcount(view.obj) == _LONE_REFERENCES
    return kind in (bytes, mmap.mmap)


def sharing(
    values: Mapping[str, object],
    names: Iterable[str],
    looked: dict[str, tuple[set[int], bool]] | None = None,
) -> set[str]:
    """The names in ``values`` whose value has a mutable part in common with those of ``names``.

    ``names`` are among them, if their values have mutable parts at all. Another value that is too
    large to be looked through counts as one that has.

    Args:
        looked: what was found in values, for the next call with the same.
    """
    looked = {} if looked is None else looked
    found: set[str] = set()
    parts: set[int] = set()
    known = [name for name in names if name in values]
    for name in known:
        mine, _ = mutable_parts(values[name], _MOST_OF_CHANGED)
        if mine:
            parts |= mine
            found.add(name)
    if not parts:
        return found
    for name, value in values.items():
        if name in found or type(value) in _ATOMS:
            continue
        if name not in looked:
            mine, complete = mutable_parts(value)
            looked[name] = mine, complete or _is_closed(value)
        mine, complete = looked[name]
        if not complete or not mine.isdisjoint(parts):
            found.add(name)
    return found


def leaders(values: Mapping[str, object], names: Iterable[str]) -> dict[str, str]:
    """For each name in a group with one of ``names``: the first name of its group.

    A group is names whose values have a mutable part in common, or that are linked by others which
    have. A name that is alone is in no group.
    """
    parts = {name: mutable_parts(values[name])[0] for name in names if name in values}
    if not any(parts.values()):
        return {}
    above: dict[str, str] = {}  # towards the first name of the group
    owner: dict[int, str] = {}

    def first(name: str) -> str:
        while (upper := above.get(name, name)) != name:
            name = upper
        return name

    place = {name: number for number, name in enumerate(values)}
    for name, value in values.items():
        for part in parts.get(name) or mutable_parts(value)[0]:
            one, other = first(owner.setdefault(part, name)), first(name)
            if one != other:
                one, other = sorted((one, other), key=place.__getitem__)
                above[other] = one
    wanted = {first(name) for name in parts}
    members = {first(name) for name in above} & wanted
    return {name: first(name) for name in values if first(name) in members}


def can_change(value: object) -> bool:
    """Whether ``value`` or something that it is made of can change in place."""
    kind: Any = type(value)
    if kind in _ATOMS:
        return False
    if issubclass(kind, type):
        return _is_of_notebook(value)
    place = _place(kind)
    if place != "through":
        return place != "outside"
    found, complete = mutable_parts(value)
    return bool(found) or not complete


def mutable_parts(value: object, most: int = _MOST_OF_OTHERS) -> tuple[set[int], bool]:
    """The ids of the mutable objects that ``value`` is made of, and whether these are all.

    At most ``most`` objects are looked at.
    """
    found: set[int] = set()
    if type(value) in _ATOMS:
        return found, True
    seen = {id(value)}
    waiting: collections.deque[Any] = collections.deque([value])
    if isinstance(value, type):
        # Only under its own name: instances don't change with their class.
        if not _is_of_notebook(value):
            return found, True
        found.add(id(value))
        waiting = collections.deque(vars(value).values())
    while waiting:
        part = waiting.popleft()
        kind: Any = type(part)
        place = _place(kind)
        if place == "outside":
            continue
        if place != "through":
            found.add(id(part))
        if place == "tensor":
            found |= _storage(part)
        for inner in _inner(part, kind, most):
            if type(inner) in _ATOMS or id(inner) in seen:
                continue
            if len(seen) >= most:
                return found, False
            seen.add(id(inner))
            waiting.append(inner)
    return found, True


def _is_of_notebook(value: Any) -> bool:
    return getattr(value, "__module__", "") == "__main__"


@functools.lru_cache(maxsize=1024)
def _place(kind: Any) -> str:
    if kind in _ATOMS or issubclass(kind, _OUTSIDE) or _is_constant(kind):
        return "outside"
    if issubclass(kind, _THROUGH):
        return "through"
    if str(kind.__module__).startswith("farcell_runtime."):
        return "outside"  # the memory that values came in, which each has a part of its own of
    if defines(kind, "class_traits") and (defines(kind, "comm") or defines(kind, "user_ns")):
        # A widget or IPython's shell: each process has its own, and they hold thousands of objects.
        return "outside"
    torch = sys.modules.get("torch")
    return "tensor" if torch is not None and issubclass(kind, torch.Tensor) else "changes"


def _is_constant(kind: type) -> bool:
    """Whether objects of this type of NumPy's or pandas' never change."""
    package = str(kind.__module__).partition(".")[0]
    if package not in ("numpy", "pandas"):
        return False
    names = {base.__name__ for base in kind.__mro__}
    constant = {"dtype", "generic", "ufunc", "Index", "ExtensionDtype", "BlockPlacement"}
    return not names.isdisjoint(constant)


def _inner(part: Any, kind: type, most: int) -> Iterable[object]:
    if issubclass(kind, dict):
        keys, values = dict.keys(part), dict.values(part)
        inner = [*_items(keys, len(keys), most), *_items(values, len(values), most)]
        return inner if kind is dict else [*inner, *_attributes(part)]
    if issubclass(kind, (list, tuple, set, frozenset, collections.deque)):
        inner = _items(part, len(part), most)
        return inner if kind in _PLAIN else [*inner, *_attributes(part)]
    if kind is types.FunctionType:
        return [
            *(part.__defaults__ or ()),
            *(part.__kwdefaults__ or {}).values(),
            *part.__dict__.values(),
            *(part.__closure__ or ()),  # a cell changes: by ``nonlocal``
        ]
    if kind is types.CellType:
        return cell_parts(part)
    if kind.__name__ == "ndarray" and kind.__module__ == "numpy":
        return () if part.base is None else (part.base,)
    if kind is types.BuiltinFunctionType:
        return (part.__self__,)
    return gc.get_referents(part)


def _attributes(value: object) -> Iterable[object]:
    with contextlib.suppress(AttributeError, TypeError):
        return tuple(object.__getattribute__(value, "__dict__").values())
    return ()


def _items(items: Iterable[object], count: int, most: int) -> list[object]:
    sample = list(itertools.islice(items, _SAMPLE))
    if count > _SAMPLE and any(type(item) not in _ATOMS for item in sample):
        return list(itertools.islice(items, most + 1))
    return sample


def _storage(part: Any) -> set[int]:
    """What tensors that are views of each other have in common."""
    with contextlib.suppress(RuntimeError, NotImplementedError):  # sparse ones have none
        return {part.untyped_storage()._cdata}
    return set()
