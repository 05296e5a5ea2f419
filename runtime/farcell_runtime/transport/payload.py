"""Pickled values on the wire: small ones within their message, large ones in shared memory."""

from __future__ import annotations

import collections
import functools
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

from farcell_runtime.codec import Pickled
from farcell_runtime.errors import InternalError, LostError
from farcell_runtime.fingerprints import CHUNK_BYTES, HASH_BYTES, Fingerprints
from farcell_runtime.segments import Pool, Segment, layout, mapped
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.values import Parcel, Patch

_INLINE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Packed:
    """A payload, and the segment that goes with it."""

    payload: pb.Payload
    segment: Segment | None = None


def pack(parcel: Parcel, pool: Pool) -> Packed:
    """``parcel`` as it is sent; its segment is lent to whoever is sent it, or discarded.

    Raises:
        UsageError: if there is no room for it in memory or on disk.
    """
    payload = pb.Payload()
    parts: list[memoryview] = []
    for item in parcel.items:
        if isinstance(item, Patch):
            changed = [number for place in item.places for number in place]
            payload.pickles.add(
                buffers=len(item.chunks),
                name=item.name,
                before=b"".join(item.before),
                changed=changed,
            )
            parts += [memoryview(b""), *item.chunks]
        else:
            payload.pickles.add(buffers=len(item.buffers), living=sorted(item.living))
            parts += [memoryview(item.data), *(memoryview(each) for each in item.buffers)]
    sizes = [part.nbytes for part in parts]
    if sum(sizes) <= _INLINE_BYTES:
        payload.parts.extend(part.tobytes() for part in parts)
        return Packed(payload)
    starts, size_bytes = layout(sizes)
    segment = pool.take(size_bytes)
    try:
        for start, part in zip(starts, parts, strict=True):
            segment.write(start, part, parcel.fingerprints)
    except BaseException:
        pool.discard(segment)
        raise
    payload.segment = segment.number
    payload.sizes.extend(sizes)
    payload.hashes = b"".join(map(parcel.fingerprints.of, parts))
    return Packed(payload, segment)


class Arrivals:
    """The segments that came from one other process.

    Their descriptors, from when a payload arrives until it is unpacked, and which of them nothing
    refers to any more.
    """

    def __init__(self) -> None:
        self._descriptors: dict[int, int] = {}
        self._freed: collections.deque[int] = collections.deque()

    def note(self, payload: pb.Payload, descriptors: collections.deque[int]) -> None:
        """``payload`` has arrived; the descriptor of its segment is the next of ``descriptors``."""
        if payload.segment:
            self._descriptors[payload.segment] = descriptors.popleft()

    def unpack(self, payload: pb.Payload) -> Parcel:
        """What was packed; its buffers are writable, and nobody else sees what is written to them.

        Raises:
            InternalError: if what arrived is not what was sent.
            LostError: if the process that sent it has ended.
        """
        fingerprints = Fingerprints()
        if payload.segment:
            parts = self._map(payload, fingerprints)
        else:
            parts = [memoryview(bytearray(part)) for part in payload.parts]
        if len(parts) != sum(1 + pickle.buffers for pickle in payload.pickles):
            raise InternalError("of values that were sent some parts did not arrive")
        return Parcel(list(_items(payload, parts)), fingerprints)

    def drop(self, payload: pb.Payload) -> None:
        """``payload`` is not unpacked."""
        descriptor = self._descriptors.pop(payload.segment, None)
        if descriptor is not None:
            os.close(descriptor)
            self._freed.append(payload.segment)

    def take_freed(self) -> pb.Freed | None:
        """What the other side is to be told; told once."""
        if not self._freed:
            return None
        freed = pb.Freed()
        while self._freed:
            freed.segments.append(self._freed.popleft())
        return freed

    def close(self) -> None:
        """The other process is gone."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def _map(self, payload: pb.Payload, fingerprints: Fingerprints) -> list[memoryview]:
        number = payload.segment
        descriptor = self._descriptors.pop(number, None)
        if descriptor is None:  # closed with the others, by the thread that has read the end
            raise LostError(
                "the process that sent values has ended before they were taken",
                hint="run the cell again",
            )
        starts, size_bytes = layout(payload.sizes)
        freed = functools.partial(self._freed.append, number)
        whole = mapped(descriptor, size_bytes, freed)
        parts = [
            whole[start : start + size] for start, size in zip(starts, payload.sizes, strict=True)
        ]
        reach = 0
        for part in parts:
            end = reach + HASH_BYTES * max(1, -(-part.nbytes // CHUNK_BYTES))
            fingerprints.learn(part, payload.hashes[reach:end])
            reach = end
        return parts


def _items(payload: pb.Payload, parts: list[memoryview]) -> Iterator[Pickled | Patch]:
    rest = iter(parts)
    for pickle in payload.pickles:
        data = next(rest)
        buffers = list(itertools.islice(rest, pickle.buffers))
        if not pickle.name:
            yield Pickled(data, tuple(buffers), living=frozenset(pickle.living))
            continue
        numbers = iter(pickle.changed)
        before = [
            pickle.before[start : start + HASH_BYTES]
            for start in range(0, len(pickle.before), HASH_BYTES)
        ]
        yield Patch(pickle.name, list(zip(numbers, numbers, strict=True)), before, buffers)
