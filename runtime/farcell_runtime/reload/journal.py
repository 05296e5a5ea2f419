"""What an edit does to living objects, as a list of steps that can be undone and done again.

A step is one call of a function in C. The list runs within one call in C, too, so that no other
thread sees a part of it, and a function whose closure and code both change is never called between.
"""

from __future__ import annotations

import collections
import ctypes
import itertools
import operator
import types
import warnings
from collections.abc import Iterable
from typing import Any

# A function in C and its arguments.
Step = tuple[Any, ...]

_set_closure = ctypes.pythonapi.PyFunction_SetClosure
_set_closure.argtypes = [ctypes.py_object, ctypes.py_object]
_set_closure.restype = ctypes.c_int

_ABSENT = object()


class Journal:
    """Steps that were noted, and those of them that were taken."""

    def __init__(self) -> None:
        self._steps: list[tuple[Step, Step]] = []
        self._taken = 0
        self._last: list[Step] = []

    def add(self, step: Step, undo: Step) -> None:
        """Note a step, and what undoes it."""
        self._steps.append((step, undo))

    def add_last(self, step: Step) -> None:
        """Note a step that can't be undone: it is taken once, when all is decided."""
        self._last.append(step)

    def took(self, step: Step, undo: Step) -> None:
        """Note a step that somebody has just taken; all earlier ones were."""
        self._steps.append((step, undo))
        self._taken = len(self._steps)

    def set_item(self, items: dict[str, Any], key: str, value: object) -> None:
        """Bind a key of a dict."""
        self.add((dict.__setitem__, items, key, value), _item_undo(items, key))

    def delete_item(self, items: dict[str, Any], key: str) -> None:
        """Take a key out of a dict."""
        if key in items:
            self.add((dict.pop, items, key, None), _item_undo(items, key))

    def set_attribute(self, owner: Any, name: str, value: object) -> None:
        """Set an attribute that is there now, such as a function's defaults."""
        self.add((setattr, owner, name, value), (setattr, owner, name, getattr(owner, name)))

    def set_member(self, cls: type, name: str, value: object) -> None:
        """Set an attribute of a class, past what its metaclass makes of it."""
        self.add((type.__setattr__, cls, name, value), _member_undo(cls, name))

    def delete_member(self, cls: type, name: str) -> None:
        """Delete an attribute of a class that is there now."""
        self.add((type.__delattr__, cls, name), _member_undo(cls, name))

    def set_class(self, instance: object, cls: type) -> None:
        """Make an instance one of another class."""
        self.add(
            (object.__setattr__, instance, "__class__", cls),
            (object.__setattr__, instance, "__class__", type(instance)),
        )

    def set_code(
        self, function: Any, code: types.CodeType, closure: tuple[Any, ...] | None = None
    ) -> None:
        """Have a function run other code, with these cells as its closure."""
        old, new = function.__closure__, closure or None
        if not _same_cells(old, new):
            self.add((_set_closure, function, new), (_set_closure, function, old))
            self.add(
                (setattr, function, "__code__", code),
                (_restore_code, function, function.__code__, old),
            )
        else:
            self.set_attribute(function, "__code__", code)

    def flush(self) -> None:
        """Take the steps that were noted since."""
        pending, self._taken = self._steps[self._taken :], len(self._steps)
        _take(step for step, _ in pending)

    def rollback(self) -> None:
        """Undo all steps that were taken; they can be taken again."""
        taken, self._taken = self._steps[: self._taken], 0
        _take(undo for _, undo in reversed(taken))

    def commit(self) -> list[str]:
        """Take all steps; what failed of those that can't be undone."""
        self.flush()
        failed = []
        for function, *arguments in self._last:
            try:
                function(*arguments)
            except Exception as error:
                failed.append(f"{function!r} failed: {type(error).__name__}: {error}")
        return failed


def _take(steps: Iterable[Step]) -> None:
    ready = list(steps)
    if not ready:
        return
    with warnings.catch_warnings():
        # A generator's code for what was a plain function, for one.
        warnings.simplefilter("ignore", DeprecationWarning)
        collections.deque(itertools.starmap(operator.call, ready), maxlen=0)


def _same_cells(old: tuple[Any, ...] | None, new: tuple[Any, ...] | None) -> bool:
    if old is None or new is None:
        return old is new
    return len(old) == len(new) and all(map(operator.is_, old, new))


def _restore_code(function: Any, code: types.CodeType, closure: tuple[Any, ...] | None) -> None:
    _set_closure(function, closure)
    function.__code__ = code


def _item_undo(items: dict[str, Any], key: str) -> Step:
    old = items.get(key, _ABSENT)
    return (dict.pop, items, key, None) if old is _ABSENT else (dict.__setitem__, items, key, old)


def _member_undo(cls: type, name: str) -> Step:
    old = vars(cls).get(name, _ABSENT)
    if old is _ABSENT:
        return (_delete_member, cls, name)
    return (type.__setattr__, cls, name, old)


def _delete_member(cls: type, name: str) -> None:
    if name in vars(cls):
        type.__delattr__(cls, name)
