"""Values on the wire: small ones within their message, large ones in shared memory."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farcell_runtime import cores, segments
from farcell_runtime.codec import Pickled
from farcell_runtime.errors import InternalError, LostError, UsageError
from farcell_runtime.fingerprints import CHUNK_BYTES, Fingerprints
from farcell_runtime.segments import Pool
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import Arrivals, pack
from farcell_runtime.values import Parcel, Patch
from tests.unit.wire import lent, through_the_wire

LARGE = 300 << 10


def parcel(*parts: bytes) -> Parcel:
    """One pickle, its buffers behind it."""
    return Parcel([Pickled(parts[0], parts[1:], frozenset())])


def arrived(found: Parcel) -> list[bytes]:
    [item] = found.items
    assert isinstance(item, Pickled)
    return [bytes(item.data), *map(bytes, item.buffers)]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(str(tmp_path), 16 << 20)


@pytest.mark.parametrize(
    ("parts", "in_segment"),
    [
        ([b"small"], False),
        ([b"", b"", b"x"], False),
        ([b"x" * (256 << 10)], False),
        ([b"x" * ((256 << 10) + 1)], True),
        ([b"x", b"y" * LARGE, b"", b"z"], True),
        ([b"x" * 10, bytes(range(256)) * (5 << 12)], True),
    ],
    ids=["small", "empty", "just small", "just large", "an empty part", "several chunks"],
)
def test_arrives_whole(parts: list[bytes], in_segment: bool, pool: Pool) -> None:
    assert bool(pack(parcel(*parts), pool).payload.segment) == in_segment
    assert arrived(through_the_wire(parcel(*parts), pool)) == parts


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 7, 100, 1 << 20, (1 << 20) + 1, LARGE]), max_size=5))
def test_parts_of_any_size(sizes: list[int]) -> None:
    parts = [b"pickle", *(bytes([n]) * size for n, size in enumerate(sizes))]
    found = through_the_wire(parcel(*parts))
    assert arrived(found) == parts
    for part in found.items[0].buffers:  # type: ignore[union-attr]
        assert found.fingerprints.of(memoryview(part)) == Fingerprints().of(memoryview(part))


def test_patches_arrive() -> None:
    chunk = os.urandom(CHUNK_BYTES)
    patch = Patch("a", [(0, 1), (2, 30)], [b"before 1", b"before 2"], [memoryview(chunk)] * 2)
    for patches in ([patch], [patch, patch]):
        found = through_the_wire(Parcel([*patches, Pickled(b"x", (b"y",), frozenset())]))
        assert found.items[:-1] == patches
        assert found.items[-1] == Pickled(b"x", (b"y",), frozenset())


def test_what_is_written_to_it_is_nobody_elses(pool: Pool) -> None:
    sent = parcel(b"x", b"y" * LARGE)
    packed = lent(sent, pool, ["one", "two"])
    mine, other = Arrivals(), Arrivals()
    found = []
    for arrivals in (mine, other):
        arrivals.note(packed.payload, deque([os.dup(packed.segment.descriptor)]))
        found.append(arrivals.unpack(packed.payload).items[0].buffers[0])  # type: ignore[union-attr]
    found[0][:3] = b"new"
    assert bytes(found[0][:4]) == b"newy"
    assert bytes(found[1][:4]) == b"yyyy"


def test_a_segment_is_used_again_when_nobody_maps_it(pool: Pool) -> None:
    arrivals = Arrivals()
    found = through_the_wire(parcel(b"x", b"a" * LARGE), pool, arrivals)
    part = found.items[0].buffers[0]  # type: ignore[union-attr]
    assert arrivals.take_freed() is None
    again = lent(parcel(b"x", b"b" * LARGE), pool, ["the other side"])
    assert bytes(part) == b"a" * LARGE, "it was written to while it was mapped"
    number = again.payload.segment
    assert pool.sizes() == (2 << 20, 0)
    del found, part
    gc.collect()
    freed = arrivals.take_freed()
    assert freed is not None
    pool.freed("the other side", freed.segments)
    assert arrivals.take_freed() is None
    assert pool.sizes() == (1 << 20, 1 << 20)
    third = lent(parcel(b"x", b"c" * LARGE), pool, ["the other side"])
    assert third.payload.segment == freed.segments[0] != number
    assert arrived(through_the_wire(parcel(b"z", b"d" * LARGE), pool)) == [b"z", b"d" * LARGE]


def test_a_holder_that_is_gone_holds_nothing(pool: Pool) -> None:
    lent(parcel(b"x" * LARGE), pool, ["one", "two"])
    pool.gone("one")
    assert pool.sizes() == (1 << 20, 0)
    pool.gone("two")
    assert pool.sizes() == (0, 1 << 20)


def test_one_holder_frees_it_for_no_other(pool: Pool) -> None:
    packed = lent(parcel(b"x" * LARGE), pool, ["one", "two"])
    pool.freed("one", [packed.payload.segment])
    assert pool.sizes() == (1 << 20, 0)
    assert pack(parcel(b"y" * LARGE), pool).payload.segment != packed.payload.segment


def test_not_more_is_kept_than_allowed(pool: Pool) -> None:
    for _ in range(40):
        lent(parcel(b"x" * LARGE), pool, ["one"])
    before = len(os.listdir("/proc/self/fd"))
    pool.gone("one")
    assert pool.sizes() == (0, 16 << 20)
    assert len(os.listdir("/proc/self/fd")) == before - 24


@pytest.mark.parametrize("available", [1, 3])
@pytest.mark.parametrize("known", [False, True])
def test_a_large_part_is_copied_on_several_cores(
    available: int, known: bool, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numpy")
    monkeypatch.setattr(cores, "_available", lambda: available)
    arrivals = Arrivals()
    for number in range(3):  # the first time into memory that was never touched
        large = bytes([number]) + os.urandom(CHUNK_BYTES) * 12 + b"end"
        sent = parcel(b"x", b"y" * LARGE, large)
        if known:
            sent.fingerprints.of(memoryview(large))
        found = through_the_wire(sent, pool, arrivals)
        assert arrived(found) == [b"x", b"y" * LARGE, large]
        part = found.items[0].buffers[1]  # type: ignore[union-attr]
        assert found.fingerprints.of(memoryview(part)) == Fingerprints().of(memoryview(large))
        del found, part
        gc.collect()
        freed = arrivals.take_freed()
        assert freed is not None
        pool.freed("the other side", freed.segments)
    assert pool.sizes() == (0, 13 << 20)
    pool.close()


def test_a_stop_while_it_is_copied_leaves_nothing_behind(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numpy")

    def stop(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(segments.xxhash, "xxh3_64_digest", stop)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KeyboardInterrupt):
        pack(parcel(b"x" * (12 << 20)), pool)
    assert pool.sizes() == (0, 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_nobody_was_told_of_is_closed(pool: Pool) -> None:
    before = len(os.listdir("/proc/self/fd"))
    packed = pack(parcel(b"x" * LARGE), pool)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del packed
    assert len(os.listdir("/proc/self/fd")) == before
    unsent, sent = (pack(parcel(b"x" * LARGE), pool).segment for _ in range(2))
    assert unsent is not None
    assert sent is not None
    pool.lend(sent, ["one"])
    for each in (unsent, sent):
        pool.discard(each)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert pool.sizes() == (1 << 20, 0)


def test_a_dropped_payload_frees_its_segment(pool: Pool) -> None:
    packed = lent(parcel(b"x" * LARGE), pool, ["one"])
    arrivals = Arrivals()
    before = len(os.listdir("/proc/self/fd"))
    arrivals.note(packed.payload, deque([os.dup(packed.segment.descriptor)]))
    arrivals.drop(packed.payload)
    assert len(os.listdir("/proc/self/fd")) == before
    freed = arrivals.take_freed()
    assert freed is not None
    assert list(freed.segments) == [packed.payload.segment]


def test_short_of_memory_it_goes_to_disk(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_available_bytes", lambda: 0)
    packed = lent(parcel(b"x", b"y" * LARGE), pool, ["one"])
    assert "memfd" not in os.readlink(f"/proc/self/fd/{packed.segment.descriptor}")
    assert arrived(through_the_wire(parcel(b"x", b"y" * LARGE), pool)) == [b"x", b"y" * LARGE]


def test_short_of_both_it_says_so(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_available_bytes", lambda: 0)
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(segments.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UsageError, match="no room for") as failed:
        lent(parcel(b"x" * LARGE), pool, ["one"])
    assert "TMPDIR" in (failed.value.hint or "")
    assert pool.sizes() == (0, 0)


def test_a_segment_of_a_process_that_has_ended(pool: Pool) -> None:
    packed = lent(parcel(b"x" * LARGE), pool, ["one"])
    arrivals = Arrivals()
    arrivals.note(packed.payload, deque([os.dup(packed.segment.descriptor)]))
    arrivals.close()
    with pytest.raises(LostError, match="has ended"):
        arrivals.unpack(packed.payload)


def test_missing_parts_are_no_zeros() -> None:
    payload = pb.Payload(pickles=[pb.Pickle(buffers=2)], parts=[b"x"])
    with pytest.raises(InternalError, match="did not arrive"):
        Arrivals().unpack(payload)


def test_what_is_written_while_it_is_copied_does_not_pass_for_sent(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = bytearray(LARGE)
    copy = segments.Segment._copy

    def copy_and_write(self: segments.Segment, start: int, piece: memoryview) -> None:
        copy(self, start, piece)
        if piece.nbytes == LARGE:
            piece[0] = 1

    monkeypatch.setattr(segments.Segment, "_copy", copy_and_write)
    sent = Parcel([Pickled(b"x", (memoryview(written),))])
    pack(sent, pool)
    assert written[0] == 1
    assert sent.fingerprints.of(memoryview(written)) != Fingerprints().of(memoryview(written))


def test_without_descriptors_nothing_is_mapped_and_it_says_so(pool: Pool) -> None:
    packed = lent(parcel(b"x", b"y" * LARGE), pool, ["one"])
    assert packed.segment is not None
    arrivals = Arrivals()
    arrivals.note(packed.payload, deque([os.dup(packed.segment.descriptor)]))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 20, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(UsageError, match="no file descriptors left"):
            arrivals.unpack(packed.payload)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in held:
            os.close(each)
    freed = arrivals.take_freed()
    assert freed is not None
    assert list(freed.segments) == [packed.payload.segment]
