"""The living functions of a module, found by the code that they run.

First along direct ways from the module: attributes, classes, wrappers, closures, small containers.
Whether that found all functions on a code object, its reference count says. Where it did not, the
heap is searched, at most once an edit; what only the heap knows is remembered.
"""

from __future__ import annotations

import functools
import gc
import sys
import types
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from farcell_runtime.reads import ATOMS, cell_parts
from farcell_runtime.reload.codes import inner, is_function

_MOST_ITEMS = 1000  # of one container
_MOST_OBJECTS = 50_000
_CACHE = type(functools.lru_cache(lambda: None))
_LEAVES = ATOMS | {types.BuiltinFunctionType, types.GetSetDescriptorType}


class Functions:
    """The functions of a module that can be reached from it."""

    def __init__(self, module: types.ModuleType, known: weakref.WeakSet[Any]) -> None:
        self._module = module
        self._namespace = vars(module)
        self._known = known
        self.on: dict[int, list[Any]] = {}  # id of code → functions
        self.codes: dict[tuple[str, int], list[types.CodeType]] = {}  # qualified name, line
        self.caches: list[Any] = []
        self.compiled: list[Any] = []  # dispatchers that hold machine code, as numba's
        self.wrappers: list[Any] = []  # what shows another function's docstring
        self._searched = False
        self._new: dict[int, types.CodeType] = {}
        self._walk([*self._namespace.values(), *known])
        self._unseen = self._count()

    def _walk(self, roots: Iterable[Any]) -> None:
        seen: set[int] = set()
        waiting = [value for value in roots if type(value) not in _LEAVES]
        while waiting and len(seen) < _MOST_OBJECTS:
            value = waiting.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            waiting += [part for part in self._parts(value) if type(part) not in _LEAVES]

    def _parts(self, value: Any) -> Iterable[Any]:
        kind = type(value)
        if kind is types.FunctionType:
            if value.__globals__ is self._namespace:
                self._note(value)
            parts: list[Any] = []
            if value.__dict__:
                parts += value.__dict__.values()
                if "__wrapped__" in value.__dict__:
                    self.wrappers.append(value)
            for cell in value.__closure__ or ():
                parts += cell_parts(cell)
            if value.__defaults__:
                parts += value.__defaults__
            return parts
        if kind in (list, tuple, set, frozenset):
            return list(value) if len(value) <= _MOST_ITEMS else ()
        if kind is dict:
            return list(value.values()) if len(value) <= _MOST_ITEMS else ()
        if kind in (staticmethod, classmethod, types.MethodType):
            return (value.__func__,)
        if kind is functools.partial:
            return (value.func, *value.args, *value.keywords.values())
        if kind is _CACHE:
            self.caches.append(value)
            self.wrappers.append(value)
            return (value.__wrapped__,)
        if issubclass(kind, property):
            self.wrappers.append(value)
            return (value.fget, value.fset, value.fdel)
        if issubclass(kind, type):
            members = type.__dict__["__dict__"].__get__(value)
            return list(members.values()) if members.get("__module__") == self._name else ()
        return self._instance_parts(value, kind)

    @property
    def _name(self) -> str:
        return self._module.__name__

    def _instance_parts(self, value: Any, kind: type) -> Iterable[Any]:
        if not kind.__dictoffset__ or issubclass(kind, types.ModuleType):
            return ()
        try:
            members = object.__getattribute__(value, "__dict__")
        except (AttributeError, TypeError):
            return ()
        if type(members) is not dict or len(members) > _MOST_ITEMS:
            return ()
        if "py_func" in members and hasattr(kind, "recompile"):
            self.compiled.append(value)
        return list(members.values())

    def _note(self, function: Any) -> None:
        code = function.__code__
        if id(code) in self._new:
            return
        functions = self.on.get(id(code))
        if functions is None:
            self.on[id(code)] = [function]
            self.codes.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
        elif not any(each is function for each in functions):
            functions.append(function)

    def ignore(self, code: types.CodeType) -> None:
        """Leave out what runs code that this very edit has made."""
        self._new[id(code)] = code
        for each in inner(code):
            self.ignore(each)

    # -- by code --------------------------------------------------------------------------

    def like(self, code: types.CodeType) -> list[types.CodeType]:
        """The code that living functions run and that was made of the same text as ``code``."""
        found = self._like(code)
        if not found and not self._searched:
            self.search()
            found = self._like(code)
        return found

    def _like(self, code: types.CodeType) -> list[types.CodeType]:
        found = self.codes.get((code.co_qualname, code.co_firstlineno), [])
        if len(found) > 1:
            return [each for each in found if each == code] or found
        return found

    def all_on(self, code: types.CodeType) -> list[Any]:
        """All functions that run ``code``."""
        if self.misses(code):
            self.search()
        return self.on.get(id(code), [])

    def misses(self, code: types.CodeType) -> bool:
        """Whether functions may run ``code`` that weren't found."""
        return not self._searched and id(code) in self._unseen

    def _count(self) -> set[int]:
        """Code that more refers to than what was found."""
        frames = _frames()
        unseen: set[int] = set()
        waiting = []
        for codes in self.codes.values():
            for code in codes:
                # The list, the loop's variable, the argument.
                known = 3 + len(self.on[id(code)]) + frames.get(id(code), 0)
                known += "<locals>" in code.co_qualname
                if sys.getrefcount(code) > known:
                    unseen.add(id(code))
                waiting.append(code.co_consts)
        while waiting:
            for code in waiting.pop():
                if type(code) is not types.CodeType:
                    continue
                waiting.append(code.co_consts)
                if id(code) in self.on or not is_function(code):
                    continue
                # The tuple, the loop's variable, the argument.
                if sys.getrefcount(code) > 3 + frames.get(id(code), 0):
                    unseen.add(id(code))
        return unseen

    def search(self) -> None:
        """Look at the whole heap, once."""
        if self._searched:
            return
        self._searched = True
        for each in gc.get_referrers(self._namespace):
            if type(each) is types.FunctionType and each.__globals__ is self._namespace:
                if not any(each is one for one in self.on.get(id(each.__code__), ())):
                    self._known.add(each)
                self._note(each)

    def __iter__(self) -> Iterator[tuple[types.CodeType, list[Any]]]:
        for codes in list(self.codes.values()):
            for code in list(codes):
                yield code, self.on[id(code)]


def _frames() -> dict[int, int]:
    """How many running frames there are on each code object."""
    found: dict[int, int] = {}
    frame: types.FrameType | None
    for frame in sys._current_frames().values():
        while frame is not None:
            found[id(frame.f_code)] = found.get(id(frame.f_code), 0) + 1
            frame = frame.f_back  # and in the end to none of them, as ours would hold itself
    return found
