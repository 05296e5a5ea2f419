"""Arrivals, poured into the objects that are there already.

A name whose value was changed in place elsewhere keeps its object here: closures, containers,
threads and libraries that refer to it see the change. What arrives is unpickled as ever, into new
objects; then the living object takes over what the new one holds, and its place wherever something
that has just arrived refers to it. Whether all those places were found, the new object's reference
count says: if not, the name is bound to the new object, and the living one is left alone.
"""

from __future__ import annotations

import collections
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from farcell_runtime.reads import ATOMS
from farcell_runtime.sharing import is_alone

_MOST_WALKED = 20_000  # objects that arrived, among which references are looked for
Pour = Callable[[Any, Any], None]


@dataclass(slots=True)
class Arrival:
    """What was unpickled.

    Attributes:
        values: the values of the names; after ``pour``, as they are to be bound.
        living: the objects that are to hold them, of names whose value was changed in place since
            this side got it.
    """

    values: dict[str, Any]
    living: dict[str, Any] = field(default_factory=dict)

    def pour(self, namespace: dict[str, Any]) -> None:
        """Have the living objects hold what arrived, where that can be done.

        Args:
            namespace: where some of the values, or the living objects, may be bound.
        """
        for name in sorted(self.living.keys() & self.values.keys()):
            if self.values[name] is self.living[name]:
                continue  # another name of it came first
            if _is_array(self.living[name]):
                self._pour_array(name, namespace)
            else:
                self._pour(name, namespace)

    def _pour_array(self, name: str, namespace: dict[str, Any]) -> None:
        """Copy an array, unless it would be for nobody, or others are views of what arrived."""
        held = namespace.get(name)
        lives, arrived = held is self.living[name], held is self.values[name]
        del held
        if is_alone(self.living, name, others=lives) or not is_alone(
            self.values, name, others=arrived
        ):
            return
        living, array = self.living[name], self.values[name]
        if living.shape == array.shape and living.dtype == array.dtype and living.flags.writeable:
            living[...] = array
            self.values[name] = living

    def _pour(self, name: str, namespace: dict[str, Any]) -> None:
        living = self.living[name]
        if type(self.values[name]) is not type(living) or (pour := _pour_of(living)) is None:
            return
        places = self._places(name, namespace)
        # What was found refers to it, and the argument of this call.
        if len(places) + 1 != sys.getrefcount(self.values[name]):
            return
        new = self.values[name]
        for owner, key in places:
            owner[key] = living
        pour(living, new)

    def _places(self, name: str, namespace: dict[str, Any]) -> list[tuple[Any, Any]]:
        """Where something that arrived refers to the value of ``name``: containers and keys."""
        identity = id(self.values[name])
        found: list[tuple[Any, Any]] = []
        for owner in (self.values, namespace):
            found += [(owner, key) for key in self.values if id(owner.get(key)) == identity]
        if sys.getrefcount(self.values[name]) == len(found) + 1:
            return found
        seen = {id(value) for value in self.values.values()}
        waiting = collections.deque(self.values.values())
        while waiting and len(seen) < _MOST_WALKED:
            for owner, key, part in _parts(waiting.popleft()):
                if id(part) == identity and owner is not None:
                    found.append((owner, key))
                if type(part) not in ATOMS and id(part) not in seen:
                    seen.add(id(part))
                    waiting.append(part)
        return found


def _parts(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """What ``value`` holds, as far as it can be exchanged: where, under which key, and what."""
    if isinstance(value, list):
        yield from ((value, number, part) for number, part in enumerate(value))
    elif isinstance(value, dict):
        yield from ((value, key, part) for key, part in value.items())
    elif isinstance(value, tuple):  # whose parts are no places, but hold some
        yield from ((None, None, part) for part in value)
    if not isinstance(value, (type, types.ModuleType)):
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            yield from ((attributes, key, part) for key, part in attributes.items())


def _is_array(value: object) -> bool:
    kind = type(value)
    return kind.__name__ == "ndarray" and kind.__module__ == "numpy"


def _pour_list(living: list[Any], new: list[Any]) -> None:
    list.__setitem__(living, slice(None), new)


def _pour_dict(living: dict[Any, Any], new: dict[Any, Any]) -> None:
    dict.clear(living)
    dict.update(living, new)


def _pour_ordered(living: Any, new: Any) -> None:
    living.clear()
    for key, value in new.items():
        living[key] = value


def _pour_defaults(living: Any, new: Any) -> None:
    living.default_factory = new.default_factory
    _pour_dict(living, new)


def _pour_set(living: set[Any], new: set[Any]) -> None:
    set.clear(living)
    set.update(living, new)


def _pour_deque(living: Any, new: Any) -> None:
    living.clear()
    living.extend(new)


def _pour_bytes(living: bytearray, new: bytearray) -> None:
    living[:] = new


_CONTAINERS: dict[type, Pour] = {
    list: _pour_list,
    dict: _pour_dict,
    set: _pour_set,
    collections.OrderedDict: _pour_ordered,
    collections.Counter: _pour_dict,
    collections.defaultdict: _pour_defaults,
    collections.deque: _pour_deque,
    bytearray: _pour_bytes,
}
# What the classes of plain instances may be made of; of others, not all that they hold is known.
_BASES: dict[type, Pour | None] = {
    object: None, list: _pour_list, dict: _pour_dict, set: _pour_set, types.SimpleNamespace: None,
}  # fmt: skip


def _pour_of(living: Any) -> Pour | None:
    """How ``living`` takes over what another object of its type holds; None if it can't."""
    kind = type(living)
    if kind in _CONTAINERS:
        return _CONTAINERS[kind] if _is_resizable(living) else None
    if isinstance(living, (type, types.ModuleType, BaseException)):
        return None
    base = next(each for each in kind.__mro__ if each.__module__ != "__main__" and _is_c(each))
    if base not in _BASES or not _is_known_by_identity(living):
        return None
    pour_base = _BASES[base]

    def pour(living: Any, new: Any) -> None:
        if pour_base is not None:
            pour_base(living, new)
        for name in _slots(kind):
            if hasattr(living, name):
                object.__delattr__(living, name)
            if hasattr(new, name):
                object.__setattr__(living, name, object.__getattribute__(new, name))
        attributes = getattr(living, "__dict__", None)
        if attributes is not None:
            attributes.clear()
            attributes.update(new.__dict__)

    return pour


def _is_c(kind: Any) -> bool:
    """Whether a type was made by no class statement."""
    return not kind.__flags__ & 1 << 9  # Py_TPFLAGS_HEAPTYPE


def _slots(kind: type) -> Iterable[str]:
    for base in kind.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, types.MemberDescriptorType) and not _is_c(base):
                yield name


def _is_known_by_identity(value: Any) -> bool:
    """Whether ``value`` is found in sets and dicts by its identity, or not at all.

    One that lies in a set by what it holds would not be found there any more.
    """
    hashes: Any = type(value).__hash__
    if hashes is None or hashes is object.__hash__:
        return True
    try:
        hash(value)
    except Exception:
        return True
    return False


def _is_resizable(value: object) -> bool:
    """Whether the length of ``value`` may change: not that of a buffer that somebody reads."""
    if isinstance(value, bytearray):
        try:
            value.append(0)
        except BufferError:
            return False
        value.pop()
    return True
