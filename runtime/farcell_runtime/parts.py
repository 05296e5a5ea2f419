"""What a value is pickled from, with the way to each part: to name the one that can't be."""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Iterable, Mapping
from typing import Any

from farcell_runtime.reads import cell_parts


def parts_of(value: Any) -> list[tuple[str, object]]:
    """What ``value`` is pickled from, each part with the way to it."""
    match value:
        case dict():
            return [(f"[{key!r}]", part) for key, part in _first(value.items())]
        case list() | tuple() | set() | frozenset():
            return [(f"[{index}]", part) for index, part in enumerate(_first(value))]
        case types.FunctionType():
            names = value.__code__.co_freevars
            cells = zip(names, value.__closure__ or (), strict=True)
            return [
                *((f" → closure '{n}'", part) for n, cell in cells for part in cell_parts(cell)),
                *((" → default value", part) for part in value.__defaults__ or ()),
                *((f" → default '{n}'", part) for n, part in (value.__kwdefaults__ or {}).items()),
                *((f".{n}", part) for n, part in _first(value.__dict__.items())),
            ]
        case types.MethodType():
            return [(".__self__", value.__self__), (".__func__", value.__func__)]
        case functools.partial():
            keywords = [(f" → argument '{n}'", part) for n, part in value.keywords.items()]
            arguments = [(f" → argument {n}", part) for n, part in enumerate(value.args)]
            return [(".func", value.func), *arguments, *keywords]
        case type():
            if value.__module__ != "__main__":
                return []
            return [(f".{n}", part) for n, part in vars(value).items() if n[:2] != "__"]
        case types.ModuleType():
            return []
    return _reduced_parts(value)


def _reduced_parts(value: Any) -> list[tuple[str, object]]:
    try:
        reduced = value.__reduce_ex__(5)
    except Exception:  # then it is the culprit itself
        return []
    if not isinstance(reduced, tuple):
        return []
    whole: Any = (*reduced, None, None, None)
    _, arguments, state, items, pairs = whole[:5]
    found: list[tuple[str, object]] = [(" → argument", part) for part in _first(arguments)]
    for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
        if isinstance(part, Mapping):
            found += [(f".{name}", inner) for name, inner in _first(part.items())]
        elif part is not None:
            found.append((" → state", part))
    found += [(f"[{index}]", part) for index, part in enumerate(_first(items or ()))]
    return found + [(f"[{key!r}]", part) for key, part in _first(pairs or ())]


def _first(parts: Iterable[Any]) -> list[Any]:
    return list(itertools.islice(parts, 1000))
