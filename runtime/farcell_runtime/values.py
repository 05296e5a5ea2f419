"""The values in a worker's namespace: those that arrive are bound, those asked for are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import xxhash

from farcell_runtime import codec
from farcell_runtime.bindings import type_name

_REPR_CHARACTERS = 500


@dataclass
class Answer:
    """What ``Values.fetch`` found: the pickle of what is new, and the reasons for the rest."""

    pickled: codec.Pickled | None = None
    unchanged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    reprs: dict[str, str] = field(default_factory=dict)


@dataclass
class Pieces:
    """What ``Values.pieces`` found of each name: its size and digest, or why it can't travel.

    And the names of the notebook that functions in the values read: in all, and of each.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    digests: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    reads_by_name: dict[str, frozenset[str]] = field(default_factory=dict)


def digest(pickled: codec.Pickled) -> int:
    """A hash of 128 bits of a pickle and its buffers."""
    hasher = xxhash.xxh3_128(pickled.data)
    for buffer in pickled.buffers:
        hasher.update(buffer)
    return hasher.intdigest()


class Values:
    """One side of a namespace that two processes share.

    It remembers the digest of each name's value as last sent or received, so that what has not
    changed since is not sent again. Both sides have one.
    """

    def __init__(self, namespace: Callable[[], dict[str, Any]]) -> None:
        self._namespace = namespace
        self._synced: dict[str, int] = {}
        self._doubted: dict[str, int] = {}

    def note(self, name: str, value: object) -> None:
        """``value`` is what the other side has under ``name``."""
        self._doubted.pop(name, None)
        try:
            self._synced[name] = digest(codec.dump({name: value}, explicit=(value,)))
        except codec.CannotPickle:
            self._synced.pop(name, None)

    def forget(self, names: Iterable[str] | None = None) -> None:
        """The other side has none of these names any more; of no name, if none are given."""
        for name in [*self._synced, *self._doubted] if names is None else names:
            self._synced.pop(name, None)
            self._doubted.pop(name, None)

    def doubt(self, names: Iterable[str]) -> None:
        """The other side may have changed these names: what is sent next goes there anyway."""
        for name in names:
            if name in self._synced:
                self._doubted[name] = self._synced.pop(name)

    def confirm(self, names: Iterable[str]) -> None:
        """The other side has not changed these names after all."""
        for name in names:
            if name in self._doubted:
                self._synced[name] = self._doubted.pop(name)

    def bind(self, values: dict[str, Any]) -> None:
        """Bind what arrived."""
        self._namespace().update(values)
        for name, value in values.items():
            self.note(name, value)

    def pieces(self, names: Iterable[str]) -> Pieces:
        """Pickle each of ``names`` by itself: its size, and what keeps it from travelling."""
        namespace = self._namespace()
        found = Pieces()
        for name in sorted(names):
            if name not in namespace:
                continue
            value = namespace[name]
            try:
                pickled = codec.dump({name: value}, explicit=(value,))
            except codec.CannotPickle as refused:
                found.missing[name] = _reason(refused, name)
                continue
            found.sizes[name] = pickled.size_bytes
            found.digests[name] = digest(pickled)
            found.reads |= pickled.reads
            found.reads_by_name[name] = pickled.reads
        return found

    def join(
        self,
        pieces: Pieces,
        names: Iterable[str],
        *,
        anew: bool = False,
        together: Iterable[set[str]] = (),
    ) -> tuple[codec.Pickled | None, list[str]]:
        """Pickle ``names`` in one pickle, so that shared parts stay shared.

        Args:
            anew: pickle also what the other side has already.
            together: sets of names of one object: all of a set go, or none.

        Returns:
            The pickle, or none if nothing goes; and the names that the other side has already.
        """
        asked = set(names)
        digests = pieces.digests
        changed = {name for name in asked if anew or self._synced.get(name) != digests[name]}
        for group in together:
            if group & changed:
                changed |= group & asked
        same = sorted(asked - changed)
        if not changed:
            return None, same
        namespace = self._namespace()
        wanted = {name: namespace[name] for name in sorted(changed)}
        for name in wanted:
            self._synced[name] = digests[name]
            self._doubted.pop(name, None)
        return codec.dump(codec.to_bind(wanted), explicit=wanted.values()), same

    def fetch(self, names: Iterable[str], *, anew: bool = False) -> Answer:
        """What the other side is to get that asks for ``names``.

        A name that can't be pickled is told with the reason, and does not hold up the others.
        """
        namespace = self._namespace()
        asked = list(names)
        pieces = self.pieces(asked)
        answer = Answer(
            unknown=[name for name in asked if name not in namespace], missing=pieces.missing
        )
        for name in pieces.missing:
            answer.types[name] = type_name(namespace[name])
            answer.reprs[name] = _short_repr(namespace[name])
        answer.pickled, answer.unchanged = self.join(pieces, pieces.sizes, anew=anew)
        return answer


def _reason(refused: codec.CannotPickle, name: str) -> str:
    path = refused.path.replace(f"[{name!r}]", name, 1)
    return refused.why if path in ("", name) else f"{path}: {refused.why}"


def _short_repr(value: object) -> str:
    try:
        text = repr(value)
    except Exception as fault:
        return f"<its __repr__ raised {type(fault).__name__}>"
    return text if len(text) <= _REPR_CHARACTERS else text[: _REPR_CHARACTERS - 1] + "…"
