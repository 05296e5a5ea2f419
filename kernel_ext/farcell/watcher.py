"""Tells at once when files in some folders change, where the system can tell.

It only makes things quick: whether a file has changed is looked up before each cell anyway.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import struct
import sys
import threading
from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)

_IN_MODIFY, _IN_ATTRIB, _IN_CLOSE_WRITE = 0x2, 0x4, 0x8
_IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x40, 0x80, 0x100, 0x200
_WRITTEN, _MOVED = _IN_MODIFY | _IN_ATTRIB | _IN_CLOSE_WRITE, _IN_MOVED_FROM | _IN_MOVED_TO
_EVENTS = _WRITTEN | _MOVED | _IN_CREATE | _IN_DELETE
_IN_NONBLOCK, _IN_CLOEXEC = os.O_NONBLOCK, getattr(os, "O_CLOEXEC", 0)
_EVENT = struct.Struct("iIII")  # in the C library's inotify.h; the name follows
_READ_BYTES = 1 << 16
_LOOK_S = 0.25  # so often files are looked at where the system tells nothing


class Watcher:
    """Watches folders on a thread of its own, from the first one on.

    Linux's inotify by way of the C library: a package that wraps it wakes a hundred times a second
    to be as quick as this, and is imported in 50 ms.

    Args:
        changed: is called on that thread when something in a folder may have changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._folders: set[str] = set()
        self._inotify = -1
        self._library: ctypes.CDLL | None = None
        self._thread: threading.Thread | None = None
        self._wake: tuple[int, int] | None = None
        self._ended = False

    def watch(self, folders: Iterable[str]) -> None:
        """Watch these folders too."""
        new = set(folders) - self._folders
        if not new or self._ended:
            return
        self._folders |= new
        self._begin()
        if self._library is not None:
            for folder in new:
                # One that can't be watched (there are too many) is looked at before each cell.
                self._library.inotify_add_watch(self._inotify, os.fsencode(folder), _EVENTS)

    def poke(self) -> None:
        """Have ``changed`` called on the watcher's thread."""
        self._begin()
        if self._wake is not None:
            os.write(self._wake[1], b"!")

    def end(self) -> None:
        """Watch no more."""
        if self._thread is not None:
            self._ended = True
            self.poke()

    def _begin(self) -> None:
        if self._thread is not None or self._ended:
            return
        self._wake = os.pipe()
        os.set_blocking(self._wake[0], False)
        if sys.platform == "linux":
            library = ctypes.CDLL(None, use_errno=True)
            self._inotify = library.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
            if self._inotify >= 0:
                self._library = library
        self._thread = threading.Thread(target=self._run, name="farcell-watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        assert self._wake is not None
        poll = select.poll()
        poll.register(self._wake[0], select.POLLIN)
        if self._library is not None:
            poll.register(self._inotify, select.POLLIN)
        while not self._ended:
            ready = poll.poll(None if self._library is not None else _LOOK_S * 1000)
            if self._ended:
                break
            if self._is_about_source() or len(ready) != 1 or ready[0][0] != self._inotify:
                try:
                    self._changed()
                except Exception:  # a fault: files are looked at before each cell nonetheless
                    _log.exception("what was saved could not be taken ahead of the next cell")
        if self._inotify >= 0:
            os.close(self._inotify)
        for descriptor in self._wake:
            os.close(descriptor)

    def _is_about_source(self) -> bool:
        """Take all events that there are; whether one is of a Python file, or of a whole folder."""
        assert self._wake is not None
        self._take(self._wake[0])
        events, start, found = self._take(self._inotify), 0, False
        while start < len(events):
            *_, length = _EVENT.unpack_from(events, start)
            start += _EVENT.size
            name = events[start : start + length].rstrip(b"\0")
            start += length
            found |= not name or name.endswith(b".py")
        return found

    def _take(self, descriptor: int) -> bytes:
        found = b""
        with contextlib.suppress(BlockingIOError):
            while descriptor >= 0 and (data := os.read(descriptor, _READ_BYTES)):
                found += data
        return found
