"""Which names a cell bound, deleted, or may have changed in place."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
import types
import weakref
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from farcell_runtime.reads import ATOMS
from farcell_runtime.sharing import can_change, is_alone, leaders, sharing

# Python's own names, and IPython's record of what was typed and shown; the results are the latest
# values of last expressions, which any cell binds.
RESULTS = frozenset({"_", "__", "___"})
_INTERNAL = re.compile(r"__\w*[^\W_]\w*__|_i+|_i?\d+|_oh|_dh|In|Out|_exit_code")
# Objects of these types are kept to compare with; of others only weak references are.
_KEPT = ATOMS | {types.FunctionType, types.BuiltinFunctionType, type, list, dict, tuple, set}
_ABSENT = object()


class _Internal(dict[str, bool]):
    """Whether names are internal, found out once: a notebook has thousands, asked for in a cell."""

    def __missing__(self, name: str) -> bool:
        self[name] = found = _INTERNAL.fullmatch(name) is not None
        return found


_is_internal = _Internal()


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that was bound, or only touched: its value may have changed in place."""

    name: str
    type_name: str
    bound: bool


class Bindings:
    """The names of a namespace at one moment, to be compared with a later one."""

    def __init__(self, namespace: Mapping[str, Any], hidden: Iterable[str]) -> None:
        # Not to keep alive what a cell deletes, to make room: large values can be referred to
        # weakly. A reference that is dead never matches a value that has the same id.
        self._kept: dict[str, Any] = {}
        self._weak: dict[str, weakref.ref[Any]] = {}
        self._hidden = frozenset(hidden) - RESULTS
        self._changed: list[str] = []
        self._record(self._visible(namespace))

    def record(self, namespace: Mapping[str, Any], names: Iterable[str]) -> None:
        """Take what ``namespace`` has under ``names`` now for what they were all along."""
        for name in names:
            self._kept.pop(name, None)
            self._weak.pop(name, None)
        now = {name: namespace[name] for name in names if name in namespace}
        self._record(self._visible(now))

    def _record(self, values: Mapping[str, Any]) -> None:
        kept, weak = self._kept, self._weak
        for name, value in values.items():
            if type(value) in _KEPT:
                kept[name] = value
                continue
            try:
                weak[name] = weakref.ref(value)
            except TypeError:
                kept[name] = value

    def changes(
        self, namespace: Mapping[str, Any], reached: Iterable[str]
    ) -> tuple[list[Binding], list[str]]:
        """What was bound or touched since in ``namespace``, and what was deleted.

        The values of the names in ``reached``, those that the code which ran could reach, count as
        touched; and so does each value that has a mutable part in common with one of them.
        """
        mentioned = [
            name
            for name in reached
            if name in namespace and not self._is_hidden(name) and not is_immutable(namespace[name])
        ]
        touched = {name for name in mentioned if self.is_alone(namespace, name)}
        mutable = [name for name in mentioned if name not in touched]
        alone = frozenset(touched)
        now = self._visible(namespace)
        if mutable:
            touched |= sharing(now, mutable)
        found: list[Binding] = []
        kept, weak = self._kept, self._weak
        for name, value in now.items():
            held = weak.get(name)
            if held is None:
                same = kept.get(name, _ABSENT) is value
            else:
                same = value is not None and held() is value  # a dead reference gives None
            if not same:
                found.append(Binding(name, type_name(value), bound=True))
            elif name in touched:
                found.append(Binding(name, type_name(value), bound=False))
        gone = [name for name in itertools.chain(kept, weak) if name not in now]
        self._changed = [binding.name for binding in found if binding.name not in alone]
        return found, gone

    def is_alone(self, namespace: Mapping[str, Any], name: str) -> bool:
        """Whether no other value has a part in common with that of ``name``; false if unknown."""
        kept = self._kept.get(name, _ABSENT) is namespace[name]
        return is_alone(namespace, name, others=int(kept))

    def by_identity(self, namespace: Mapping[str, Any]) -> dict[int, str]:
        """For each value that shares a mutable part with others: the first name of its group.

        By the value's id, and only in the groups of what ``changes`` has found.
        """
        linked = [
            name
            for name in self._changed
            if name in namespace
            and type(namespace[name]) not in ATOMS
            and not self.is_alone(namespace, name)
        ]
        if not linked:
            return {}
        visible = self._visible(namespace)
        first = leaders(visible, linked)
        return {id(visible[name]): leader for name, leader in first.items()}

    def _is_hidden(self, name: str) -> bool:
        return name in self._hidden or _is_internal[name]

    def _visible(self, namespace: Mapping[str, Any]) -> dict[str, Any]:
        hidden = self._hidden
        return {
            name: value
            for name, value in list(namespace.items())  # which threads may change meanwhile
            if name not in hidden and not _is_internal[name]
        }


def is_hidden(name: str, shells_own: Container[str]) -> bool:
    """Whether ``name`` is Python's or IPython's own rather than the notebook's."""
    if name in shells_own:
        return name not in RESULTS
    return _is_internal[name]


def import_path(value: object) -> str:
    """Where ``value`` can be imported from: ``module``, or ``module:name``; empty if nowhere.

    That is so for modules, and for the functions and classes of imported modules.
    """
    if isinstance(value, types.ModuleType):
        return value.__name__
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return ""
    name = value.__qualname__
    module = sys.modules.get(value.__module__ or "__main__")
    if module is None or module.__name__ == "__main__" or getattr(module, name, None) is not value:
        return ""
    return f"{module.__name__}:{name}"


def imported(path: str) -> object:
    """What ``import_path`` has said where to import from; raises whatever importing it raises."""
    module, _, attribute = path.partition(":")
    value: object = importlib.import_module(module)
    return getattr(value, attribute) if attribute else value


def is_immutable(value: object) -> bool:
    """Whether ``value`` and all that it is made of can't change in place."""
    return not can_change(value)


def type_name(value: object) -> str:
    """The qualified name of the type of ``value``, without ``builtins``."""
    kind = type(value)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
