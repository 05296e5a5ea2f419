"""The values in a worker's namespace: those that arrive are bound, those asked for are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import xxhash

from farcell_runtime import codec, plain
from farcell_runtime.bindings import type_name
from farcell_runtime.codec import Pickled
from farcell_runtime.errors import InternalError
from farcell_runtime.fingerprints import CHUNK_BYTES, Digest, Fingerprints, chunks
from farcell_runtime.pieces import Pieces
from farcell_runtime.pouring import Arrival
from farcell_runtime.reads import ATOMS, in_order
from farcell_runtime.sharing import leaders
from farcell_runtime.sizes import size_text

_REPR_CHARACTERS = 500
# A larger pickle, buffers not counted, is not made again to know what this side would make of it.
_LARGE_PICKLE_BYTES = 1 << 20
_FEW = 16  # values that go in a pickle each
_MOST_PATCHED = 0.5  # of a value's chunks: if more have changed, it is sent as a whole


class Differs(InternalError):
    """What is here is not what the other side takes it for, and so can't be patched."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What has changed in the buffers of a value that the other side has.

    Attributes:
        places: of each chunk: which buffer, and which chunk of that.
        before: of each chunk: the hash of what it was.
        chunks: what they are now.
    """

    name: str
    places: list[tuple[int, int]]
    before: list[bytes]
    chunks: list[memoryview]

    @property
    def size_bytes(self) -> int:
        return sum(chunk.nbytes for chunk in self.chunks)


@dataclass(slots=True)
class Parcel:
    """Values on their way: pickles of names with their values, in the order in which to load them.

    Attributes:
        fingerprints: of the buffers in it.
        names: of each item, those in it; of what arrived, once it was received.
    """

    items: list[Pickled | Patch] = field(default_factory=list)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    names: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return sum(item.size_bytes for item in self.items)

    def load(self) -> dict[str, Any]:
        """Unpickle what is in it, into no namespace."""
        loaded: dict[str, Any] = {}
        for item in self.items:
            assert isinstance(item, Pickled)
            loaded |= codec.load(item.data, item.buffers)
        return loaded


@dataclass
class Answer:
    """What ``Values.fetch`` found: the parcel of what is new, and the reasons for the rest."""

    parcel: Parcel | None = None
    going: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    reprs: dict[str, str] = field(default_factory=dict)
    too_large: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)


class Values:
    """One side of a namespace that two processes share.

    It remembers the digest of each name's value as last sent or received, so that what has not
    changed since is not sent again, nor the chunks of large arrays that have not. Both sides have
    one.
    """

    def __init__(
        self,
        namespace: Callable[[], dict[str, Any]],
        bind: Callable[[Arrival], object],
    ) -> None:
        """``bind`` pours what arrived, and puts the values into the namespace."""
        self._namespace = namespace
        self._bind = bind
        self._synced: dict[str, Digest | bytes] = {}
        self._doubted: dict[str, Digest | bytes] = {}
        self._rebound: set[str] = set()
        self._groups: dict[str, frozenset[str]] = {}  # of names that shared a part when exchanged
        self._going: list[list[str]] = []

    def forget(self, names: Iterable[str] | None = None) -> None:
        """The other side has none of these names any more; of no name, if none are given."""
        for name in [*self._synced, *self._doubted] if names is None else names:
            self._synced.pop(name, None)
            self._doubted.pop(name, None)
            self._rebound.discard(name)
            self._groups.pop(name, None)

    def doubt(self, names: Iterable[str]) -> None:
        """The other side may have changed these names: what is sent next goes there anyway."""
        for name in names:
            if name in self._synced:
                self._doubted[name] = self._synced.pop(name)

    def rebound(self, names: Iterable[str]) -> None:
        """These names have other objects here than those whose values the other side has."""
        self._rebound.update(n for n in names if n in self._synced or n in self._doubted)

    def _is_living(self, name: str, group: Iterable[str]) -> bool:
        """Whether the other side has a value of the very object that is here.

        And it has it under no name that is none of ``group``, with which it goes.
        """
        known = name in self._synced or name in self._doubted
        return known and name not in self._rebound and self._group(name) <= set(group)

    def _group(self, name: str) -> frozenset[str]:
        return self._groups.get(name, frozenset((name,)))

    def _note_groups(self, groups: Iterable[list[str]]) -> None:
        """Both sides have the names of each group as parts of one graph, or one name alone."""
        for names in groups:
            group = frozenset(names)
            for name in group:
                # Those that it was with before are without it now.
                for other in self._groups.pop(name, ()):
                    if other not in group and other in self._groups:
                        self._groups[other] -= {name}
            if len(group) > 1:
                self._groups.update(dict.fromkeys(group, group))

    def _now_synced(self, name: str, digest: Digest | bytes) -> None:
        self._synced[name] = digest
        self._doubted.pop(name, None)
        self._rebound.discard(name)

    def differing(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` whose value here is not the one that the other side had last."""
        pieces = self.pieces(names)
        here = pieces.plain.keys() | pieces.pickles.keys()
        return [name for name in names if name not in here or self._differs(pieces, name)]

    def known_by(self, names: Iterable[str]) -> dict[str, Digest | bytes]:
        """What the values of those of ``names`` that both sides have are known by."""
        return {name: self._synced[name] for name in names if name in self._synced}

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """What the values of ``names`` that can be pickled are known by."""
        pieces = self.pieces(names)
        return {
            name: xxhash.xxh3_128_hexdigest(repr(pieces.digest(name)).encode())
            for name in [*pieces.plain, *pieces.pickles]
        }

    def confirm(self, names: Iterable[str]) -> None:
        """The other side has not changed these names after all."""
        for name in names:
            if name in self._doubted:
                self._synced[name] = self._doubted.pop(name)

    def receive(self, parcel: Parcel) -> dict[str, Any]:
        """Bind what arrived; the answer is what was bound."""
        received: dict[str, Any] = {}
        for item in parcel.items:
            if isinstance(item, Patch):
                self._patch(item)
                parcel.names.append((item.name,))
                received[item.name] = self._namespace()[item.name]
                continue
            here = self._namespace()
            living = {name: here[name] for name in item.living if name in here}
            arrival = Arrival(codec.load(item.data, item.buffers), living)
            self._bind(arrival)
            parcel.names.append(tuple(arrival.values))
            received |= arrival.values
            alone = len(arrival.values) == 1
            for name, value in arrival.values.items():
                if (data := plain.pickled(value)) is not None:
                    self._now_synced(name, plain.mark(data))
                else:
                    self._note(name, value, item, parcel.fingerprints, alone=alone)
            self._note_groups(_grouped(arrival.values, _leaders(arrival.values)))
            del arrival, living  # nothing of this may count as somebody who holds them
        return received

    def pieces(self, names: Iterable[str]) -> Pieces:
        """Pickle each of ``names``."""
        namespace = self._namespace()
        found = Pieces()
        for name in sorted(names):
            if name not in namespace:
                continue
            value = namespace[name]
            if (data := plain.pickled(value)) is not None:
                found.plain[name] = data
                found.digests[name] = plain.mark(data)
                continue
            try:
                found.pickles[name] = codec.dump({name: value}, explicit=(value,))
            except codec.CannotPickle as refused:
                found.missing[name] = _reason(refused, name)
        return found

    def join(
        self,
        pieces: Pieces,
        names: Iterable[str],
        *,
        anew: bool = False,
        whole: bool = False,
        together: Iterable[set[str]] = (),
    ) -> tuple[Parcel | None, list[str]]:
        """Make a parcel of ``names``.

        Args:
            anew: take in also what the other side has already, and ...
            whole: ... whole values, even where little has changed.
            together: sets of names of one object: all of a set go, or none.

        Returns:
            The parcel, or none if nothing goes; and the names that the other side has already.
            When it is packed, ``sent`` is to be told.
        """
        whole = whole or anew
        asked = set(names)
        changed = {name for name in asked if anew or self._differs(pieces, name)}
        for alike in together:
            if alike & changed:
                changed |= alike & asked
        same = sorted(asked - changed)
        if not changed:
            return None, same
        parcel = Parcel(fingerprints=pieces.fingerprints)
        namespace = self._namespace()
        values = {name: namespace[name] for name in sorted(changed)}
        leader = _leaders(values)
        # What shares a part with a value that isn't plain goes with that.
        others = {leader.get(name) for name in changed if name not in pieces.plain} - {None}
        small = {
            name: value
            for name, value in values.items()
            if name in pieces.plain and leader.get(name) not in others
        }
        apart = _grouped(small, leader)
        groups = self._in_order(pieces, changed - small.keys(), leader)
        self._going = [*apart, *groups]
        # Many go in one pickle; of a few, it is told how large each is.
        batches = [list(small)] if len(small) > _FEW else apart
        living = frozenset(
            name for group in self._going for name in group if self._is_living(name, group)
        )
        for batch in batches:
            some = {name: small[name] for name in batch}
            parcel.items.append(Pickled(plain.dump(some), (), living=living.intersection(batch)))
            parcel.names.append(tuple(batch))
        for group in groups:
            parcel.names.append(tuple(group))
            known = living.intersection(group)
            if len(group) > 1:
                bound = {name: values[name] for name in group}
                pickled = codec.dump(codec.to_bind(bound), explicit=bound.values())
                parcel.items.append(replace(pickled, living=known))
                continue
            [name] = group
            patch = self._patch_of(pieces, name) if known and not whole else None
            parcel.items.append(patch or replace(pieces.pickles[name], living=known))
        return parcel, same

    def sent(self, pieces: Pieces, names: Iterable[str]) -> None:
        """The other side gets these names as ``pieces`` has them, and ``join`` grouped them."""
        names = set(names)
        self._note_groups([group for group in self._going if names.issuperset(group)])
        for name in names:
            self._now_synced(name, pieces.digest(name))

    def fetch(
        self, names: Iterable[str], *, anew: bool = False, most_bytes: int = 0
    ) -> tuple[Answer, Pieces]:
        """What the other side is to get that asks for ``names``.

        A name that can't be pickled, or whose value is larger than ``most_bytes`` and not known to
        be there, is told with the reason, and does not hold up the others.
        When the answer is packed, it counts as sent.
        """
        namespace = self._namespace()
        asked = list(names)
        pieces = self.pieces(asked)
        answer = Answer(
            unknown=[name for name in asked if name not in namespace], missing=pieces.missing
        )
        answer.sizes = pieces.sizes
        for name, size in answer.sizes.items() if most_bytes else ():
            if size > most_bytes and (anew or self._differs(pieces, name)):
                answer.too_large.append(name)
                pieces.drop(name)
                answer.missing[name] = (
                    f"it is {size_text(size)} large, and not over {size_text(most_bytes)} "
                    "is fetched unasked"
                )
        for name in answer.missing:
            answer.types[name] = type_name(namespace[name])
            answer.reprs[name] = _short_repr(namespace[name])
        going = {name: namespace[name] for name in [*pieces.plain, *pieces.pickles]}
        answer.parcel, answer.unchanged = self.join(
            pieces, going, anew=anew, together=[] if anew else _shared(going)
        )
        unchanged = set(answer.unchanged)
        answer.going = [name for name in going if name not in unchanged]
        return answer, pieces

    def _differs(self, pieces: Pieces, name: str) -> bool:
        synced = self._synced.get(name)
        if synced is None or pieces.is_rewritten(name, synced):
            return True
        if name in self._rebound and name in self._groups:
            return True  # an equal value, of an object that it shares with other names no more
        return synced != pieces.digest(name)

    def _in_order(self, pieces: Pieces, names: set[str], leader: dict[str, str]) -> list[list[str]]:
        """``names``, those together whose values share an object; what one reads comes first."""
        namespace = self._namespace()
        values = {name: namespace[name] for name in sorted(names)}
        by_identity: dict[int, str] = {}
        for name, value in values.items():
            if type(value) not in ATOMS:
                first = by_identity.setdefault(id(value), leader.get(name, name))
                leader.setdefault(name, first)
        groups: dict[str, list[str]] = {}
        for name in values:
            groups.setdefault(leader.get(name, name), []).append(name)
        needs = {
            first: sorted(
                leader.get(other, other)
                for name in group
                for other in pieces.reads_of(name) & names
            )
            for first, group in groups.items()
        }
        return [groups[first] for first in in_order(groups, needs.__getitem__)]

    def _patch_of(self, pieces: Pieces, name: str) -> Patch | None:
        """What has changed in the value of ``name`` since it was last sent, if that is little."""
        synced = self._synced.get(name)
        if not isinstance(synced, Digest):
            return None
        if not any(size > CHUNK_BYTES for size in synced.sizes):
            return None
        if pieces.is_rewritten(name, synced):
            return None
        if len(synced.sizes) > 1 and not _is_ordered(self._namespace()[name]):
            return None
        now = pieces.digest(name)
        places = now.changed_chunks(synced) if isinstance(now, Digest) else None
        count = sum(-(-size // CHUNK_BYTES) for size in synced.sizes)
        buffers = [memoryview(buffer) for buffer in pieces.pickles[name].buffers]
        if not places or len(places) > _MOST_PATCHED * count:
            return None
        if any(buffers[number].readonly for number, _ in places):
            return None  # it is so there too, and can't be written to
        parts = {number: list(chunks(buffers[number])) for number, _ in places}
        return Patch(
            name,
            places,
            [synced.chunk(*place) for place in places],
            [parts[buffer][chunk] for buffer, chunk in places],
        )

    def _patch(self, patch: Patch) -> None:
        """Write what has changed into the value that is here."""
        if patch.name not in self._namespace():
            raise Differs(f"'{patch.name}' is not here any more")
        value = self._namespace()[patch.name]
        pickled = codec.dump({patch.name: value}, explicit=(value,))
        buffers = [memoryview(buffer).cast("B") for buffer in pickled.buffers]
        known = self._doubted.pop(patch.name, None) or self._synced.pop(patch.name, None)
        try:
            parts = [
                buffers[number][chunk * CHUNK_BYTES : (chunk + 1) * CHUNK_BYTES]
                for number, chunk in patch.places
            ]
            for part, before in zip(parts, patch.before, strict=True):
                if xxhash.xxh3_64_digest(part) != before:
                    raise ValueError("it has changed here")
            for part, new in zip(parts, patch.chunks, strict=True):
                part[:] = new
        except (IndexError, TypeError, ValueError) as error:
            raise Differs(f"'{patch.name}' is not what was sent before: {error}") from error
        if isinstance(known, Digest) and known.sizes == tuple(buffer.nbytes for buffer in buffers):
            self._synced[patch.name] = known.patched(
                patch.places, map(xxhash.xxh3_64_digest, patch.chunks)
            )

    def _note(
        self, name: str, value: object, item: Pickled, known: Fingerprints, *, alone: bool
    ) -> None:
        """``value``, which came in ``item``, is what the other side has under ``name``."""
        self._doubted.pop(name, None)
        self._rebound.discard(name)
        pickled = item
        if not alone or len(item.data) <= _LARGE_PICKLE_BYTES:
            # Its pickle here need not be that of the other side, which is what later ones of here
            # are compared with.
            try:
                pickled = codec.dump({name: value}, explicit=(value,))
            except codec.CannotPickle:
                self._synced.pop(name, None)
                return
        self._synced[name] = known.digest(pickled)


def _leaders(values: Mapping[str, object]) -> dict[str, str]:
    """For each name whose value shares a mutable part with others: the first of those."""
    mutable = {name: value for name, value in values.items() if type(value) not in ATOMS}
    return leaders(mutable, mutable) if len(mutable) > 1 else {}


def _grouped(names: Iterable[str], leader: Mapping[str, str]) -> list[list[str]]:
    """``names``, those together that have one leader."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(leader.get(name, name), []).append(name)
    return list(groups.values())


def _shared(values: Mapping[str, object]) -> list[set[str]]:
    """The sets of names whose values share a mutable part."""
    groups = _grouped(values, _leaders(values))
    return [set(group) for group in groups if len(group) > 1]


def _form(value: Any) -> str:
    """The shape, type and device of an array, as far as it has them."""
    found = [getattr(value, name, None) for name in ("shape", "dtype", "device")]
    if found[0] is None:
        return ""
    return " ".join(str(each) for each in found if each is not None) + ": "


def _is_ordered(value: object) -> bool:
    """Whether its pickle has its buffers in one order wherever it is made."""
    if type(value) in (list, tuple):
        return all(map(_is_ordered, cast(Iterable[object], value)))
    if type(value) is dict:
        return all(map(_is_ordered, value.values()))
    package = type(value).__module__.partition(".")[0]
    return type(value) in ATOMS or package in ("numpy", "pandas", "torch", "pyarrow")


def _reason(refused: codec.CannotPickle, name: str) -> str:
    path = refused.path.replace(f"[{name!r}]", name, 1)
    return refused.why if path in ("", name) else f"{path}: {refused.why}"


def _short_repr(value: object) -> str:
    try:
        text = f"{_form(value)}{value!r}"
    except Exception as fault:
        return f"<its __repr__ raised {type(fault).__name__}>"
    return text if len(text) <= _REPR_CHARACTERS else text[: _REPR_CHARACTERS - 1] + "…"
