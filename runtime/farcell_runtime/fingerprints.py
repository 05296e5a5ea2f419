"""Fingerprints of pickled values: whether they have changed since, and in which chunks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import xxhash

from farcell_runtime.codec import Pickled
from farcell_runtime.cores import spread

CHUNK_BYTES = 1 << 20
_LARGE_BYTES = 64 << 10
HASH_BYTES = 8
MANY_CHUNKS = 8  # are spread over cores: to hash one takes 0.05 ms


@dataclass(frozen=True, slots=True)
class Digest:
    """What a pickled value was: a hash of its pickle, and of each chunk of each of its buffers.

    Attributes:
        head: 16 bytes.
        sizes: of the buffers, in bytes.
        hashes: for each buffer, 8 bytes a chunk.
    """

    head: bytes
    sizes: tuple[int, ...]
    hashes: tuple[bytes, ...]

    def chunk(self, buffer: int, number: int) -> bytes:
        """The hash of one chunk."""
        start = number * HASH_BYTES
        return self.hashes[buffer][start : start + HASH_BYTES]

    def patched(self, places: Iterable[tuple[int, int]], hashes: Iterable[bytes]) -> Digest:
        """The digest when the chunks at ``places`` have these ``hashes``."""
        buffers = [bytearray(each) for each in self.hashes]
        for (buffer, number), new in zip(places, hashes, strict=True):
            start = number * HASH_BYTES
            buffers[buffer][start : start + HASH_BYTES] = new
        return Digest(self.head, self.sizes, tuple(map(bytes, buffers)))

    def changed_chunks(self, other: Digest) -> list[tuple[int, int]] | None:
        """Where ``other`` differs: which buffer, which chunk. None if it differs in more."""
        if self.head != other.head or self.sizes != other.sizes:
            return None
        return [
            (number, start // HASH_BYTES)
            for number, (mine, theirs) in enumerate(zip(self.hashes, other.hashes, strict=True))
            if mine != theirs
            for start in range(0, len(mine), HASH_BYTES)
            if mine[start : start + HASH_BYTES] != theirs[start : start + HASH_BYTES]
        ]


class Fingerprints:
    """The hashes of buffers that nobody writes to meanwhile: each is computed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bytes] = {}

    def of(self, buffer: memoryview) -> bytes:
        """The hashes of the chunks of ``buffer``."""
        place = _place(buffer)
        if place is None or (known := self._known.get(place)) is None:
            parts = list(chunks(buffer))
            hashes = spread if len(parts) >= MANY_CHUNKS else map
            known = b"".join(hashes(xxhash.xxh3_64_digest, parts))
            if place is not None:
                self._known[place] = known
        return known

    def learn(self, buffer: memoryview, hashes: bytes) -> None:
        """``buffer`` has these ``hashes``."""
        if (place := _place(buffer)) is not None:
            self._known[place] = hashes

    def knows(self, buffer: memoryview) -> bool:
        return _place(buffer) in self._known

    def digest(self, pickled: Pickled) -> Digest:
        """The digest of a pickle and its buffers."""
        buffers = [memoryview(buffer) for buffer in pickled.buffers]
        return Digest(
            xxhash.xxh3_128_digest(pickled.data),
            tuple(buffer.nbytes for buffer in buffers),
            tuple(map(self.of, buffers)),
        )


def chunks(buffer: memoryview) -> Iterator[memoryview]:
    """``buffer`` in pieces of ``CHUNK_BYTES``; the last one is shorter."""
    if buffer.nbytes <= CHUNK_BYTES:
        yield buffer
        return
    flat = buffer.cast("B")
    for start in range(0, flat.nbytes, CHUNK_BYTES):
        yield flat[start : start + CHUNK_BYTES]


def _place(buffer: memoryview) -> tuple[int, int] | None:
    """Where a large buffer lies: its address and its length."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or buffer.nbytes < _LARGE_BYTES:
        return None
    array = numpy.frombuffer(buffer, dtype="u1")
    return array.__array_interface__["data"][0], buffer.nbytes
