"""The filters of warnings, on their way between processes that have imported different libraries.

A filter's category may be a class of a library. It travels as ``module:class``, and nothing is
imported for it: where the library is missing, a stand-in keeps the filter's place in the order, and
holds for the category from the moment at which the library makes it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from farcell_runtime.import_hooks import around_import

# As in `warnings.filters`: action, message, category, module, line; told, the category is text.
Filter = tuple[Any, ...]

# What this process had from its start and was never told of: its own.
_own: list[Filter] = []
# The filters as they were last read, and as what they were told: each cell reads them twice.
_latest: tuple[list[Filter], list[Filter]] | None = None


def keep_own() -> None:
    """Take the filters that there are now for this process's own."""
    global _latest
    _own[:] = warnings.filters
    _latest = None


def read() -> list[Filter]:
    """The filters that are shared, as they are told to another process."""
    global _latest
    if _latest is None or warnings.filters != _latest[0]:
        shared = [each for each in warnings.filters if each not in _own and _can_travel(each)]
        _latest = list(warnings.filters), [_with_category(each, _text(each)) for each in shared]
    return _latest[1]


def write(told: list[Filter]) -> None:
    """Have the filters that ``read`` told elsewhere, and behind them this process's own."""
    global _latest
    filters = [_with_category(each, _category(each[2])) for each in told]
    now: list[Filter] = list(warnings.filters)
    _own[:] = [each for each in _own if each in now and each not in filters]
    for at, each in reversed([*enumerate(now)]):
        if not _can_travel(each):  # it stays, before what it was before
            behind = next((other for other in now[at + 1 :] if other in filters), None)
            filters.insert(len(filters) if behind is None else filters.index(behind), each)
    _set([*filters, *_own])
    _latest = None


class _Awaited(type):
    """The stand-in for a category whose library is not imported."""

    text: str

    def __subclasscheck__(cls, other: type) -> bool:
        return any(f"{each.__module__}:{each.__qualname__}" == cls.text for each in other.__mro__)


@functools.cache
def _awaited(text: str) -> _Awaited:
    module, _, name = text.partition(":")
    return _Awaited(name, (Warning,), {"__module__": module, "__qualname__": name, "text": text})


def _category(text: str) -> type:
    """The class that ``text`` tells; until its module is imported, its stand-in."""
    module, _, name = text.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)  # without a library's own `__getattr__`
    if isinstance(found, type):
        return found
    for parent in itertools.accumulate(module.split("."), "{}.{}".format):
        if parent not in sys.modules:
            around_import(parent, _unchanged)
    return _awaited(text)


@contextlib.contextmanager
def _unchanged(_: ModuleType) -> Iterator[None]:
    """Within the import of a library that was imported where the filters come from.

    What it sets has been set there, and is among them, unless somebody has removed it since.
    """
    before = list(warnings.filters)
    yield
    _set([_settled(each) for each in before])


def _settled(each: Filter) -> Filter:
    category = each[2]
    return _with_category(each, _category(category.text)) if type(category) is _Awaited else each


def _text(each: Filter) -> str:
    category = each[2]
    if type(category) is _Awaited:
        return category.text
    return f"{category.__module__}:{category.__qualname__}"


def _can_travel(each: Filter) -> bool:
    """Whether its category is one of a module that other processes can import too."""
    category = each[2]
    return category.__module__ != "__main__" and "<" not in category.__qualname__


def _with_category(each: Filter, category: object) -> Filter:
    action, message, _, *rest = each
    return (action, message, category, *rest)


def _set(filters: list[Filter]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]  # pyright: ignore
    warnings._filters_mutated()  # type: ignore[attr-defined]  # pyright: ignore
