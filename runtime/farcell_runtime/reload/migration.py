"""What follows an edit by its own code: instances that migrate, artefacts that are made anew.

A class's ``__code_change__`` is to its instances what ``code_change`` is to Erlang's processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from farcell_runtime.reload.references import instances

HOOK = "__code_change__"


def migrate(changed: Iterable[type]) -> tuple[str, ...]:
    """Call ``__code_change__`` of each living instance of classes that changed; what failed."""
    failed: list[str] = []
    seen: set[int] = set()
    for cls in changed:
        hook: Any = getattr(cls, HOOK, None)
        if hook is None:
            continue
        for instance in _all_instances(cls):
            if id(instance) in seen:
                continue
            seen.add(id(instance))
            try:
                getattr(instance, HOOK)()
            except Exception as error:
                failed.append(f"{cls.__qualname__}.{HOOK} failed: {type(error).__name__}: {error}")
    return tuple(dict.fromkeys(failed))


def renew(
    hooks: Iterable[Callable[[tuple[Any, ...]], None]], functions: tuple[Any, ...]
) -> tuple[str, ...]:
    """Call hooks with the functions that run other code now; what failed."""
    failed: list[str] = []
    for hook in hooks if functions else ():
        try:
            hook(functions)
        except Exception as error:
            failed.append(f"{hook!r} failed: {type(error).__name__}: {error}")
    return tuple(failed)


def _all_instances(cls: type) -> list[Any]:
    found = instances(cls)
    subclasses: list[type] = type.__subclasses__(cls)
    for each in subclasses:
        found += _all_instances(each)
    return found
