"""The directory of the notebook's names: which place holds which version of each.

It is pure: it knows names, versions and places, no values, no clock and no process. A place is the
kernel or a gang. Whoever changes a name holds its newest version alone, until others get it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

KERNEL = "kernel"


@dataclass(slots=True)
class Entry:
    """What is known of one name.

    Attributes:
        version: grows with each change.
        held: the version that each place holds, among those that hold one.
        reads: the names that its code reads in turn, as its last holder said.
        module: where it can be imported from, if it can (see ``import_path``).
        group: names with the same number were bound to one object where they were last changed.
        size_bytes: how large its value was when it last moved; 0 if it never has.
        stuck: why it can't leave the gang that holds it; empty if it can, or nobody tried.
    """

    version: int = 0
    held: dict[str, int] = field(default_factory=dict)
    type_name: str = ""
    size_bytes: int = 0
    reads: frozenset[str] = frozenset()
    module: str = ""
    stuck: str = ""
    group: int = 0


class Directory:
    """Which place holds which version of each name."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._lost: dict[str, str] = {}
        self._to_forget: dict[str, set[str]] = {}
        self._last_group = 0

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def entry(self, name: str) -> Entry:
        """What is known of ``name``; raises ``KeyError`` if nothing is."""
        return self._entries[name]

    def changed(
        self,
        place: str,
        name: str,
        *,
        type_name: str = "",
        reads: Iterable[str] = (),
        module: str = "",
        alias_of: str = "",
    ) -> None:
        """``place`` bound ``name``, or may have changed its value: only it holds the newest.

        Args:
            alias_of: another name that is bound to the same object there.
        """
        entry = self._entries.setdefault(name, Entry())
        entry.version += 1
        entry.held[place] = entry.version
        entry.type_name = type_name
        entry.reads = frozenset(reads)
        entry.module = module
        other = self._entries.get(alias_of)
        if other is None or other is entry:
            self._last_group += 1
            entry.group = self._last_group
        else:
            entry.group = other.group
        entry.stuck = ""
        self._lost.pop(name, None)
        for behind, forgetting in self._to_forget.items():
            if name in forgetting:
                forgetting.remove(name)
                # It has the value from before the deletion still.
                entry.held.setdefault(behind, 0)

    def group(self, name: str) -> list[str]:
        """The names that were bound to the object of ``name``, itself included."""
        number = self._entries[name].group
        return [other for other, entry in self._entries.items() if entry.group == number]

    def refused(self, place: str, names: Iterable[str]) -> None:
        """``place`` may not have the newest version of ``names``, but none or any older one.

        What it alone holds it was not sent, whatever is said.
        """
        for name in names:
            if name in self._entries and self.holders(name) != [place]:
                self._entries[name].held[place] = 0

    def received(self, place: str, names: Iterable[str]) -> None:
        """``place`` now holds the newest version of ``names`` too."""
        for name in names:
            entry = self._entries[name]
            entry.held[place] = entry.version

    def deleted(self, place: str, name: str) -> None:
        """``name`` was deleted at ``place``, and so everywhere."""
        if name in self._entries:
            self._forget(name, place)

    def dropped(self, name: str) -> None:
        """``name`` is not shared any more; whoever holds it keeps it as its own."""
        self._entries.pop(name, None)

    def _forget(self, name: str, place: str) -> None:
        """Drop ``name``, and have all who hold it but ``place`` delete it."""
        for other in self._entries.pop(name).held:
            if other != place:
                self._to_forget.setdefault(other, set()).add(name)

    def take_forgotten(self, place: str) -> list[str]:
        """The names that ``place`` is still to delete; told once."""
        return sorted(self._to_forget.pop(place, ()))

    def not_told(self, place: str, names: Iterable[str]) -> None:
        """``place`` may not have heard after all that it is to delete ``names``."""
        for name in names:
            if (entry := self._entries.get(name)) is None:
                self._to_forget.setdefault(place, set()).add(name)
            else:
                entry.held.setdefault(place, 0)

    def moved(self, sizes: Mapping[str, int]) -> None:
        """Values of these sizes, in bytes, have been seen."""
        for name, size in sizes.items():
            if (entry := self._entries.get(name)) is not None:
                entry.size_bytes = size

    def set_stuck(self, name: str, why: str) -> None:
        """``name`` can't leave the gang that holds it."""
        self._entries[name].stuck = why

    def is_newest(self, place: str, name: str) -> bool:
        """Whether ``place`` holds the newest version of ``name``."""
        entry = self._entries.get(name)
        return entry is not None and entry.held.get(place) == entry.version

    def has(self, place: str, name: str) -> bool:
        """Whether ``place`` holds any version of ``name``."""
        entry = self._entries.get(name)
        return entry is not None and place in entry.held

    def holders(self, name: str) -> list[str]:
        """The places that hold the newest version of ``name``, the kernel first."""
        entry = self._entries.get(name)
        if entry is None:
            return []
        found = [place for place, version in entry.held.items() if version == entry.version]
        return sorted(found, key=lambda place: (place != KERNEL, place))

    def lacking(self, place: str, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that are known and whose newest version ``place`` does not hold."""
        return [name for name in names if name in self._entries and not self.is_newest(place, name)]

    def only_at(self, place: str) -> list[str]:
        """The names whose newest version nobody but ``place`` holds."""
        return sorted(name for name in self._entries if self.holders(name) == [place])

    def price(self, place: str) -> list[str]:
        """The names that would be lost with ``place``: what can be imported again is not."""
        return [
            name
            for name in self.only_at(place)
            if not self._entries[name].module and not name.startswith("_")
        ]

    def gone(self, place: str, why: str) -> list[str]:
        """``place`` is gone with all it held.

        Returns:
            The names that are lost with it: nobody else held their newest version.
        """
        lost = self.only_at(place)
        for name in lost:
            # An older version elsewhere must not be taken for the newest.
            self._forget(name, place)
            self._lost[name] = why
        for entry in self._entries.values():
            entry.held.pop(place, None)
        self._to_forget.pop(place, None)
        return lost

    def is_outdated(self, place: str, name: str, *, bound: bool, asked: bool) -> bool:
        """Whether ``place`` tells of an older value of ``name`` than the newest, elsewhere.

        Args:
            bound: whether it was bound there, rather than perhaps changed.
            asked: whether the cell that has run there was to touch it.
        """
        if name not in self or self.is_newest(place, name):
            return False
        if not bound:
            # The cell was to bind it, and so was not sent it, and failed before it did.
            return True
        # A thread or task there bound it between cells, and the notebook did later.
        return not asked and self.is_newest(KERNEL, name)

    def lose(self, name: str, why: str) -> None:
        """``name`` is gone; whoever holds what there is of it is to delete that."""
        if name in self._entries:
            self._forget(name, "")
        self._lost[name] = why

    def freed(self, place: str, name: str) -> bool:
        """``place`` was made to give up ``name``; whether nobody else has its newest version."""
        entry = self._entries[name]
        if self.holders(name) != [place]:
            entry.held.pop(place, None)
            return False
        self._forget(name, place)
        self._lost[name] = "it was freed"
        return True

    def why_lost(self, name: str) -> str:
        """Why ``name`` is gone, if it is; empty otherwise."""
        return self._lost.get(name, "")

    def versions(self) -> dict[str, int]:
        """The newest version of each name."""
        return {name: entry.version for name, entry in self._entries.items()}

    def check(self) -> None:
        """Raise ``AssertionError`` if an invariant does not hold."""
        for name, entry in self._entries.items():
            assert entry.held, f"{name}: nobody holds it"
            assert max(entry.held.values()) == entry.version, f"{name}: nobody holds the newest"
            assert name not in self._lost, f"{name}: both known and lost"
