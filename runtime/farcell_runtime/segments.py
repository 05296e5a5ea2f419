"""Memory shared by processes of one machine: one copies values in, others map them.

A segment is a file without a name, in memory, or on disk where memory is short. Its descriptor
travels with the message that tells of it. Whoever gets it maps it privately: reads it without a
copy, and may write without anybody seeing that. What no process holds open any more is gone, so
that a crash leaves nothing behind.

To touch memory for the first time takes several times as long as to copy into it: segments that
nobody maps any more are kept for the next values.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import shutil
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import xxhash

from farcell_runtime.cores import spread
from farcell_runtime.errors import NO_DESCRIPTORS, UsageError
from farcell_runtime.fingerprints import MANY_CHUNKS, Fingerprints, chunks

_GRAIN_BYTES = 1 << 20
_KEPT_IDLE_S = 60.0
_SPARE_BYTES = 256 << 20  # of memory and disk, left to others
_PAGE_BYTES = 4096
_numbers = itertools.count(1)


class Segment:
    """One piece of shared memory, as its owner sees it. It is closed once nothing refers to it.

    So one that a stop tore out of the hands of whoever was about to lend it is not lost.
    """

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._closing = weakref.finalize(self, os.close, descriptor)
        self._closing.atexit = False
        self.number = next(_numbers)
        self.descriptor = descriptor
        self.size_bytes = size_bytes
        self.holders: set[Hashable] = set()
        self.lent = False
        self.idle_since_s = 0.0
        self._map: mmap.mmap | None = None

    def write(self, start: int, part: memoryview, fingerprints: Fingerprints) -> None:
        """Copy ``part`` to ``start``, and have ``fingerprints`` know its hashes."""
        pieces = list(chunks(part.cast("B"))) if part.nbytes else []
        starts = itertools.accumulate((piece.nbytes for piece in pieces), initial=start)
        known = fingerprints.knows(part)
        numpy: Any = sys.modules.get("numpy")
        array: Any = None
        if self._map is not None and numpy is not None and len(pieces) >= MANY_CHUNKS:
            array = numpy.frombuffer(self._map, "u1")

        def copy(place: tuple[int, memoryview]) -> bytes:
            begin, piece = place
            # Before it is copied, and into the processor's cache with that: what is written to it
            # meanwhile must not pass for sent.
            found = b"" if known else xxhash.xxh3_64_digest(piece)
            if array is None:
                self._copy(begin, piece)
            else:  # which lets other threads copy at the same time
                assert numpy is not None
                numpy.copyto(array[begin : begin + piece.nbytes], numpy.frombuffer(piece, "u1"))
            return found

        places = list(zip(starts, pieces, strict=False))
        try:
            hashes = list(map(copy, places)) if array is None else spread(copy, places)
        finally:
            array = None  # what it shows could not be closed
        if not known:
            fingerprints.learn(part, b"".join(hashes))

    def _copy(self, start: int, piece: memoryview) -> None:
        if self._map is not None:
            self._map[start : start + piece.nbytes] = piece
            return
        # Half the cost of touching a page through a mapping for the first time.
        while piece.nbytes:
            written = os.pwrite(self.descriptor, piece, start)
            start, piece = start + written, piece[written:]

    def warm(self) -> None:
        """It was written to once: from now on it is written to through a mapping."""
        if self._map is None:
            self._map = mmap.mmap(self.descriptor, self.size_bytes)

    def close(self) -> None:
        self._map = None  # which goes when nothing shows it any more: after a stop, a traceback may
        self._closing()


class Pool:
    """The segments that this process has made.

    Args:
        folder: where segments go that memory has no room for.
        most_free_bytes: of segments that nobody maps, so much is kept for the next values.
    """

    def __init__(self, folder: str, most_free_bytes: int) -> None:
        self._folder = folder
        self._most_free_bytes = most_free_bytes
        self._held: dict[int, Segment] = {}
        self._free: list[Segment] = []
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> Segment:
        """A segment of at least ``size_bytes``, to be written to, and then lent or discarded.

        Raises:
            UsageError: if there is no room for it, in memory or on disk.
        """
        with self._lock:
            fitting = [one for one in self._free if size_bytes <= one.size_bytes <= 4 * size_bytes]
            if fitting:
                found = min(fitting, key=lambda one: one.size_bytes)
                self._free.remove(found)
                found.warm()
            else:
                rounded = -(-size_bytes // _GRAIN_BYTES) * _GRAIN_BYTES
                found = Segment(_open(rounded, self._folder), rounded)
            found.lent = False
            return found

    def lend(self, segment: Segment, holders: Iterable[Hashable]) -> None:
        """``holders`` are about to be told of ``segment``, and map it until they say otherwise."""
        with self._lock:
            segment.lent = True
            segment.holders.update(holders)
            self._held[segment.number] = segment

    def discard(self, segment: Segment) -> None:
        """``segment`` is not needed after all, if nobody was told of it."""
        with self._lock:
            if not segment.lent:
                segment.close()

    def freed(self, holder: Hashable, numbers: Iterable[int]) -> None:
        """``holder`` maps these segments no more."""
        with self._lock:
            for number in numbers:
                if (segment := self._held.get(number)) is not None:
                    self._drop(segment, holder)
            self._trim()

    def gone(self, holder: Hashable) -> None:
        """``holder`` has ended, and maps nothing any more."""
        with self._lock:
            for segment in list(self._held.values()):
                self._drop(segment, holder)
            self._trim()

    def sizes(self) -> tuple[int, int]:
        """How many bytes are mapped by others, and how many are kept free."""
        with self._lock:
            held = sum(one.size_bytes for one in self._held.values())
            return held, sum(one.size_bytes for one in self._free)

    def close(self) -> None:
        with self._lock:
            for segment in (*self._held.values(), *self._free):
                segment.close()
            self._held.clear()
            self._free.clear()

    def _drop(self, segment: Segment, holder: Hashable) -> None:
        segment.holders.discard(holder)
        if not segment.holders:
            del self._held[segment.number]
            segment.idle_since_s = time.monotonic()
            self._free.append(segment)

    def _trim(self) -> None:
        now_s = time.monotonic()
        free_bytes = sum(one.size_bytes for one in self._free)
        for segment in sorted(self._free, key=lambda one: one.idle_since_s):
            old = now_s - segment.idle_since_s > _KEPT_IDLE_S
            if not old and free_bytes <= self._most_free_bytes:
                break
            self._free.remove(segment)
            free_bytes -= segment.size_bytes
            segment.close()


class Mapping(mmap.mmap):
    """A segment as its reader sees it: many values lie in it, and no two in one place."""


def mapped(descriptor: int, size_bytes: int, freed: Callable[[], object]) -> memoryview:
    """Map a segment that came with ``descriptor``, which is closed.

    ``freed`` is called when nothing refers to the memory any more, on any thread.

    Raises:
        UsageError: if this process can't have more files open, or memory mapped.
    """
    try:
        mapping = Mapping(descriptor, size_bytes, flags=mmap.MAP_PRIVATE, prot=_READ_WRITE)
    except OSError as error:
        freed()
        if error.errno == errno.EMFILE:
            told, hint = "this process has no file descriptors left", NO_DESCRIPTORS
        else:
            told, hint = f"values that came can't be mapped: {error}", "free names with `del`"
        raise UsageError(told, hint=hint) from error
    finally:
        os.close(descriptor)
    weakref.finalize(mapping, freed).atexit = False
    return memoryview(mapping)


_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE


def layout(sizes: Iterable[int]) -> tuple[list[int], int]:
    """Where parts of these ``sizes`` lie in a segment, and how large it must be."""
    starts: list[int] = []
    end = 0
    for size in sizes:
        grain = _PAGE_BYTES if size >= _PAGE_BYTES else 64
        start = -(-end // grain) * grain
        starts.append(start)
        end = start + size
    return starts, max(end, 1)


def _open(size_bytes: int, folder: str) -> int:
    """A file without a name, of that size, in memory or else in ``folder``."""
    if hasattr(os, "memfd_create") and size_bytes + _SPARE_BYTES <= _available_bytes():
        descriptor = -1
        try:
            descriptor = os.memfd_create("farcell")
            os.ftruncate(descriptor, size_bytes)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise _refused(size_bytes, error) from error
        return descriptor
    room = shutil.disk_usage(folder).free
    if size_bytes + _SPARE_BYTES > room:
        raise _no_room(size_bytes, folder, room)
    descriptor = -1
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            descriptor = os.dup(file.fileno())
        if sys.platform == "linux":
            os.posix_fallocate(descriptor, 0, size_bytes)  # now, rather than by a signal later
        else:
            os.ftruncate(descriptor, size_bytes)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        if error.errno == errno.EMFILE:
            raise _refused(size_bytes, error) from error
        raise _no_room(size_bytes, folder, room) from error
    return descriptor


def _refused(size_bytes: int, error: OSError) -> UsageError:
    hint = NO_DESCRIPTORS if error.errno == errno.EMFILE else "free names with `del`"
    return UsageError(f"no memory to send {size_bytes:,} bytes: {error.strerror}", hint=hint)


def _no_room(size_bytes: int, folder: str, room: int) -> UsageError:
    return UsageError(
        f"there is no room for {size_bytes:,} bytes of values: neither in memory nor in {folder}, "
        f"where {room:,} bytes are free",
        hint="free names with `del`, or set TMPDIR to a larger disk before %load_ext farcell",
    )


def _available_bytes() -> int:
    """How much memory can be used without others being hurt."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _limit_bytes())
    return 1 << 62


def _limit_bytes() -> int:
    """What this process's control group may still use."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        most = (group / "memory.max").read_text().strip()
        if most != "max":
            return int(most) - int((group / "memory.current").read_text())
    return 1 << 62
