"""What a statement has made anew, poured into what was there: functions and what wraps them."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

from farcell_runtime.reads import cell_parts
from farcell_runtime.reload.journal import Journal

_CACHE = type(functools.lru_cache(lambda: None))
_MOST_DEPTH = 4
_ATTRIBUTES = (
    *("__defaults__", "__kwdefaults__", "__annotations__"),
    *("__doc__", "__name__", "__qualname__", "__module__"),
)
# What well-known decorators set on functions; other attributes may be anybody's, and stay.
_DECORATORS = frozenset({"__wrapped__", "__isabstractmethod__", "__final__", "__override__"})


class Merging:
    """Pours the new into the old, so that who holds the old has the new."""

    def __init__(self, module: types.ModuleType, journal: Journal) -> None:
        self._namespace = vars(module)
        self._journal = journal

    def merge(self, name: str, old: Any, new: Any) -> Any:
        """What to bind ``name`` to, where both are what a definition of this name gave."""
        kind = type(old)
        if kind is types.FunctionType and self._is_made_of(old, name):
            if type(new) is types.FunctionType:
                return self.pour(old, new)
            if callable(new):
                self._forward(old, new)
            return new
        if kind is not type(new):
            return new
        if kind in (staticmethod, classmethod):
            inner = self.merge(name, old.__func__, new.__func__)
            return old if inner is old.__func__ else new
        if kind is property:
            parts = [(old.fget, new.fget), (old.fset, new.fset), (old.fdel, new.fdel)]
            kept = [
                before is after
                or (
                    before is not None
                    and after is not None
                    and self.merge(name, before, after) is before
                )
                for before, after in parts
            ]
            return old if all(kept) else new
        if (
            kind is _CACHE
            and old.cache_parameters() == new.cache_parameters()
            and self.merge(name, old.__wrapped__, new.__wrapped__) is old.__wrapped__
        ):
            self._journal.add_last((old.cache_clear,))
            return old
        return new

    def _is_made_of(self, value: Any, name: str) -> bool:
        """Whether a function is the one that ``name``'s definition made, or wraps it."""
        return any(
            each.__globals__ is self._namespace and each.__name__ == name
            for each in _inside(value, _MOST_DEPTH)
        )

    def pour(self, old: Any, new: Any) -> Any:
        """Have the function ``old`` be what ``new`` is; returns it."""
        self._journal.flush()
        closure = new.__closure__ or ()
        for cell in closure:
            if any(part is new for part in cell_parts(cell)):
                self._journal.set_attribute(cell, "cell_contents", old)
        self._journal.set_code(old, new.__code__, closure)
        for name in _ATTRIBUTES:
            if getattr(old, name) is not getattr(new, name):
                self._journal.set_attribute(old, name, getattr(new, name))
        members = {**old.__dict__, **new.__dict__}
        for name in _DECORATORS - set(new.__dict__):
            members.pop(name, None)
        if members != old.__dict__:
            self._journal.set_attribute(old, "__dict__", members)
        self._journal.flush()
        return old

    def _forward(self, old: Any, new: Any) -> None:
        """Have a function call what took its place."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            return new(*args, **kwargs)

        self.pour(old, functools.update_wrapper(forward, new))


def _inside(value: Any, depth: int) -> Iterator[Any]:
    """A function, and those that it wraps."""
    if type(value) is types.FunctionType:
        yield value
        if depth:
            for part in (value.__dict__.get("__wrapped__"), *_contents(value)):
                yield from _inside(part, depth - 1)
    elif type(value) is _CACHE:
        yield from _inside(value.__wrapped__, depth - 1)


def _contents(function: Any) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        yield from cell_parts(cell)
