"""What goes out with a cell."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from farcell_runtime.bindings import is_immutable
from farcell_runtime.sharing import is_alone, sharing
from farcell_runtime.transport.payload import Packed

_DOTTED = re.compile(r"[^\W\d]\w*(?:\.\w+)+")


@dataclass(slots=True)
class Shipment:
    """What goes out with a cell.

    Attributes:
        packed: the names with their values; none if nothing goes.
        patches: whether there are such among them as only tell what has changed.
        sizes: each name's share in bytes.
        why: what reads a name, where that is not the cell itself.
        unchanged: names that the cell reads and the gang has already.
        forget: names to delete there.
        modules: submodules that the cell uses through a module's name: a module travels as its
            name, and what else of its package is imported would be missing there.
    """

    packed: Packed | None = None
    patches: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)


def submodules(code: str, names: Iterable[str], namespace: Mapping[str, Any]) -> list[str]:
    """The submodules that ``code`` uses through the modules that ``namespace`` has as ``names``."""
    modules = {
        name: namespace[name].__name__
        for name in names
        if isinstance(namespace.get(name), types.ModuleType)
    }
    if not modules:
        return []
    found: set[str] = set()
    for chain in _DOTTED.findall(code):
        first, *rest = chain.split(".")
        path = modules.get(first, "")
        for part in rest if path else ():
            path = f"{path}.{part}"
            if path not in sys.modules:
                break
            found.add(path)
    return sorted(found)


def groups_of(
    names: Iterable[str], known: Iterable[str], namespace: Mapping[str, Any]
) -> list[set[str]]:
    """The sets of ``known`` names whose values share a mutable part, for those among ``names``.

    They go together, so that they share it there too.
    """
    waiting = {
        name
        for name in names
        if name in namespace and not is_immutable(namespace[name]) and not is_alone(namespace, name)
    }
    if not waiting:
        return []
    values = {name: namespace[name] for name in known if name in namespace}
    groups: list[set[str]] = []
    while waiting:
        group = sharing(values, [waiting.pop()])
        waiting -= group
        if len(group) > 1:
            groups.append(group)
    return groups
