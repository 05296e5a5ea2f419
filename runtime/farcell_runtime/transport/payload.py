"""Pickled values on the stream: small ones within their message, large ones in chunks ahead."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from farcell_runtime.errors import InternalError
from farcell_runtime.transport import farcell_pb2 as pb

_INLINE_BYTES = 256 << 10
_CHUNK_BYTES = 1 << 20
_numbers = itertools.count(1)


def pack(
    data: bytes, buffers: Iterable[bytes | memoryview], send: Callable[[pb.Chunk], None]
) -> pb.Payload:
    """The payload that stands for a pickle, its chunks sent already if it is large."""
    parts = [memoryview(data), *(memoryview(buffer) for buffer in buffers)]
    sizes = [part.nbytes for part in parts]
    if sum(sizes) <= _INLINE_BYTES:
        return pb.Payload(data=data, buffers=[bytes(part) for part in parts[1:]])
    number = next(_numbers)
    for part in parts:
        flat = part.cast("B")
        for start in range(0, flat.nbytes, _CHUNK_BYTES):
            piece = bytes(flat[start : start + _CHUNK_BYTES])
            send(pb.Chunk(payload=number, data=piece))
    return pb.Payload(chunked=number, sizes=sizes)


@dataclass
class Unpacker:
    """Gathers the chunks that arrive ahead of their payloads."""

    _chunks: dict[int, list[bytes]] = field(default_factory=dict)

    def add(self, chunk: pb.Chunk) -> None:
        self._chunks.setdefault(chunk.payload, []).append(chunk.data)

    def unpack(self, payload: pb.Payload) -> tuple[bytes | memoryview, list[memoryview]]:
        """The pickle and its buffers, which are writable.

        Raises:
            InternalError: if chunks are missing.
        """
        if not payload.chunked:
            return payload.data, [memoryview(bytearray(part)) for part in payload.buffers]
        pieces = collections.deque(self._chunks.pop(payload.chunked, ()))
        # Memory of its own for each part: aligned, and freed with the array that lies in it.
        parts = [memoryview(bytearray(size)) for size in payload.sizes]
        for part in parts:
            reach = 0
            while reach < part.nbytes and pieces:
                piece = pieces.popleft()
                part[reach : reach + len(piece)] = piece
                reach += len(piece)
            if reach != part.nbytes:
                raise InternalError(
                    f"of {sum(payload.sizes):,} bytes of values some did not arrive"
                )
        return parts[0], parts[1:]
