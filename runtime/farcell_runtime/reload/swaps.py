"""New code for the functions that run the old code."""

from __future__ import annotations

import types
import weakref
from typing import Any

from farcell_runtime.reload.codes import docstring, inner, inner_pairs, is_function, shifted
from farcell_runtime.reload.functions import Functions
from farcell_runtime.reload.journal import Journal


class Lineage:
    """Code that newer code took the place of, and that may still run: it only moved."""

    def __init__(self) -> None:
        self._newer: list[tuple[weakref.ref[types.CodeType], weakref.ref[types.CodeType]]] = []

    def note(self, old: types.CodeType, new: types.CodeType) -> None:
        """``old`` may still be run by functions that weren't found."""
        self._newer.append((weakref.ref(old), weakref.ref(new)))

    def passed_on(self, old: types.CodeType, new: types.CodeType) -> None:
        """What ``old`` stood for, ``new`` does now."""
        kept = []
        for ancestor, current in self._newer:
            if ancestor() is None:
                continue
            kept.append((ancestor, weakref.ref(new)) if current() is old else (ancestor, current))
        self._newer = kept

    def ancestors(self, code: types.CodeType) -> list[types.CodeType]:
        """The older code objects that ``code`` took the place of."""
        found = [ancestor() for ancestor, current in self._newer if current() is code]
        return [each for each in found if each is not None]

    def all_ancestors(self) -> set[int]:
        """The ids of all such older code objects."""
        return {
            id(each) for each in (ancestor() for ancestor, _ in self._newer) if each is not None
        }

    def __bool__(self) -> bool:
        return bool(self._newer)


class Swaps:
    """Code swapped in the functions of one module."""

    def __init__(
        self,
        module: types.ModuleType,
        functions: Functions,
        journal: Journal,
        lineage: Lineage,
        notes: list[str],
    ) -> None:
        self._module = module
        self._functions = functions
        self._journal = journal
        self._lineage = lineage
        self._notes = notes
        self._done: set[int] = set()
        self._swapped: dict[int, list[Any]] = {}
        self._quiet = False
        self.changed: list[Any] = []  # functions that run other code, not only elsewhere
        self._after: list[tuple[types.CodeType, types.CodeType, bool]] = []

    def replace(
        self, old: types.CodeType, new: types.CodeType, *, quietly: bool = False
    ) -> list[Any]:
        """Have the functions made of ``old``'s text run ``new``; returns them.

        ``quietly``: only lines moved, so that what they have computed stays right.
        """
        self._quiet = quietly
        found = []
        for living in self._functions.like(old):
            if id(living) not in self._done:
                self._swapped[id(living)] = self._swap(living, new)
            found += self._swapped.get(id(living), [])
        return found

    def _swap(self, living: types.CodeType, new: types.CodeType) -> list[Any]:
        self._done.add(id(living))
        found = list(self._functions.all_on(living))
        if self._lineage:
            for ancestor in self._lineage.ancestors(living):
                self._functions.search()
                found += self._functions.on.get(id(ancestor), [])
        for function in found:
            self._set(function, new)
        self._after.append((living, new, False))
        for before, after in inner_pairs(living, new):
            if before is not after:
                self._swap(before, after)
        return found

    def _set(self, function: Any, new: types.CodeType) -> None:
        old = function.__code__
        closure = self._closure(function, new)
        if closure is None:
            return
        self._journal.set_code(function, new, closure)
        before, after = docstring(old), docstring(new)
        if before != after and function.__doc__ == before:
            self._journal.set_attribute(function, "__doc__", after)
            for wrapper in self._functions.wrappers:
                name = "fget" if isinstance(wrapper, property) else "__wrapped__"
                if getattr(wrapper, name, None) is function and wrapper.__doc__ == before:
                    self._journal.set_attribute(wrapper, "__doc__", after)
        if self._quiet:
            return
        self.changed.append(function)
        for cache in self._functions.caches:
            if cache.__wrapped__ is function:
                self._journal.add_last((cache.cache_clear,))
        for dispatcher in self._functions.compiled:
            if vars(dispatcher)["py_func"] is function:
                self._journal.add_last((dispatcher.recompile,))

    def _closure(self, function: Any, new: types.CodeType) -> tuple[Any, ...] | None:
        """The cells for ``new`` by name; None if some are out of reach."""
        old = function.__code__
        cells = function.__closure__ or ()
        if old.co_freevars == new.co_freevars:
            return cells
        named: dict[str, Any] = dict(zip(old.co_freevars, cells, strict=True))
        for name in new.co_freevars:
            if name in named:
                continue
            owner = self._owner(new) if name == "__class__" else None
            if owner is None:
                self._notes.append(
                    f"a living {_title(new)} keeps its old code: "
                    f"it was made before there was a '{name}' around it"
                )
                return None
            named[name] = types.CellType(owner)
        return tuple([named[name] for name in new.co_freevars])

    def _owner(self, code: types.CodeType) -> Any:
        """The class that a method's qualified name tells."""
        found: Any = None
        members: Any = vars(self._module)
        for name in code.co_qualname.split(".")[:-1]:
            found = members.get(name)
            if not isinstance(found, type):
                return None
            members = vars(found)
        return found

    def move(self, moved: list[tuple[int, int, int]]) -> None:
        """Have what stands further up or down say so in tracebacks."""
        if not moved:
            return
        ways = sorted(moved)
        older = self._lineage.all_ancestors()
        ordered = sorted(self._functions, key=lambda each: each[0].co_qualname.count("<locals>"))
        for code, _ in ordered:
            if id(code) not in self._done and id(code) not in older:
                lines = _way(ways, code.co_firstlineno)
                if lines:
                    self._shift(code, shifted(code, lines))

    def _shift(self, code: types.CodeType, new: types.CodeType) -> None:
        self._done.add(id(code))
        missing = is_function(code) and self._functions.misses(code)
        current = {id(code)}
        found = list(self._functions.on.get(id(code), ()))
        for ancestor in self._lineage.ancestors(code):
            current.add(id(ancestor))
            found += self._functions.on.get(id(ancestor), ())
        for function in found:
            if id(function.__code__) in current:  # and nothing was poured into it since
                self._journal.set_attribute(function, "__code__", new)
        self._after.append((code, new, missing))
        for before, after in zip(inner(code), inner(new), strict=True):
            self._shift(before, after)

    def settle(self) -> None:
        """Remember what moved without all of its functions known; called when all is done."""
        for old, new, missing in self._after:
            self._lineage.passed_on(old, new)
            if missing:
                self._lineage.note(old, new)
        self._after = []


def _way(ways: list[tuple[int, int, int]], line: int) -> int:
    """By how many lines what stood in ``line`` moved."""
    low, high = 0, len(ways)
    while low < high:
        middle = (low + high) // 2
        if ways[middle][1] < line:
            low = middle + 1
        else:
            high = middle
    if low < len(ways) and ways[low][0] <= line:
        return ways[low][2]
    return 0


def _title(code: types.CodeType) -> str:
    return code.co_qualname.replace(".<locals>", "")
