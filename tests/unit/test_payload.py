"""Pickles on the wire: small ones within their message, large ones in chunks ahead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farcell_runtime import codec
from farcell_runtime.errors import InternalError
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import Unpacker, pack

LARGE = 300 << 10


def through_the_wire(
    data: bytes, buffers: list[bytes | memoryview]
) -> tuple[bytes, list[memoryview], int]:
    """What arrives, and in how many chunks."""
    unpacker, chunks = Unpacker(), []

    def send(chunk: pb.Chunk) -> None:
        sent = chunk.SerializeToString()
        chunks.append(sent)
        unpacker.add(pb.Chunk.FromString(sent))

    payload = pb.Payload.FromString(pack(data, buffers, send).SerializeToString())
    arrived, parts = unpacker.unpack(payload)
    return bytes(arrived), parts, len(chunks)


@pytest.mark.parametrize(
    ("data", "buffers", "chunks"),
    [
        (b"small", [], 0),
        (b"", [b"", b"x"], 0),
        (b"x" * (256 << 10), [], 0),
        (b"x" * ((256 << 10) + 1), [], 1),
        (b"x", [b"y" * LARGE, b"", b"z"], 3),
        (b"x" * 10, [bytes(5 << 20), memoryview(bytes(range(256)) * 2000)], 1 + 5 + 1),
    ],
    ids=["small", "empty", "just small", "just large", "an empty part", "several chunks"],
)
def test_arrives_whole(data: bytes, buffers: list[bytes | memoryview], chunks: int) -> None:
    arrived, parts, count = through_the_wire(data, buffers)
    assert arrived == data
    assert parts == buffers
    assert count == chunks


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 7, 100, 1 << 20, (1 << 20) + 1, LARGE]), max_size=5))
def test_parts_of_any_size(sizes: list[int]) -> None:
    buffers: list[bytes | memoryview] = [bytes([n]) * size for n, size in enumerate(sizes)]
    arrived, parts, _ = through_the_wire(b"pickle", buffers)
    assert arrived == b"pickle"
    assert parts == buffers


@pytest.mark.parametrize("length", [1000, LARGE])
def test_arrays_arrive_writable_and_aligned(length: int) -> None:
    np = pytest.importorskip("numpy")
    arrays = [np.ones(1, "u1"), np.ones(length), np.asfortranarray(np.ones((3, 5)))]
    pickled = codec.dump(arrays)
    data, buffers, _ = through_the_wire(pickled.data, list(pickled.buffers))
    for array, sent in zip(codec.load(data, buffers), arrays, strict=True):
        assert np.array_equal(array, sent)
        assert array.flags.writeable
        assert array.flags.aligned
        array[...] = 2


def test_large_payloads_at_once_are_kept_apart() -> None:
    unpacker = Unpacker()
    sent: list[pb.Chunk] = []
    first = pack(b"a" * LARGE, [], sent.append)
    second = pack(b"b" * LARGE, [], sent.append)
    for chunk in reversed(sent):
        unpacker.add(chunk)
    assert bytes(unpacker.unpack(second)[0]) == b"b" * LARGE
    assert bytes(unpacker.unpack(first)[0]) == b"a" * LARGE


def test_missing_chunks_are_no_zeros() -> None:
    chunks: list[pb.Chunk] = []
    payload = pack(b"x" * (3 << 20), [], chunks.append)
    unpacker = Unpacker()
    for chunk in chunks[:-1]:
        unpacker.add(chunk)
    with pytest.raises(InternalError, match="did not arrive"):
        unpacker.unpack(payload)
    with pytest.raises(InternalError):
        Unpacker().unpack(payload)


def test_nothing_is_kept() -> None:
    unpacker = Unpacker()
    payload = pack(b"x" * LARGE, [], unpacker.add)
    unpacker.unpack(payload)
    assert unpacker == Unpacker()
