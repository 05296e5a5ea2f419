"""A run's log: what it wrote to descriptors 1 and 2, what it displayed, and in which order.

A log is three files side by side: ``<name>.out`` and ``<name>.err`` hold the bytes as written, by
whoever wrote them (Python, C code, subprocesses); ``<name>.events`` holds records, each saying at
which lengths of the two others it belongs. A record is either a mark, which only says that the
text before it came before the text after it, or an event: a Jupyter message's content, as JSON.

The writer is the worker. A reader needs nothing of it but the files: it takes the lengths of the
texts first and the records after, so that every record that orders those texts is there.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUT, ERR = 1, 2
# Length of the JSON behind it (0: a mark), the stream that is written next, reach of out, of err.
_HEAD = struct.Struct("<IBQQ")
# Of what was shown: the reach of out, of err, of the records, and the stream that comes next.
_SHOWN = struct.Struct("<QQQB")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_BYTES = 1 << 20
_UTF_8 = codecs.getincrementaldecoder("utf-8")
_LEAST_SKIP_BYTES = 4096  # less than this is not worth leaving out
_LONGEST_LINE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Position:
    """How far the three files reach, in bytes."""

    out: int = 0
    err: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """Text of one stream: ``stdout`` or ``stderr``."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """A message of Jupyter's: its type (``display_data``, ``execute_result``, ...) and content."""

    kind: str
    content: dict[str, Any]


class RunLog:
    """The log of one run, being written. Every method may be called from any thread."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self._base = f"{folder}/{name}"
        self._files: dict[int, int] = {}
        self._events: int | None = None
        self._removed = False
        self._events_bytes = 0
        self._last = OUT
        self._other_bytes = 0
        self._lock = threading.RLock()
        self.handed_on = False  # to a thread, a pool or a process, which may write later
        self.lost_bytes = 0  # text that found no room on the disk
        self._open()

    def install(self) -> None:
        """Make descriptors 1 and 2 of this process write here."""
        with self._lock:
            self._open()
            os.dup2(self._files[OUT], OUT)
            os.dup2(self._files[ERR], ERR)

    def write(self, stream: int, data: bytes) -> None:
        """Append to one of the two texts. Text that the disk has no room for is counted."""
        with self._lock:
            self._open()
            other = self._files[ERR if stream == OUT else OUT]
            # The length by seeking: a print is two writes, and fstat would be half of their cost.
            other_bytes = os.lseek(other, 0, os.SEEK_END)
            if stream != self._last or other_bytes != self._other_bytes:
                # Another stream than last time; or somebody wrote to the other one meanwhile.
                self._last = stream
                self._record(b"")
            self._other_bytes = other_bytes
            self._append(self._files[stream], data)

    def event(self, kind: str, content: dict[str, Any]) -> None:
        """Append an event; ``content`` must be JSON (bytes excluded)."""
        body = json.dumps([kind, content], default=str, ensure_ascii=False).encode(
            errors="backslashreplace"
        )
        with self._lock:
            self._open()
            self._record(body)

    def position(self) -> Position:
        """How far the log reaches now."""
        with self._lock:
            self._open()
            return Position(
                os.fstat(self._files[OUT]).st_size,
                os.fstat(self._files[ERR]).st_size,
                self._events_bytes,
            )

    @property
    def closed(self) -> bool:
        """Whether it was removed, and nobody should write to it any more."""
        return self._removed

    def close(self) -> None:
        """Give the descriptors back: the run is over. Who still writes has them opened again."""
        with self._lock:
            for descriptor in self._files.values():
                os.close(descriptor)
            self._files = {}
            if self._events is not None:
                os.close(self._events)
                self._events = None

    def remove(self) -> None:
        """Delete the files, and close them for good."""
        self._removed = True
        self.close()
        for suffix in ("out", "err", "events", "shown"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._base}.{suffix}")

    def _open(self) -> None:
        if self._files:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._files = {
            OUT: os.open(f"{self._base}.out", flags, 0o600),
            ERR: os.open(f"{self._base}.err", flags, 0o600),
        }

    def _record(self, body: bytes) -> None:
        if self._events is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._events = os.open(f"{self._base}.events", flags, 0o600)
        reach = (os.fstat(self._files[OUT]).st_size, os.fstat(self._files[ERR]).st_size)
        head = _HEAD.pack(len(body), self._last, *reach)
        self._events_bytes += self._append(self._events, head + body)

    def _append(self, descriptor: int, data: bytes) -> int:
        written = 0
        while written < len(data):
            try:
                written += os.write(descriptor, data[written:] if written else data)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self.lost_bytes += len(data) - written
                break
        return written


class LogReader:
    """Reads a log from its files, from the start or while it is being written."""

    def __init__(self, folder: str, name: str) -> None:
        self._base = f"{folder}/{name}"
        self._names = {"out": "stdout", "err": "stderr"}
        self._files: dict[str, int] = {}
        self._reach = {"out": 0, "err": 0}  # bytes handed out
        self._events_reach = 0
        self._records = b""
        self._next = "out"
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    @classmethod
    def resumed(cls, folder: str, name: str) -> LogReader:
        """A reader that goes on where another, of a process that may be gone, has shown it to."""
        reader = cls(folder, name)
        with contextlib.suppress(OSError, struct.error):
            shown = Path(f"{reader._base}.shown").read_bytes()
            out, err, events, stream = _SHOWN.unpack(shown)
            reader._reach = {"out": out, "err": err}
            reader._events_reach = events
            reader._next = "out" if stream == OUT else "err"
        return reader

    def note_shown(self) -> None:
        """All that was read has been shown: whoever resumes goes on from here."""
        stream = OUT if self._next == "out" else ERR
        events = self._events_reach - len(self._records)
        shown = _SHOWN.pack(self._reach["out"], self._reach["err"], events, stream)
        with contextlib.suppress(OSError):  # no room: somebody may see it twice
            if "shown" not in self._files:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                self._files["shown"] = os.open(f"{self._base}.shown", flags, 0o600)
            os.pwrite(self._files["shown"], shown, 0)

    @property
    def path(self) -> Path:
        """The file that holds what was written to descriptor 1."""
        return Path(f"{self._base}.out")

    def size(self, name: str) -> int:
        """How many bytes ``out`` or ``err`` holds now."""
        descriptor = self._open(name)
        return 0 if descriptor is None else os.fstat(descriptor).st_size

    def backlog_bytes(self) -> int:
        """How many bytes of text wait to be read."""
        return sum(self.size(name) - self._reach[name] for name in self._names)

    @property
    def reach(self) -> Position:
        """How far it was read."""
        return Position(self._reach["out"], self._reach["err"], self._events_reach)

    def has_more(self) -> bool:
        """Whether there is anything to read. Opens no file."""
        for name, reach in (*self._reach.items(), ("events", self._events_reach)):
            with contextlib.suppress(FileNotFoundError):
                if os.stat(f"{self._base}.{name}").st_size != reach:
                    return True
        return False

    def read(self, *, skip_over_bytes: int = 0) -> Iterator[Text | Event]:
        """All that is there and was not read yet, in order.

        Args:
            skip_over_bytes: where more text than this lies between two events, leave out its
                middle and say so; 0 reads all.
        """
        sizes = {name: self.size(name) for name in self._names}
        for name, size in sizes.items():
            if size < self._reach[name]:  # as by `echo x > /dev/stderr`, which truncates
                self._reach[name] = 0
                self._decoders.pop(name, None)
        for stream, out, err, body in self._new_records():
            yield from self._text({"out": out, "err": err}, skip_over_bytes)
            self._next = "out" if stream == OUT else "err"
            if body:
                kind, content = json.loads(body)
                yield Event(kind, content)
        yield from self._text(sizes, skip_over_bytes)

    def tail(self, lines: int) -> list[str]:
        """The last lines of both texts, standard error's behind standard output's."""
        found: list[str] = []
        for name in self._names:
            descriptor = self._open(name)
            if descriptor is None:
                continue
            size = os.fstat(descriptor).st_size
            data = os.pread(descriptor, 1 << 16, max(0, size - (1 << 16)))
            found += data.decode(errors="replace").splitlines()[-lines:]
        return found[-lines:]

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def _open(self, name: str) -> int | None:
        if name not in self._files:
            try:
                path = f"{self._base}.{name}"
                self._files[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
        return self._files[name]

    def _new_records(self) -> Iterator[tuple[int, int, int, bytes]]:
        descriptor = self._open("events")
        if descriptor is None:
            return
        while data := os.pread(descriptor, _READ_BYTES, self._events_reach):
            self._events_reach += len(data)
            self._records += data
        start = 0
        while start + _HEAD.size <= len(self._records):
            length, stream, out, err = _HEAD.unpack_from(self._records, start)
            end = start + _HEAD.size + length
            if end > len(self._records):
                break
            yield stream, out, err, self._records[start + _HEAD.size : end]
            start = end
        self._records = self._records[start:]

    def _text(self, until: dict[str, int], skip_over_bytes: int) -> Iterator[Text]:
        # A record says which stream was written next; what the other one got until the next
        # record, it got from C code or a subprocess after that.
        for name in (self._next, "err" if self._next == "out" else "out"):
            if until[name] > self._reach[name]:
                yield from self._text_of(name, until[name], skip_over_bytes)

    def _text_of(self, name: str, until: int, skip_over_bytes: int) -> Iterator[Text]:
        decoder = self._decoders.get(name)
        if decoder is None:
            decoder = self._decoders[name] = _UTF_8(errors="replace")
        stream = self._names[name]
        skip_from = skip_to = until
        descriptor = self._open(name)
        assert descriptor is not None
        if skip_over_bytes and until - self._reach[name] > skip_over_bytes + _LEAST_SKIP_BYTES:
            half = skip_over_bytes // 2
            skip_from = _line_end(descriptor, self._reach[name] + half, until)
            skip_to = max(skip_from, _line_end(descriptor, until - half, until))
        for stop in (skip_from, until):
            while self._reach[name] < stop:
                count = min(_READ_BYTES, stop - self._reach[name])
                data = os.pread(descriptor, count, self._reach[name])
                if not data:
                    return
                self._reach[name] += len(data)
                if text := decoder.decode(data):
                    yield Text(stream, text)
            if stop == skip_from and skip_to > skip_from:
                self._reach[name] = skip_to
                skipped = skip_to - skip_from
                decoder.reset()
                where = f"{self._base}.{name}"
                yield Text(stream, f"… {skipped:,} bytes left out here, all are in {where} …\n")


def _line_end(descriptor: int, start: int, until: int) -> int:
    """The end of the line at ``start``; the next character if that line is very long."""
    data = os.pread(descriptor, min(_LONGEST_LINE_BYTES, until - start), start)
    end = data.find(b"\n") + 1
    while not end and start < until and data and data[0] & 0xC0 == 0x80:
        data, start = data[1:], start + 1  # not into the middle of a character
    return start + end
