"""The values in a worker's namespace: those that arrive are bound, those asked for are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import xxhash

from farcell_runtime import codec, plain
from farcell_runtime.bindings import type_name
from farcell_runtime.codec import Pickled
from farcell_runtime.errors import InternalError
from farcell_runtime.fingerprints import CHUNK_BYTES, Digest, Fingerprints, chunks
from farcell_runtime.reads import ATOMS, in_order
from farcell_runtime.sharing import leaders
from farcell_runtime.sizes import size_text

_REPR_CHARACTERS = 500
# A larger pickle, buffers not counted, is not made again to know what this side would make of it.
_LARGE_PICKLE_BYTES = 1 << 20
_GLANCE_BYTES = 16 << 20  # of larger buffers a few chunks are looked at first
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
    """

    items: list[Pickled | Patch] = field(default_factory=list)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)

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


@dataclass
class Pieces:
    """What ``Values.pieces`` found: the pickle of each name, or why it can't travel.

    Attributes:
        pickles: of values that go each by itself.
        plain: of those that go together.
        digests: what each value is known by, as far as that was asked for; of plain ones always.
    """

    pickles: dict[str, Pickled] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    digests: dict[str, Digest | bytes] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        """How many bytes each name's value is."""
        sizes = {name: len(data) for name, data in self.plain.items()}
        return sizes | {name: pickled.size_bytes for name, pickled in self.pickles.items()}

    @property
    def reads(self) -> set[str]:
        """The names of the notebook that functions in the values read."""
        return {name for pickled in self.pickles.values() for name in pickled.reads}

    def reads_of(self, name: str) -> frozenset[str]:
        """The names of the notebook that functions in the value of ``name`` read."""
        return self.pickles[name].reads if name in self.pickles else frozenset()

    def drop(self, name: str) -> None:
        """``name`` does not travel after all."""
        self.plain.pop(name, None)
        self.pickles.pop(name, None)

    def is_rewritten(self, name: str, before: Digest | bytes) -> bool:
        """Whether it is clear at a glance that most of a large value is not what it was."""
        if name in self.digests:
            return False  # it is known exactly
        if isinstance(before, bytes):
            return True
        for number, raw in enumerate(self.pickles[name].buffers):
            buffer = memoryview(raw)
            if buffer.nbytes < _GLANCE_BYTES:
                continue
            if number >= len(before.sizes) or before.sizes[number] != buffer.nbytes:
                return True
            parts = buffer.cast("B")
            last = (buffer.nbytes - 1) // CHUNK_BYTES
            looks = (0, last // 3, last * 2 // 3, last)
            return not any(
                xxhash.xxh3_64_digest(parts[look * CHUNK_BYTES : (look + 1) * CHUNK_BYTES])
                == before.chunk(number, look)
                for look in looks
            )
        return False

    def digest(self, name: str) -> Digest | bytes:
        """What the value of ``name`` is known by: computed when it is asked for."""
        if name not in self.digests:
            self.digests[name] = self.fingerprints.digest(self.pickles[name])
        return self.digests[name]


class Values:
    """One side of a namespace that two processes share.

    It remembers the digest of each name's value as last sent or received, so that what has not
    changed since is not sent again, nor the chunks of large arrays that have not. Both sides have
    one.
    """

    def __init__(
        self,
        namespace: Callable[[], dict[str, Any]],
        bind: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        """``bind`` puts values that arrived into the namespace, by default without more ado."""
        self._namespace = namespace
        self._bind = bind or (lambda values: namespace().update(values))
        self._synced: dict[str, Digest | bytes] = {}
        self._doubted: dict[str, Digest | bytes] = {}

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

    def receive(self, parcel: Parcel) -> dict[str, Any]:
        """Bind what arrived; the answer is what was bound."""
        received: dict[str, Any] = {}
        for item in parcel.items:
            if isinstance(item, Patch):
                self._patch(item)
                received[item.name] = self._namespace()[item.name]
                continue
            values = codec.load(item.data, item.buffers)
            self._bind(values)
            received |= values
            for name, value in values.items():
                if (data := plain.pickled(value)) is not None:
                    self._synced[name] = plain.mark(data)
                    self._doubted.pop(name, None)
                else:
                    self._note(name, value, item, parcel.fingerprints, alone=len(values) == 1)
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
        together: Iterable[set[str]] = (),
    ) -> tuple[Parcel | None, list[str]]:
        """Make a parcel of ``names``.

        Args:
            anew: take in also what the other side has already.
            together: sets of names of one object: all of a set go, or none.

        Returns:
            The parcel, or none if nothing goes; and the names that the other side has already.
            When it is packed, ``sent`` is to be told.
        """
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
        mutable = {name: value for name, value in values.items() if type(value) not in ATOMS}
        leader = leaders(mutable, mutable)
        # What shares a part with a value that isn't plain goes with that.
        others = {leader.get(name) for name in changed if name not in pieces.plain} - {None}
        small = {
            name: value
            for name, value in values.items()
            if name in pieces.plain and leader.get(name) not in others
        }
        if small:
            parcel.items.append(Pickled(plain.dump(small), (), frozenset()))
        for group in self._in_order(pieces, changed - small.keys(), leader):
            if len(group) > 1:
                bound = {name: values[name] for name in group}
                parcel.items.append(codec.dump(codec.to_bind(bound), explicit=bound.values()))
            else:
                patch = None if anew else self._patch_of(pieces, group[0])
                parcel.items.append(patch or pieces.pickles[group[0]])
        return parcel, same

    def sent(self, pieces: Pieces, names: Iterable[str]) -> None:
        """The other side gets these names as ``pieces`` has them."""
        for name in names:
            self._synced[name] = pieces.digest(name)
            self._doubted.pop(name, None)

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
        going = [*pieces.plain, *pieces.pickles]
        answer.parcel, answer.unchanged = self.join(pieces, going, anew=anew)
        unchanged = set(answer.unchanged)
        answer.going = [name for name in going if name not in unchanged]
        return answer, pieces

    def _differs(self, pieces: Pieces, name: str) -> bool:
        synced = self._synced.get(name)
        if synced is None or pieces.is_rewritten(name, synced):
            return True
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
