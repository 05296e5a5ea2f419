"""What goes out with a cell, and why."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from farcell.capture import Reads
from farcell_runtime.bindings import is_immutable
from farcell_runtime.errors import UsageError
from farcell_runtime.sharing import sharing
from farcell_runtime.transport.payload import Packed
from farcell_runtime.values import Parcel

_DOTTED = re.compile(r"[^\W\d]\w*(?:\.\w+)+")


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved in one piece.

    Attributes:
        names: those whose values were in it; what shares a part is in one pickle.
        size_bytes: of what moved; 0 if it was there already.
        whole_bytes: of the values; more, if only what has changed in them moved.
        why: what reads the names, where that is not the cell itself.
    """

    names: tuple[str, ...]
    size_bytes: int
    whole_bytes: int
    why: str = ""

    @property
    def is_patch(self) -> bool:
        """Whether only that moved which had changed."""
        return 0 < self.size_bytes < self.whole_bytes


@dataclass(slots=True)
class Shipment:
    """What goes out with a cell.

    Attributes:
        packed: the names with their values; none if nothing goes.
        moved: what is in it, byte for byte.
        unchanged: names that the cell reads and the gang has already, with the sizes that their
            values had when they last moved; 0 for one that never has.
        first: what is to be fetched from other gangs before it can go, with such sizes, by gang;
            empty where that has been done.
        forget: names to delete there.
        modules: submodules that the cell uses through a module's name: a module travels as its
            name, and what else of its package is imported would be missing there.
    """

    packed: Packed | None = None
    moved: list[Moved] = field(default_factory=list)
    unchanged: dict[str, int] = field(default_factory=dict)
    first: dict[str, dict[str, int]] = field(default_factory=dict)
    forget: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names that go."""
        return [name for piece in self.moved for name in piece.names]

    def told_of(self, error: BaseException | None) -> BaseException | None:
        """``error``, with the names that could not be taken."""
        if not isinstance(error, UsageError):
            return error
        names = ", ".join(f"'{name}'" for name in self.names)
        return UsageError(f"{names} {error.message}", hint=error.hint)


def moved(
    parcel: Parcel,
    sizes: Mapping[str, int],
    why: Mapping[str, str] | None = None,
    asked: Iterable[str] = (),
) -> list[Moved]:
    """What is in ``parcel``, largest first.

    Args:
        sizes: of the whole values.
        why: what reads names, as ``reasons`` says.
        asked: the names in those pieces that can't tell, because they were not unpacked.
    """
    untold = [tuple(asked)] * (len(parcel.items) - len(parcel.names))
    found = [
        Moved(names, item.size_bytes, _whole_bytes(names, item.size_bytes, sizes), _why(names, why))
        for item, names in zip(parcel.items, [*parcel.names, *untold], strict=True)
    ]
    return sorted(found, key=lambda piece: -piece.size_bytes)


def reasons(
    names: set[str],
    reads: Reads,
    certain: set[str],
    groups: Iterable[set[str]],
    trace: Callable[[Iterable[str]], dict[str, str]],
) -> dict[str, str]:
    """Why ``names`` go, those among them that the cell does not read itself.

    Args:
        certain: what will be read.
        groups: sets of names that share a part of their values.
        trace: gives all that names read in turn, each with what reads it (see ``readers``).
    """
    others = names - reads.names
    if not others:
        return {}
    found = trace(sorted(reads.names))
    mentioned = trace(sorted(reads.maybe)) if others - found.keys() else {}
    why: dict[str, str] = {}
    for name in others:
        partners = sorted(n for group in groups if name in group for n in group & certain - {name})
        if reader := found.get(name):
            why[name] = f"read by {reader}"
        elif partners:
            why[name] = _may_share(partners[0])
        elif name in certain:
            why[name] = "read by a function"
        elif reader := mentioned.get(name):
            why[name] = f"read by {reader}"
        else:
            by_all = reads.everything and name not in mentioned
            why[name] = "all names are read" if by_all else "mentioned in a string"
    return why


def groups_of(
    names: Iterable[str],
    namespace: Mapping[str, Any],
    known: Iterable[str],
    is_alone: Callable[[Mapping[str, Any], str], bool],
) -> list[set[str]]:
    """The sets of ``known`` names whose values share a mutable part, for those among ``names``.

    They go together, so that they share it there too. Of a name that ``is_alone``, that is known
    without looking.
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
    looked: dict[str, tuple[set[int], bool]] = {}
    while waiting:
        group = sharing(values, [waiting.pop()], looked)
        waiting -= group
        if len(group) > 1:
            groups.append(group)
    return groups


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


def _whole_bytes(names: tuple[str, ...], size_bytes: int, sizes: Mapping[str, int]) -> int:
    # What several names share is in one pickle once, and in those of each name again.
    return sizes.get(names[0], size_bytes) if len(names) == 1 else size_bytes


def _why(names: tuple[str, ...], why: Mapping[str, str] | None) -> str:
    if why is None:
        return ""
    found = {why.get(name, "") for name in names}
    if len(names) == 1:
        return found.pop()
    # Which of them shares data with which other shows in their being in one piece.
    found.difference_update(map(_may_share, names))
    return "sharing data" if "" in found or len(found) != 1 else found.pop()


def _may_share(partner: str) -> str:
    # What does for certain is in the same piece; what is too large to be looked through only may.
    return f"may share data with {partner}"
