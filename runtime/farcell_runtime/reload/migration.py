"""Instances that a class brings up to date itself, as Erlang's processes do in ``code_change``."""

from __future__ import annotations

from collections.abc import Iterable
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


def _all_instances(cls: type) -> list[Any]:
    found = instances(cls)
    subclasses: list[type] = type.__subclasses__(cls)
    for each in subclasses:
        found += _all_instances(each)
    return found
